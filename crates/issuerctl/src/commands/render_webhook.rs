//! `issuerctl render webhook`

use issuer_pods::{FailurePolicy, ServingCertificate, WebhookOptions, webhook, webhook_names};
use issuer_workload::{certificates_only, make_certificate};

use crate::Outcome;
use crate::cli::{OnFailure, OutputFormat, WebhookArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::ui::Ui;

pub(crate) fn run(args: &WebhookArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let namespace = args.namespace.to_string();
    let kept = match &args.keep_ca {
        Some(path) => {
            let kept = certificates_only(&files::read_text(path)?).concat();
            if kept.is_empty() {
                let message = format!("{} has no certificate", files::name_of(path));
                return Err(Failure::new(Exit::BadInput, message));
            }
            kept
        }
        None => String::new(),
    };
    let certificate = if args.cert_manager {
        ServingCertificate::CertManager
    } else {
        let made = make_certificate(webhook_names(&namespace), args.valid_days, &kept)?;
        ui.warning(
            "the output has the webhook's private key: send it to kubectl apply, and keep it out of \
             version control",
        );
        made
    };
    let options = WebhookOptions {
        settings: args.flags.settings(),
        namespace,
        image: args.image.clone(),
        certificate,
        failure_policy: match args.failure_policy {
            OnFailure::Ignore => FailurePolicy::Ignore,
            OnFailure::Fail => FailurePolicy::Fail,
        },
        namespaces: args.namespace_selector.clone(),
    };
    let text = issuer_yaml::to_yaml(&webhook(&options));
    output::rendered(format, notes(args) + &text)
}

fn notes(args: &WebhookArgs) -> String {
    let failure = match args.failure_policy {
        OnFailure::Ignore => {
            "# failurePolicy Ignore: pods that are created while no replica answers start without a\n\
             # role, and keep running so. With Fail they are refused until one answers.\n"
        }
        OnFailure::Fail => {
            "# failurePolicy Fail: while no replica answers, pods are created in kube-system and in the\n\
             # webhook's own namespace only. With Ignore they start, without a role.\n"
        }
    };
    let renewal = match args.cert_manager {
        true => "# cert-manager renews the certificate and updates caBundle.\n".to_owned(),
        false => format!(
            "# The certificate is valid for {} days. To renew it without a gap, keep the old authority\n\
             # until all replicas have the new certificate:\n\
             #   kubectl get mutatingwebhookconfigurations pod-identity-webhook \\\n\
             #       -o jsonpath='{{.webhooks[0].clientConfig.caBundle}}' | base64 -d > old-ca.pem\n\
             #   issuerctl render webhook --keep-ca old-ca.pem | kubectl apply -f -\n",
            args.valid_days
        ),
    };
    format!(
        "# The pod identity webhook of AWS. kube-system and its own namespace are spared: those pods\n\
         # need no role, and have to start while the webhook does not run.\n{failure}{renewal}"
    )
}
