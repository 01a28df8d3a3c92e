//! Whether a claim can meet several conditions at once.

use super::operator::How;
use super::statement::Condition;

/// No quota allows a policy with more characters, and comparing patterns takes long.
const LARGE: usize = 10_000;

/// Whether some value may meet all conditions on one claim; true if that is not certain.
pub(super) fn is_possible(conditions: &[&Condition<'_>]) -> bool {
    let bounds = || conditions.iter().filter(|condition| condition.operator.positive().is_some());
    let meets_all = |value: &str| {
        conditions.iter().all(|condition| condition.operator.holds(&condition.values, Some(value)))
    };
    if let Some(bound) = bounds().find(|condition| are_literal(condition)) {
        let folded = bound.operator.positive() == Some(How::EqualsIgnoreCase);
        return bound
            .values
            .iter()
            .any(|value| meets_all(value) || (folded && meets_all(&value.to_ascii_lowercase())));
    }
    let all: Vec<_> = bounds().collect();
    if all.iter().flat_map(|bound| &bound.values).map(String::len).sum::<usize>() > LARGE {
        return true;
    }
    all.iter().enumerate().all(|(index, one)| {
        all[index + 1..]
            .iter()
            .all(|other| one.values.iter().any(|a| other.values.iter().any(|b| overlap(a, b))))
    })
}

/// Whether a condition is met only by the texts that it lists.
fn are_literal(condition: &Condition<'_>) -> bool {
    condition.operator.positive() != Some(How::Like)
        || !condition.values.iter().any(|value| value.contains(['*', '?']))
}

/// Whether some text matches both patterns. Letter case is not compared, since one of the
/// operators may ignore it.
fn overlap(a: &str, b: &str) -> bool {
    let chars = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (chars(a), chars(b));
    // Whether the rest of `a` and the rest of `b` overlap, for all positions in `b`.
    let mut below = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let mut row = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some('*'), None) => below[j],
                (None, Some('*')) => row[j + 1],
                (Some('*'), Some(_)) => below[j] || row[j + 1],
                (Some(_), Some('*')) => row[j + 1] || below[j],
                (Some(x), Some(y)) => (x == y || *x == '?' || *y == '?') && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn patterns_overlap_if_a_text_matches_both() {
        for (a, b, expected) in [
            ("a:*", "a:b", true),
            ("a:*", "b:*", false),
            ("*:app", "jobs:*", true),
            ("*:app", "jobs:run", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "*x*", true),
            ("a*", "*b", true),
            ("ab", "ab", true),
            ("ab*", "a", false),
        ] {
            assert_eq!(overlap(a, b), expected, "{a} {b}");
            assert_eq!(overlap(b, a), expected, "{b} {a}");
        }
    }
}
