//! A value of a run's own.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A value that no other run has, nor this one at another time: 16 hexadecimal digits. What it is written
/// into has contents that nothing else has, and so an ETag that does not come back.
pub(crate) fn unique_value() -> String {
    // The keys of the state are random in each process, and differ each time.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::unique_value;

    #[test]
    fn no_two_values_are_equal() {
        let values: std::collections::HashSet<String> = (0..1000).map(|_| unique_value()).collect();
        assert_eq!(values.len(), 1000);
        assert!(values.iter().all(|value| value.len() == 16));
    }
}
