//! What a host has to divide, and among which tiers.

use super::direction::Direction;
use super::limits::MAX_CEILING;
use super::refusal::{Refusal, RefusalKind};
use crate::object::name;
use crate::unit::Rate;
use alloc::sync::Arc;

/// A class of containers: its weight decides how spare bandwidth is divided.
///
/// ```
/// use netshape::Tier;
///
/// assert!(Tier::new("gold", 4).is_ok());
/// assert_eq!(Tier::new("gold", 0).unwrap_err().to_string(), "weight: weight 0 is not 1 to 1000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    pub(crate) name: Arc<str>,
    pub(crate) weight: u32,
}

impl Tier {
    /// A tier of weight 1 to 1000.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`], [`RefusalKind::BadWeight`].
    pub fn new(tier: &str, weight: u32) -> Result<Self, Refusal> {
        if !(1..=1000).contains(&weight) {
            let kind = RefusalKind::BadWeight {
                given: u64::from(weight),
            };
            return Err(Refusal::new("weight", kind));
        }
        Ok(Self {
            name: name::id("name", tier)?,
            weight,
        })
    }
}

/// How packets on the uplink are told apart, so that each comes into the class of its container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[non_exhaustive]
#[doc(alias = "classification")]
pub enum Classifier {
    /// By the addresses of containers ([`Container::with_addresses`](crate::Container::with_addresses)): plans hold the filters, in both
    /// directions.
    #[default]
    Address,
    /// By `skb->priority`, which somebody else sets to a container's class ([`Host::class_of`](crate::Host::class_of)): an nft rule by
    /// mark or cgroup (`meta priority set be:106`), or the sender. Plans hold no filters, and ingress is not shared.
    Priority,
}

/// The device that all containers of a host share.
///
/// ```
/// use netshape::{Rate, Uplink};
///
/// let uplink = Uplink::new("eth0", Rate::gbit(10), Rate::mbit(200))?;
/// assert_eq!(uplink.for_containers(), Rate::mbit(9_800));
/// # Ok::<(), netshape::Refusal>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "nic")]
pub struct Uplink {
    pub(crate) dev: Arc<str>,
    pub(crate) capacity: Rate,
    pub(crate) reserve: Rate,
    pub(crate) ingress: Rate,
    pub(crate) classifier: Classifier,
}

impl Uplink {
    /// An uplink of `capacity`, of which the host keeps `reserve` for itself.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`], [`RefusalKind::CeilingOutOfRange`] for a capacity below 8 kbit/s or above [`MAX_CEILING`],
    /// [`RefusalKind::CeilingBelowGuarantee`] for a reserve above the capacity.
    pub fn new(dev: &str, capacity: Rate, reserve: Rate) -> Result<Self, Refusal> {
        let dev = name::dev("dev", dev)?;
        in_range("capacity", capacity)?;
        if reserve > capacity {
            return Err(Refusal::new("reserve", below(capacity, reserve)));
        }
        Ok(Self {
            dev,
            capacity,
            reserve,
            ingress: capacity,
            classifier: Classifier::Address,
        })
    }

    /// Sets what it carries towards the host, where that is not its capacity, or to be a little below it so that the queue is here and
    /// not at the other end. The host keeps its reserve of that too.
    ///
    /// # Errors
    /// As [`Uplink::new`].
    pub fn with_ingress(self, ingress: Rate) -> Result<Self, Refusal> {
        in_range("ingress", ingress)?;
        if self.reserve > ingress {
            return Err(Refusal::new("ingress", below(ingress, self.reserve)));
        }
        Ok(Self { ingress, ..self })
    }

    /// Says how packets are told apart.
    #[must_use]
    pub fn classified_by(self, classifier: Classifier) -> Self {
        Self { classifier, ..self }
    }

    /// How packets are told apart.
    #[must_use]
    pub const fn classifier(&self) -> Classifier {
        self.classifier
    }

    /// What it carries in one direction: egress is away from the host, as for a container.
    #[must_use]
    pub const fn carries(&self, direction: Direction) -> Rate {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.capacity,
        }
    }

    /// What it carries.
    #[must_use]
    pub const fn capacity(&self) -> Rate {
        self.capacity
    }

    /// What containers may be promised of one direction of it: what it carries, less the reserve.
    #[must_use]
    pub const fn for_containers_in(&self, direction: Direction) -> Rate {
        self.carries(direction).saturating_sub(self.reserve)
    }

    /// What containers may be promised of it: capacity less reserve.
    #[must_use]
    pub const fn for_containers(&self) -> Rate {
        self.capacity.saturating_sub(self.reserve)
    }
}

fn in_range(field: &str, given: Rate) -> Result<(), Refusal> {
    match given.bits() < 8_000 || given > MAX_CEILING {
        true => Err(Refusal::new(
            field,
            RefusalKind::CeilingOutOfRange { given },
        )),
        false => Ok(()),
    }
}

const fn below(ceiling: Rate, guarantee: Rate) -> RefusalKind {
    RefusalKind::CeilingBelowGuarantee { ceiling, guarantee }
}
