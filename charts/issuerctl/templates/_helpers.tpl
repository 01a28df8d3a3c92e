{{- define "issuerctl.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* A Service has a stricter name (RFC 1035) than a release, which may have dots and begin with a digit. */ -}}
{{- define "issuerctl.fullname" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $name := printf "%s-%s" $release (include "issuerctl.name" .) -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains (include "issuerctl.name" .) $release -}}
{{- $name = $release -}}
{{- end -}}
{{- $name = $name | trunc 63 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "no Service can have the name %s, which follows from that of the release: set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- /* Fails on a flag that the container has already, or that does not go with it: the program would refuse them. */ -}}
{{- define "issuerctl.checkArguments" -}}
{{- $sync := .Values.sync -}}
{{- $set := dict "--interval" "sync.interval" "--key-interval" "sync.keyInterval" "--listen" "listenAddress" "--log-format" "logFormat" -}}
{{- if $sync.checkLive }}{{ $_ := set $set "--check-live" "sync.checkLive" }}{{ end -}}
{{- if .Values.aws.region }}{{ $_ := set $set "--region" "aws.region" }}{{ end -}}
{{- if .Values.aws.endpointUrl }}{{ $_ := set $set "--endpoint-url" "aws.endpointUrl" }}{{ end -}}
{{- if .Values.aws.fallbackSecret }}{{ $_ := set $set "--fallback-profile" "aws.fallbackSecret" }}{{ end -}}
{{- if .Values.caConfigMap }}{{ $_ := set $set "--ca-file" "caConfigMap" }}{{ end -}}
{{- if $sync.file }}{{ range list "--file" "--filename" "-f" }}{{ $_ := set $set . "sync.file" }}{{ end }}{{ end -}}
{{- $ofFile := list -}}
{{- if $sync.file }}{{ $ofFile = list "--to" "--issuer" "--key" "--jwks" "--cluster" "--apiserver" "--check-live" }}{{ end -}}
{{- range $sync.arguments -}}
{{- $flag := regexFind "^(--[^=]*|-[^-=])" . -}}
{{- if hasKey $set $flag -}}
{{- fail (printf "sync.arguments has %s, which the chart sets: set %s instead" $flag (get $set $flag)) -}}
{{- else if eq $flag "--once" -}}
{{- fail "sync.arguments has --once, which ends the container after a step" -}}
{{- else if has $flag $ofFile -}}
{{- fail (printf "sync.arguments has %s, which is in the issuers of sync.file: leave out one or the other" $flag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "issuerctl.selector" -}}
app.kubernetes.io/name: {{ include "issuerctl.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "issuerctl.labels" -}}
{{ include "issuerctl.labelsWith" (list . dict) }}
{{- end -}}

{{- /* The labels of every object, and others that win over the `labels` of the values: each key is there once. */ -}}
{{- define "issuerctl.labelsWith" -}}
{{- $root := index . 0 -}}
{{ include "issuerctl.selector" $root }}
app.kubernetes.io/component: {{ $root.Values.mode }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with merge (dict) (index . 1) $root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "issuerctl.metadata" -}}
{{ include "issuerctl.metadataWith" (list . dict) }}
{{- end -}}

{{- define "issuerctl.metadataWith" -}}
{{- $root := index . 0 -}}
name: {{ include "issuerctl.fullname" $root | quote }}
namespace: {{ $root.Release.Namespace | quote }}
labels:
  {{- include "issuerctl.labelsWith" . | nindent 2 }}
{{- end -}}

{{- /* Objects of the whole cluster carry the namespace of the release in their names. */ -}}
{{- define "issuerctl.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "issuerctl.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* 60s, 5m or 1h in seconds. */ -}}
{{- define "issuerctl.seconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 -}}
{{- mul (regexFind "^[0-9]+" .) (get $units (regexFind "[smh]$" .)) -}}
{{- end -}}

{{- define "issuerctl.serviceAccount" -}}
{{- default (include "issuerctl.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "issuerctl.subject" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "issuerctl.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
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
