{{- define "issuerctl.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "issuerctl.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "issuerctl.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "issuerctl.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "issuerctl.selector" -}}
app.kubernetes.io/name: {{ include "issuerctl.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "issuerctl.labels" -}}
{{ include "issuerctl.selector" . }}
app.kubernetes.io/component: {{ .Values.mode }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "issuerctl.metadata" -}}
name: {{ include "issuerctl.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "issuerctl.labels" . | nindent 2 }}
{{- end -}}

{{- /* Objects of the whole cluster carry the namespace of the release in their names. */ -}}
{{- define "issuerctl.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "issuerctl.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "issuerctl.serviceAccount" -}}
{{- default (include "issuerctl.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "issuerctl.subject" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "issuerctl.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "issuerctl.image" -}}
{{- $program := ternary "issuerctl" "issuer-controller" (eq .Values.mode "sync") -}}
{{- $repository := default (printf "ghcr.io/issuerctl/%s" $program) .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}
