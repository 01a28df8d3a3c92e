//! The webhook's mutation without a webhook: a MutatingAdmissionPolicy and its binding.
//!
//! The expressions agree with the real webhook on every golden case (`fixtures/webhook`). What must
//! not be changed in them:
//! - `value: [Object…{}]`, or a map with an `Object…{}` in it, panics every matching request of the
//!   API server (kubernetes#142181): a bare `Object` or a map of `dyn()` does not.
//! - `[?x]` with an `x` of type `dyn` in a variable panics when the policy is created.
//! - `flatten()` does not exist in 1.34, `transformList` does; `ApplyConfiguration` is refused, since
//!   `projected.sources` is atomic.
//! - `matchConditions` cannot read `variables`, but `params`.
//! - Integers beyond 2^53 become strings.
//! - Parameters of kinds that nobody else watches, such as ConfigMaps, freeze once the last binding
//!   was deleted (kubernetes#130887), so ServiceAccounts and literals are the only sources of roles.

use serde_json::{Value, json};

use crate::cel::{number_or_default, quoted};
use crate::inject::SKIP_LABEL;
use crate::mutation::VOLUME;
use crate::{Error, Literal, Selector, Settings, literals};

/// The name of the policy and of its binding.
pub const POLICY: &str = "irsa.issuerctl.dev";

/// The label of ServiceAccounts with a role, for `--select-labelled`.
pub(crate) const ACCOUNT_LABEL: &str = "issuerctl.dev/has-role";

/// The label of pods that must not run without their role.
const GUARD_LABEL: &str = "issuerctl.dev/require-role";

/// The version of the policy's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyApi {
    /// Kubernetes 1.36 and later.
    V1,
    /// Kubernetes 1.34 and 1.35, if the API and the feature gate are enabled.
    V1beta1,
}

impl PolicyApi {
    /// The version that a Kubernetes release serves: `1.36`, `v1.34.4`.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::NoPolicies`].
    pub fn of_kubernetes(version: &str) -> Result<Self, Error> {
        let invalid = || Error::Version { text: version.to_owned() };
        let digits = version.strip_prefix('v').unwrap_or(version);
        let mut parts = digits.split(['.', '-', '+']);
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        match (number().ok_or_else(invalid)?, number().ok_or_else(invalid)?) {
            (1, 36..) => Ok(Self::V1),
            (1, 34 | 35) => Ok(Self::V1beta1),
            _ => Err(Error::NoPolicies { version: version.to_owned() }),
        }
    }

    /// `v1` or `v1beta1`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1beta1 => "v1beta1",
        }
    }

    fn group(self) -> String {
        format!("admissionregistration.k8s.io/{}", self.as_str())
    }
}

/// Where the policy finds the roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// The annotations of the pod's ServiceAccount, read at every creation.
    Annotations {
        /// Only ServiceAccounts with a label are read; a second policy sets it.
        labelled: bool,
    },
    /// Written into the policy.
    Literals(Vec<Literal>),
}

/// What the policy is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOptions {
    /// The flags of the webhook.
    pub settings: Settings,
    /// The version of its API.
    pub api: PolicyApi,
    /// Where the roles are.
    pub roles: Roles,
    /// The namespaces whose pods it looks at; all without one.
    pub namespaces: Option<Selector>,
    /// Whether pods that need a role and did not get one are refused.
    pub guard: bool,
}

/// The objects, in the order in which they are to be created.
///
/// # Errors
/// [`Error::TwoRoles`], [`Error::LongRole`].
pub fn policy(options: &PolicyOptions) -> Result<Vec<Value>, Error> {
    let mut objects = match &options.roles {
        Roles::Annotations { labelled } => of_annotations(options, *labelled),
        Roles::Literals(roles) => literals::split(roles)?
            .iter()
            .enumerate()
            .flat_map(|(index, part)| of_literals(options, part, index))
            .collect(),
    };
    if options.guard {
        objects.extend(guard(options));
    }
    Ok(objects)
}

fn of_annotations(options: &PolicyOptions, labelled: bool) -> Vec<Value> {
    let settings = &options.settings;
    let annotation = |name: &str| quoted(&settings.annotation(name));
    let role = annotation("role-arn");
    let of_account = format!("params.metadata.?annotations[?{role}]");
    let has_role = match settings.composed {
        // A composed ARN is never empty.
        Some(_) => format!("{of_account}.hasValue()"),
        None => format!("{of_account}.orValue('') != ''"),
    };
    let conditions = json!([
        {"name": "service-account-of-the-pod",
         "expression": "params.metadata.name == object.spec.?serviceAccountName.orValue('')"},
        {"name": "service-account-has-a-role", "expression": has_role},
    ]);
    let text = format!("variables.account[?{role}].orValue('')");
    let arn = match &settings.composed {
        None => text,
        Some(composed) => {
            let prefix = format!("arn:{}:iam::{}:role/", composed.partition, composed.account);
            format!("[{text}].map(r, r.contains('arn:') ? r : {} + r)[0]", quoted(&prefix))
        }
    };
    let switch =
        format!("variables.account[?{}].orValue('')", annotation("sts-regional-endpoints"));
    let regional = if settings.regional_sts {
        format!("!({switch} in ['0', 'f', 'F', 'false', 'FALSE', 'False'])")
    } else {
        format!("{switch} in ['1', 't', 'T', 'true', 'TRUE', 'True']")
    };
    let expiration = annotation("token-expiration");
    let sources = [
        format!("variables.pod[?{expiration}].orValue('')"),
        format!("variables.account[?{expiration}].orValue('')"),
    ];
    let audience = format!(
        "variables.account[?{}].orValue({})",
        annotation("audience"),
        quoted(&settings.audience)
    );
    let variables = vec![
        variable("account", "params.metadata.?annotations.orValue({})"),
        variable("pod", "object.metadata.?annotations.orValue({})"),
        variable("role", &arn),
        variable("audience", &audience),
        variable("regional", &regional),
        variable("expiration", &number_or_default(&sources, settings.expiration())),
    ];
    let mut policy = mutating(options, POLICY, &conditions, variables);
    policy["spec"]["paramKind"] = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    let selector =
        if labelled { json!({"matchLabels": {ACCOUNT_LABEL: "true"}}) } else { json!({}) };
    // A namespace without a ServiceAccount to read must not be shut: 403 "no params found".
    let binding = json!({"policyName": POLICY,
                         "paramRef": {"selector": selector, "parameterNotFoundAction": "Allow"}});
    let mut objects = if labelled { labeller(options) } else { Vec::new() };
    objects.extend([policy, binding_object(options, POLICY, &binding)]);
    objects
}

fn of_literals(options: &PolicyOptions, part: &literals::Part, index: usize) -> Vec<Value> {
    let settings = &options.settings;
    let name = if index == 0 { POLICY.to_owned() } else { format!("{}.{POLICY}", index + 1) };
    let key = "request.namespace + '/' + object.spec.?serviceAccountName.orValue('')";
    let conditions = json!([
        {"name": "service-account-has-a-role", "expression": format!("({key}) in {}", part.keys())},
    ]);
    let audience = quoted(&settings.audience);
    let audience = match part.audiences(&settings.audience) {
        Some(audiences) => format!("{audiences}[?variables.key].orValue({audience})"),
        None => audience,
    };
    let expiration = quoted(&settings.annotation("token-expiration"));
    let sources = [format!("variables.pod[?{expiration}].orValue('')")];
    let variables = vec![
        variable("pod", "object.metadata.?annotations.orValue({})"),
        variable("key", &format!("string({key})")),
        variable("role", &format!("{}[?variables.key].orValue('')", part.roles())),
        variable("audience", &audience),
        variable("regional", if settings.regional_sts { "true" } else { "false" }),
        variable("expiration", &number_or_default(&sources, settings.expiration())),
    ];
    let policy = mutating(options, &name, &conditions, variables);
    // Pods of other namespaces do not reach the policy at all.
    let namespaces = json!({"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": part.namespaces()},
    ]});
    let binding = json!({"policyName": name, "matchResources": {"namespaceSelector": namespaces}});
    vec![policy, binding_object(options, &name, &binding)]
}

/// The policy with the variables that say who the pod is.
fn mutating(
    options: &PolicyOptions,
    name: &str,
    conditions: &Value,
    mut variables: Vec<Value>,
) -> Value {
    let settings = &options.settings;
    let skip = quoted(&settings.annotation("skip-containers"));
    let region = settings.region.as_deref().filter(|region| !region.is_empty());
    let region = region.map_or_else(String::new, |region| {
        let region = quoted(region);
        format!(
            "
    + (['AWS_DEFAULT_REGION', 'AWS_REGION'].exists(n, n in variables.names[i])
      ? [] : [{{'name': 'AWS_DEFAULT_REGION', 'value': {region}}}, {{'name': 'AWS_REGION', 'value': {region}}}])"
        )
    });
    let (windows, linux) =
        (quoted(&settings.token_file(true)), quoted(&settings.token_file(false)));
    variables.extend([
        variable("skipLine", &format!(
            "variables.pod[?{skip}].orValue('').replace('\\r', '').find('[^\\n]+')"
        )),
        variable("skipped", "\
variables.skipLine.matches('^(\"([^\"]|\"\")*\"|[^\",]*)(,(\"([^\"]|\"\")*\"|[^\",]*))*$')
  ? variables.skipLine.findAll('\"([^\"]|\"\")*\"|[^\",]+').map(n, n.startsWith('\"') ? n.substring(1, size(n) - 1) : n) : []"),
        variable("tokenFile", &format!("\
['kubernetes.io/os', 'beta.kubernetes.io/os'].exists(k, object.spec.?nodeSelector[?k].orValue('') == 'windows')
  ? {windows} : {linux}")),
        variable("volumes", "object.spec.?volumes.orValue([])"),
        variable("inits", "size(object.spec.?initContainers.orValue([]))"),
        variable("containers", "object.spec.?initContainers.orValue([]) + object.spec.containers"),
        variable("names", "variables.containers.map(c, c.?env.orValue([]).map(e, e.name))"),
        variable("env", &format!("\
variables.containers.transformList(i, c, c.name in variables.skipped ? [] :
    (!variables.regional || 'AWS_STS_REGIONAL_ENDPOINTS' in variables.names[i]
      ? [] : [{{'name': 'AWS_STS_REGIONAL_ENDPOINTS', 'value': 'regional'}}]){region}
    + (['AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE'].exists(n, n in variables.names[i])
      ? [] : [{{'name': 'AWS_ROLE_ARN', 'value': variables.role}}, {{'name': 'AWS_WEB_IDENTITY_TOKEN_FILE', 'value': variables.tokenFile}}]))")),
        variable("mount", &format!("\
variables.containers.transformList(i, c, !(c.name in variables.skipped)
    && !c.?volumeMounts.orValue([]).exists(m, m.name == '{VOLUME}')
    && ![['AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE'], ['AWS_REGION', 'AWS_DEFAULT_REGION'], ['AWS_STS_REGIONAL_ENDPOINTS']]
      .all(group, group.exists(n, n in variables.names[i])))")),
        variable("paths", "variables.containers.transformList(i, c, i < variables.inits ? '/spec/initContainers/' + string(i) : '/spec/containers/' + string(i - variables.inits))"),
    ]);
    let mount_path = quoted(&settings.mount_path);
    let mutation = format!("\
(variables.volumes.exists(v, v.name == '{VOLUME}') ? [] :
  (size(variables.volumes) > 0 ? [] : [JSONPatch{{op: 'add', path: '/spec/volumes', value: []}}])
  + [JSONPatch{{op: 'add', path: '/spec/volumes/0', value: Object.spec.volumes{{
      name: '{VOLUME}',
      projected: Object.spec.volumes.projected{{sources: [Object.spec.volumes.projected.sources{{
        serviceAccountToken: Object.spec.volumes.projected.sources.serviceAccountToken{{
          audience: variables.audience, expirationSeconds: variables.expiration, path: 'token'}}}}]}}}}}}])
+ variables.containers.transformList(i, c, size(variables.env[i]) > 0, JSONPatch{{
    op: 'add', path: variables.paths[i] + '/env', value: c.?env.orValue([]) + variables.env[i]}})
+ variables.containers.transformList(i, c, variables.mount[i], JSONPatch{{
    op: 'add', path: variables.paths[i] + '/volumeMounts',
    value: c.?volumeMounts.orValue([]) + [{{'name': dyn('{VOLUME}'), 'mountPath': dyn({mount_path}), 'readOnly': dyn(true)}}]}})");
    json!({
        "apiVersion": options.api.group(),
        "kind": "MutatingAdmissionPolicy",
        "metadata": metadata(name),
        "spec": {
            "failurePolicy": "Fail",
            // A container that another policy or webhook adds later gets its variables as well.
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": constraints(
                options,
                &json!({"key": SKIP_LABEL, "operator": "DoesNotExist"}),
                &["CREATE"],
                "pods",
            ),
            "matchConditions": conditions,
            "variables": variables,
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": mutation}}],
        },
    })
}

/// Sets a label on ServiceAccounts that have a role, and takes it from those that have none.
fn labeller(options: &PolicyOptions) -> Vec<Value> {
    let name = format!("label.{POLICY}");
    let role = quoted(&options.settings.annotation("role-arn"));
    let has_role = format!("object.metadata.?annotations[?{role}].hasValue()");
    let label = format!("object.metadata.?labels[?'{ACCOUNT_LABEL}'].orValue('') == 'true'");
    let path = quoted(&format!("/metadata/labels/{}", ACCOUNT_LABEL.replace('/', "~1")));
    let mutation = format!("\
{has_role}
  ? (has(object.metadata.labels) ? [] : [JSONPatch{{op: 'add', path: '/metadata/labels', value: {{}}}}])
    + [JSONPatch{{op: 'add', path: {path}, value: 'true'}}]
  : [JSONPatch{{op: 'remove', path: {path}}}]");
    let mut constraints = json!({"resourceRules": rules(&["CREATE", "UPDATE"], "serviceaccounts")});
    if let Some(namespaces) = namespaces(options) {
        constraints["namespaceSelector"] = namespaces;
    }
    let policy = json!({
        "apiVersion": options.api.group(),
        "kind": "MutatingAdmissionPolicy",
        "metadata": metadata(&name),
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": constraints,
            "matchConditions": [
                {"name": "label-is-out-of-date", "expression": format!("({has_role}) != ({label})")},
            ],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": mutation}}],
        },
    });
    vec![policy, binding_object(options, &name, &json!({"policyName": name}))]
}

/// Refuses pods that must not run without their role: a controller tries again.
fn guard(options: &PolicyOptions) -> Vec<Value> {
    let name = format!("guard.{POLICY}");
    let constraints = constraints(
        options,
        &json!({"key": GUARD_LABEL, "operator": "Exists"}),
        &["CREATE"],
        "pods",
    );
    // This kind is v1 since Kubernetes 1.30.
    let group = PolicyApi::V1.group();
    vec![
        json!({
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata(&name),
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": constraints,
                "validations": [{
                    "expression":
                        format!("object.spec.?volumes.orValue([]).exists(v, v.name == '{VOLUME}')"),
                    "message": format!(
                        "the pod has the label {GUARD_LABEL} and did not get a role: annotate its \
                         ServiceAccount"
                    ),
                    "reason": "Forbidden",
                }],
            },
        }),
        json!({
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata(&name),
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    ]
}

fn constraints(options: &PolicyOptions, label: &Value, operations: &[&str], of: &str) -> Value {
    let mut constraints = json!({
        "objectSelector": {"matchExpressions": [label]},
        "resourceRules": rules(operations, of),
    });
    if let Some(namespaces) = namespaces(options) {
        constraints["namespaceSelector"] = namespaces;
    }
    constraints
}

fn rules(operations: &[&str], resource: &str) -> Value {
    json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}])
}

fn namespaces(options: &PolicyOptions) -> Option<Value> {
    let selector = options.namespaces.as_ref()?;
    Some(json!({"matchExpressions": selector.expressions()}))
}

fn binding_object(options: &PolicyOptions, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": options.api.group(),
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": metadata(name),
        "spec": spec,
    })
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": {"app.kubernetes.io/managed-by": "issuerctl"}})
}

fn variable(name: &str, expression: &str) -> Value {
    json!({"name": name, "expression": expression})
}
