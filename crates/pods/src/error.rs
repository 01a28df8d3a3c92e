//! What can be wrong with manifests.

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why manifests cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A manifest is not valid YAML.
    #[error(transparent)]
    Yaml(#[from] issuer_yaml::Error),
    /// A document is laid out in a way that cannot be edited.
    #[error("the document at line {line} cannot be edited in place")]
    Layout {
        /// Its first line, from 1.
        line: usize,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Yaml(_) | Self::Layout { .. } => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Yaml(_) => {
                "templates have to be rendered first, for example with helm template or kustomize build"
            }
            Self::Layout { .. } => {
                "write the pod's spec in block style or as JSON, without anchors and merge keys"
            }
        };
        Some(hint.to_owned())
    }
}
