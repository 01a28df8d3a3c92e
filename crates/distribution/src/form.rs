//! The configuration of each distribution: which issuers it has, and how they are written.

mod cluster_api;
mod eks_anywhere;
mod flags;
mod k0s;
mod kops;
mod kubeadm;
mod microk8s;
mod objects;
mod patches;
mod rancher;
mod talos;
mod unchanged;

use issuer_yaml::Editor;

use crate::decision::{Current, Decision};
use crate::version::Version;
use crate::{Distribution, Error, Request};

pub(crate) use flags::{ISSUER, JWKS_URI};
pub(crate) use unchanged::keeps_everything_else;

/// A configuration file of one distribution.
pub(crate) trait Form {
    /// The issuers that it has.
    fn current(&self) -> Result<Current, Error>;

    /// Warnings about what this distribution does with the issuers.
    ///
    /// # Errors
    /// It cannot have them.
    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error>;

    /// The file with the issuers.
    fn write(&self, decision: &Decision) -> Result<String, Error>;
}

/// Reads a file.
///
/// # Errors
/// Invalid YAML, a file of another kind, several clusters.
pub(crate) fn find<'a>(request: &'a Request, text: &str) -> Result<Box<dyn Form + 'a>, Error> {
    use Distribution as D;
    if request.distribution == D::MicroK8s {
        return Ok(Box::new(microk8s::Arguments::read(request, text)?));
    }
    let editor = Editor::new(text)?;
    if !matches!(request.distribution, D::K3s | D::Rke2)
        && let Some(error) = editor.duplicate(None)
    {
        return Err(error.into());
    }
    Ok(match request.distribution {
        D::Kubeadm => Box::new(kubeadm::Kubeadm::find(request, editor)?),
        D::EksAnywhere => Box::new(eks_anywhere::EksAnywhere::find(request, editor)?),
        D::ClusterApi => Box::new(cluster_api::ClusterApi::find(request, editor)?),
        D::Talos => Box::new(talos::Talos::find(request, editor)?),
        D::Kops => Box::new(kops::Kops::find(request, editor)?),
        D::K0s => Box::new(k0s::K0s::find(request, editor)?),
        D::K3s | D::Rke2 | D::MicroK8s => Box::new(rancher::Rancher::find(request, editor)?),
    })
}

pub(crate) use eks_anywhere::one_issuer;
pub(crate) use kubeadm::sorting as kubeadm_sorting;

/// The warning, or the refusal, of `rawArgs`.
pub(crate) fn k0s_raw_arguments(request: &Request) -> Result<Vec<String>, Error> {
    k0s::raw_arguments(request, true)
}

/// The warning, or the refusal, of a list of values in Talos.
pub(crate) fn talos_lists(version: Option<Version>) -> Result<Vec<String>, Error> {
    talos::list_of_values(version, false)
}

/// Path, directory and content of the patch that Cluster API needs for kept issuers.
pub(crate) fn cluster_api_file(issuers: &[String]) -> (String, &'static str, String) {
    let directory = patches::DIRECTORY;
    (format!("{directory}/kube-apiserver+json.yaml"), directory, patches::content(issuers))
}
