//! In which order addresses are given out, and to which hosts.

/// Which free address comes next.
///
/// ```
/// use ipam::{PoolSpec, pool::Order};
///
/// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).order(Order::RoundRobin);
/// assert_eq!(spec.order.name(), "round-robin");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Order {
    /// The lowest free address.
    Lowest,
    /// The next free one after the last that was given out, then from the start again.
    RoundRobin,
    /// Never used ones upwards, then the one that was released longest ago.
    #[default]
    Lru,
    /// The next free one after a place drawn from the seed.
    Random,
}

impl Order {
    /// The name on command lines: `lowest`, `round-robin`, `lru`, `random`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lowest => "lowest",
            Self::RoundRobin => "round-robin",
            Self::Lru => "lru",
            Self::Random => "random",
        }
    }

    /// The order of that name.
    ///
    /// ```
    /// use ipam::pool::Order;
    ///
    /// assert_eq!(Order::from_name("round-robin"), Some(Order::RoundRobin));
    /// assert_eq!(Order::from_name("newest"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Lowest, Self::RoundRobin, Self::Lru, Self::Random];
        all.into_iter().find(|o| o.name() == name)
    }
}

/// What blocks mean to hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Affinity {
    /// Nothing: every host draws from the whole pool.
    Off,
    /// A host fills blocks of its own first and takes from other hosts' blocks when there are none left.
    #[default]
    Borrow,
    /// A host never takes from another host's block.
    Strict,
}
