//! What the pod identity webhook is told by its flags.

/// The annotations' prefix, and that of the label that opts a pod out.
pub(crate) const PREFIX: &str = "eks.amazonaws.com";

/// The audience that STS expects.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";

/// Where the token is mounted.
pub(crate) const MOUNT_PATH: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

/// The lifetime of a token in seconds.
pub(crate) const EXPIRATION: i64 = 86_400;

/// The shortest lifetime that an API server accepts, in seconds.
pub(crate) const MIN_EXPIRATION: i64 = 600;

/// The flags of the pod identity webhook, with its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `--annotation-prefix`.
    pub prefix: String,
    /// `--token-audience`.
    pub audience: String,
    /// `--aws-default-region`.
    pub region: Option<String>,
    /// `--sts-regional-endpoint`.
    pub regional_sts: bool,
    /// `--token-expiration`, in seconds.
    pub expiration: i64,
    /// `--token-mount-path`.
    pub mount_path: String,
    /// `--compose-role-arn`.
    pub composed: Option<Composed>,
}

/// What a role's name becomes a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// The account ID.
    pub account: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: PREFIX.to_owned(),
            audience: AUDIENCE.to_owned(),
            region: None,
            regional_sts: false,
            expiration: EXPIRATION,
            mount_path: MOUNT_PATH.to_owned(),
            composed: None,
        }
    }
}

impl Settings {
    /// The name of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// `--token-expiration` as the webhook uses it.
    #[must_use]
    pub fn expiration(&self) -> i64 {
        self.expiration.max(MIN_EXPIRATION)
    }

    /// The value of `AWS_WEB_IDENTITY_TOKEN_FILE`: the mount path, cleaned, and `token`.
    #[must_use]
    pub fn token_file(&self, windows: bool) -> String {
        let path = clean(&self.mount_path);
        if windows { format!("C:{}", path.replace('/', "\\")) } else { path }
    }
}

/// The path and `token`, as Go's `filepath.Join`.
fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').chain(std::iter::once("token")) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_file_is_the_cleaned_path() {
        for (path, file) in [
            ("/run/aws", "/run/aws/token"),
            ("/run//aws/", "/run/aws/token"),
            ("/run/./x/../aws", "/run/aws/token"),
            ("/../aws", "/aws/token"),
            ("../aws", "../aws/token"),
            ("", "token"),
        ] {
            let settings = Settings { mount_path: path.to_owned(), ..Settings::default() };
            assert_eq!(settings.token_file(false), file);
        }
        let windows = Settings::default().token_file(true);
        assert_eq!(windows, r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token");
    }
}
