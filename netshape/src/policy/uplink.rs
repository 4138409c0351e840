//! What a host has to divide, and among which tiers.

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
}

impl Uplink {
    /// An uplink of `capacity`, of which the host keeps `reserve` for itself.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`], [`RefusalKind::CeilingOutOfRange`] for a capacity below 8 kbit/s or above [`MAX_CEILING`],
    /// [`RefusalKind::CeilingBelowGuarantee`] for a reserve above the capacity.
    pub fn new(dev: &str, capacity: Rate, reserve: Rate) -> Result<Self, Refusal> {
        let dev = name::dev("dev", dev)?;
        if capacity.bits() < 8_000 || capacity > MAX_CEILING {
            return Err(Refusal::new(
                "capacity",
                RefusalKind::CeilingOutOfRange { given: capacity },
            ));
        }
        if reserve > capacity {
            let kind = RefusalKind::CeilingBelowGuarantee {
                ceiling: capacity,
                guarantee: reserve,
            };
            return Err(Refusal::new("reserve", kind));
        }
        Ok(Self {
            dev,
            capacity,
            reserve,
        })
    }

    /// What it carries.
    #[must_use]
    pub const fn capacity(&self) -> Rate {
        self.capacity
    }

    /// What containers may be promised of it: capacity less reserve.
    #[must_use]
    pub const fn for_containers(&self) -> Rate {
        self.capacity.saturating_sub(self.reserve)
    }
}
