//! Condition operators (IAM user guide, "IAM JSON policy elements: Condition operators").

use crate::glob::glob;

/// An operator, such as `ForAnyValue:StringLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) set: Option<Set>,
    pub(super) base: Base,
    pub(super) if_exists: bool,
}

/// The prefix before the colon, for keys with several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Any,
    All,
}

/// The comparison itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Text {
        how: How,
        negated: bool,
    },
    Null,
    Bool,
    /// One for numbers, dates, ARNs…
    Other {
        of: Type,
        negated: bool,
    },
    /// Not an operator of IAM.
    Unknown,
}

/// What an operator compares that is neither a string nor a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Number,
    Date,
    Binary,
    Address,
    Arn,
}

/// How two strings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Equals,
    EqualsIgnoreCase,
    Like,
}

/// The operators that compare neither strings nor booleans.
const OTHERS: [(&str, Type); 19] = [
    ("numericequals", Type::Number),
    ("numericnotequals", Type::Number),
    ("numericlessthan", Type::Number),
    ("numericlessthanequals", Type::Number),
    ("numericgreaterthan", Type::Number),
    ("numericgreaterthanequals", Type::Number),
    ("dateequals", Type::Date),
    ("datenotequals", Type::Date),
    ("datelessthan", Type::Date),
    ("datelessthanequals", Type::Date),
    ("dategreaterthan", Type::Date),
    ("dategreaterthanequals", Type::Date),
    ("binaryequals", Type::Binary),
    ("ipaddress", Type::Address),
    ("notipaddress", Type::Address),
    ("arnequals", Type::Arn),
    ("arnlike", Type::Arn),
    ("arnnotequals", Type::Arn),
    ("arnnotlike", Type::Arn),
];

impl Operator {
    /// Reads the name of an operator; its case makes no difference.
    pub(super) fn read(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let (set, rest) = if let Some(rest) = name.strip_prefix("foranyvalue:") {
            (Some(Set::Any), rest)
        } else if let Some(rest) = name.strip_prefix("forallvalues:") {
            (Some(Set::All), rest)
        } else {
            (None, name.as_str())
        };
        let (rest, if_exists) =
            rest.strip_suffix("ifexists").map_or((rest, false), |rest| (rest, true));
        let base = match rest {
            "stringequals" => Base::Text { how: How::Equals, negated: false },
            "stringnotequals" => Base::Text { how: How::Equals, negated: true },
            "stringequalsignorecase" => Base::Text { how: How::EqualsIgnoreCase, negated: false },
            "stringnotequalsignorecase" => Base::Text { how: How::EqualsIgnoreCase, negated: true },
            "stringlike" => Base::Text { how: How::Like, negated: false },
            "stringnotlike" => Base::Text { how: How::Like, negated: true },
            // Null itself tests whether the key exists.
            "null" if !if_exists => Base::Null,
            "bool" => Base::Bool,
            other => match OTHERS.iter().find(|(name, _)| *name == other) {
                Some((_, of)) => Base::Other { of: *of, negated: other.contains("not") },
                None => Base::Unknown,
            },
        };
        Self { set, base, if_exists }
    }

    /// How it compares, if it is met by equal values.
    pub(super) fn positive(self) -> Option<How> {
        match self.base {
            Base::Text { how, negated: false } => Some(how),
            _ => None,
        }
    }

    /// Whether no value of the request meets it if it is compared with none.
    pub(super) fn needs_values(self) -> bool {
        !self.base.is_negated() && self.set != Some(Set::All) && !self.if_exists
    }

    /// Whether it compares strings or booleans, or only tests whether the key exists.
    pub(super) fn compares_words(self) -> bool {
        matches!(self.base, Base::Text { .. } | Base::Bool | Base::Null)
    }

    /// Whether it is met by strings that are not equal.
    pub(super) fn is_negated(self) -> bool {
        matches!(self.base, Base::Text { negated: true, .. })
    }

    /// Whether the condition is met by a value of the request; `None` is one that the request does
    /// not have. Numbers, dates and ARNs are not compared.
    pub(super) fn holds(self, values: &[String], claim: Option<&str>) -> bool {
        match (self.base, claim) {
            (Base::Null, claim) => {
                values.iter().any(|value| value.eq_ignore_ascii_case("true") == claim.is_none())
            }
            (Base::Unknown, _) | (Base::Other { .. }, Some(_)) => false,
            (base, None) => match self.set {
                Some(set) => set == Set::All,
                None => base.is_negated() || self.if_exists,
            },
            (Base::Bool, Some(value)) => values.iter().any(|v| v.eq_ignore_ascii_case(value)),
            // With a single value, `ForAllValues` and `ForAnyValue` are the same.
            (Base::Text { how, negated }, Some(claim)) => {
                values.iter().any(|value| how.is_met(value, claim)) != negated
            }
        }
    }
}

impl Base {
    /// Whether it is met by values that are not equal.
    fn is_negated(self) -> bool {
        matches!(self, Self::Text { negated: true, .. } | Self::Other { negated: true, .. })
    }
}

impl How {
    /// Whether a value of the policy matches this text.
    pub(super) fn is_met(self, value: &str, text: &str) -> bool {
        match self {
            Self::Equals => value == text,
            Self::EqualsIgnoreCase => value.eq_ignore_ascii_case(text),
            Self::Like => glob(value, text),
        }
    }
}
