//! Versions of Kubernetes and Talos.

use crate::Error;

/// Major, minor and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

/// Reads `v1.34.2`, `1.34`, `1.34.2+k3s1`.
pub(crate) fn parse(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches('v');
    let core = text.split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(|number| number.parse::<u32>().ok());
    let version = Version(numbers.next()??, numbers.next()??, numbers.next().unwrap_or(Some(0))?);
    numbers.next().is_none().then_some(version)
}

/// The version of the file, or else the one that was given.
pub(crate) fn of(file: Option<&str>, given: Option<&str>) -> Result<Option<Version>, Error> {
    if let Some(version) = file.and_then(parse) {
        return Ok(Some(version));
    }
    let Some(given) = given else { return Ok(None) };
    let wrong = || Error::Version { version: given.chars().take(40).collect() };
    parse(given).map(Some).ok_or_else(wrong)
}

/// Whether this kubeadm sorts all flags by their text (kubernetes#135400; fixed by #135850 to
/// #135853).
pub(crate) fn sorts(Version(major, minor, patch): Version) -> bool {
    let fixed = match minor {
        0..=31 => u32::MAX,
        32 => 12,
        33 => 8,
        34 => 4,
        35 => 1,
        _ => 0,
    };
    major == 1 && patch < fixed
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        for (text, version) in [
            ("v1.34.2", Some(Version(1, 34, 2))),
            ("1.34", Some(Version(1, 34, 0))),
            ("1.34.1+k0s.0", Some(Version(1, 34, 1))),
            ("v1.36.0-rc.1", Some(Version(1, 36, 0))),
            ("stable-1", None),
            ("1", None),
            ("1.34.x", None),
            ("1.2.3.4", None),
        ] {
            assert_eq!(parse(text), version, "{text}");
        }
    }

    #[test]
    fn only_kubeadm_before_the_fixes_sorts() {
        for (version, sorted) in [
            ("1.31.14", true),
            ("1.32.11", true),
            ("1.32.12", false),
            ("1.33.7", true),
            ("1.33.8", false),
            ("1.34.3", true),
            ("1.34.4", false),
            ("1.35.0", true),
            ("1.35.1", false),
            ("1.36.0", false),
        ] {
            assert_eq!(parse(version).map(sorts), Some(sorted), "{version}");
        }
    }
}
