//! Which of the two documents a check is about.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Discovery,
    Keys,
}

impl Document {
    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discovery => "the discovery document",
            Self::Keys => "the keys document (jwks_uri)",
        }
    }
}
