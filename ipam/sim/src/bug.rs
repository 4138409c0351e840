//! Bugs that can be put in, to see that they are found.

use std::fmt;
use std::str::FromStr;

/// A known bug, put into the simulation's store or driver; the library has none of them, and no switch for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A release that comes late is taken for one of the claim that stands now.
    LateDel,
    /// Collection remembers who is missing by name, and takes whatever claim has that name.
    CollectByName,
    /// The store does not compare what a transaction says of blocks.
    TwoConfirm,
    /// A claim that is repeated does not clear suspicion.
    KeepsSuspicion,
    /// The store answers a damaged record as if there were none.
    DamageGiven,
    /// A host takes its wall clock for the store's.
    WallClock,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::LateDel,
        Self::CollectByName,
        Self::TwoConfirm,
        Self::KeepsSuspicion,
        Self::DamageGiven,
        Self::WallClock,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LateDel => "late-del",
            Self::CollectByName => "collect-by-name",
            Self::TwoConfirm => "two-confirm",
            Self::KeepsSuspicion => "keeps-suspicion",
            Self::DamageGiven => "damage-given",
            Self::WallClock => "wall-clock",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|bug| bug.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there is no bug `{text}`: one of {}", names.join(", "))
        })
    }
}
