//! One direction's rates.

use super::limits::{MAX_CEILING, MIN_BURST, MIN_CEILING, MIN_CLASS_RATE};
use super::refusal::RefusalKind;
use crate::ticks::most_bytes;
use crate::unit::{Bytes, Rate};

/// One direction's figures: `guarantee` ≤ `ceiling`, and a burst that the kernel can hold.
///
/// ```
/// use netshape::{Rate, Shape};
///
/// let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?
///     .with_burst("256kB".parse().unwrap())?
///     .with_priority(1)?;
/// assert_eq!(shape.guarantee(), Rate::mbit(50));
/// assert!(Shape::new(Rate::mbit(200), Rate::mbit(50)).is_err()); // ceiling below guarantee
/// # Ok::<(), netshape::policy::RefusalKind>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "bandwidth")]
#[doc(alias = "limit")]
pub struct Shape {
    guarantee: Rate,
    ceiling: Rate,
    burst: Option<Bytes>,
    priority: u8,
}

impl Shape {
    /// A direction with a guarantee (zero: none) and a ceiling between [`MIN_CEILING`] and [`MAX_CEILING`].
    ///
    /// # Errors
    /// [`RefusalKind::CeilingBelowGuarantee`], [`RefusalKind::CeilingOutOfRange`].
    pub fn new(guarantee: Rate, ceiling: Rate) -> Result<Self, RefusalKind> {
        if !(MIN_CEILING..=MAX_CEILING).contains(&ceiling) {
            return Err(RefusalKind::CeilingOutOfRange { given: ceiling });
        }
        if ceiling < guarantee {
            return Err(RefusalKind::CeilingBelowGuarantee { ceiling, guarantee });
        }
        Ok(Self {
            guarantee,
            ceiling,
            burst: None,
            priority: 0,
        })
    }

    /// The same with a burst of its own instead of [`default_burst`](crate::policy::default_burst).
    ///
    /// # Errors
    /// [`RefusalKind::BurstBelowMtu`], [`RefusalKind::BurstTooLong`].
    pub fn with_burst(self, burst: Bytes) -> Result<Self, RefusalKind> {
        if burst.0 < MIN_BURST {
            return Err(RefusalKind::BurstBelowMtu {
                burst,
                least: Bytes(MIN_BURST),
            });
        }
        let most = Bytes(most_bytes(self.ceiling.bytes_per_second()));
        if burst > most {
            return Err(RefusalKind::BurstTooLong {
                burst,
                most,
                rate: self.ceiling,
            });
        }
        Ok(Self {
            burst: Some(burst),
            ..self
        })
    }

    /// The same with a priority: 0 takes spare bandwidth first, 7 last.
    ///
    /// # Errors
    /// [`RefusalKind::BadPriority`].
    pub fn with_priority(self, priority: u8) -> Result<Self, RefusalKind> {
        if priority > 7 {
            return Err(RefusalKind::BadPriority {
                given: u64::from(priority),
            });
        }
        Ok(Self { priority, ..self })
    }

    /// What it has by right; zero: nothing. It counts for egress on a shared uplink; towards the container only the ceiling does.
    #[must_use]
    pub const fn guarantee(&self) -> Rate {
        self.guarantee
    }

    /// What it may reach.
    #[must_use]
    pub const fn ceiling(&self) -> Rate {
        self.ceiling
    }

    /// The burst that was declared.
    #[must_use]
    pub const fn burst(&self) -> Option<Bytes> {
        self.burst
    }

    /// 0 to 7.
    #[must_use]
    pub const fn priority(&self) -> u8 {
        self.priority
    }

    /// The rate of its class on a shared uplink: its guarantee, or without one 8 kbit/s, since HTB needs a rate (and never more
    /// than the ceiling). So little that it does not show in how weights divide what is spare, and not counted as promised.
    #[must_use]
    pub fn promised(&self) -> Rate {
        if !self.guarantee.is_zero() {
            return self.guarantee.max(MIN_CEILING);
        }
        MIN_CLASS_RATE.min(self.ceiling)
    }
}
