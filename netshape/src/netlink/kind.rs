//! What a message is about, and what is done with it.

use core::fmt;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum ObjectKind {
    /// A qdisc.
    Qdisc,
    /// A class.
    Class,
    /// A filter.
    Filter,
}

/// Whether the object is made, deleted or asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Verb {
    /// Made, changed or dumped.
    New,
    /// Deleted.
    Del,
    /// Asked for.
    Get,
}

impl ObjectKind {
    /// tc's word: `qdisc`, `class` or `filter`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qdisc => "qdisc",
            Self::Class => "class",
            Self::Filter => "filter",
        }
    }

    /// The message's type number.
    #[must_use]
    pub const fn number(self, verb: Verb) -> u16 {
        let base = match self {
            Self::Qdisc => 36,
            Self::Class => 40,
            Self::Filter => 44,
        };
        base + verb as u16
    }

    /// From a message's type number.
    #[must_use]
    pub const fn of(number: u16) -> Option<(Self, Verb)> {
        let object = match number & !3 {
            36 => Self::Qdisc,
            40 => Self::Class,
            44 => Self::Filter,
            _ => return None,
        };
        match number & 3 {
            0 => Some((object, Verb::New)),
            1 => Some((object, Verb::Del)),
            2 => Some((object, Verb::Get)),
            _ => None,
        }
    }
}

/// As tc says it.
impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
