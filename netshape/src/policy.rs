//! What is declared: rates per container and direction, tiers, the uplink. A value that exists is valid by itself;
//! whether a host can carry it is [`crate::Host`]'s to say.

use crate::device::DevName;
use crate::host::ifb_name;
use crate::name::{self, Netns};
use crate::rate::{Bytes, Rate};
use crate::refusal::{Refusal, RefusalKind};
use crate::ticks::most_bytes;
use alloc::sync::Arc;
use alloc::vec::Vec;

mod uplink;

pub use uplink::{Tier, Uplink};

/// Bytes of the largest Ethernet frame without its checksum: an MTU of 1500 and a 14-byte header. A smaller bucket drops every full packet.
pub const LEAST_BURST: u64 = 1514;
/// What a class without a guarantee has for a rate.
pub(crate) const RATE_LEAST: Rate = Rate::kbit(8);

/// The least ceiling, 48 bit/s: at less no bucket that the kernel can count (2^32 ticks of 64 ns, 274.9 s of the rate) holds a
/// full packet of [`LEAST_BURST`], and every such packet would be dropped.
pub const LEAST_CEILING: Rate = Rate::from_bits(48);
/// The greatest ceiling, 34 Pbit/s: at more the largest bucket that tc reads (2^32 bytes) is less than the microsecond in which
/// older ones of it count, so that nothing would be left of it.
pub const MOST_CEILING: Rate = Rate::from_bits(34_000_000_000_000_000);

/// Which way traffic flows, seen from the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum Direction {
    /// Into the container: shaped on the host's end of the veth.
    Ingress,
    /// Out of the container: shaped on the container's end, and shared on the uplink.
    Egress,
}

impl Direction {
    /// `ingress` or `egress`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// One direction's figures: `guarantee` ≤ `ceiling`, and a burst that the kernel can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    guarantee: Rate,
    ceiling: Rate,
    burst: Option<Bytes>,
    priority: u8,
}

impl Shape {
    /// A direction with a guarantee (zero: none) and a ceiling between [`LEAST_CEILING`] and [`MOST_CEILING`].
    ///
    /// # Errors
    /// [`RefusalKind::CeilingBelowGuarantee`], [`RefusalKind::NoCeiling`].
    pub fn new(guarantee: Rate, ceiling: Rate) -> Result<Self, RefusalKind> {
        if !(LEAST_CEILING..=MOST_CEILING).contains(&ceiling) {
            return Err(RefusalKind::NoCeiling { given: ceiling });
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

    /// The same with a burst of its own instead of [`default_burst`].
    ///
    /// # Errors
    /// [`RefusalKind::BurstBelowMtu`], [`RefusalKind::BurstTooLong`].
    pub fn with_burst(self, burst: Bytes) -> Result<Self, RefusalKind> {
        if burst.0 < LEAST_BURST {
            return Err(RefusalKind::BurstBelowMtu {
                burst,
                least: Bytes(LEAST_BURST),
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

    /// What it has by right; zero: nothing.
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
            return self.guarantee.max(LEAST_CEILING);
        }
        RATE_LEAST.min(self.ceiling)
    }
}

/// The burst of a rate for which none was declared: 10 ms of it and 128 KiB at the least (20 ms above 2 Gbit/s), since
/// timers are late and GSO packets are 64 KiB; no more than the kernel's field holds (2^32 ticks of 64 ns, 274.9 s of the rate)
/// and tc reads (2^32 bytes).
#[must_use]
pub fn default_burst(rate: Rate) -> Bytes {
    let ms = if rate > Rate::gbit(2) { 20 } else { 10 };
    let wanted = rate.bytes_in_ms(ms).max(128 << 10);
    Bytes(wanted.min(most_bytes(rate.bytes_per_second().max(1))))
}

/// The limit in bytes of a leaf's queue: 25 ms of the ceiling, and room for one whole GSO packet and 5 % at the least,
/// since a queue that can't hold one drops them all.
#[must_use]
pub fn leaf_limit(ceiling: Rate, gso_max_size: u32) -> u32 {
    let gso = u64::from(gso_max_size);
    let limit = ceiling
        .bytes_in_ms(25)
        .max(gso.saturating_add(gso.div_ceil(20)));
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// Where a container's egress is shaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// On its own device in this named network namespace.
    Netns(Arc<str>),
    /// On its own device in the network namespace of this process.
    Pid(u32),
    /// The namespace may not be entered: on an ifb that the host's end of the veth redirects to.
    Ifb,
}

impl Inside {
    /// Whether there can be such a namespace.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Netns(netns) => name::netns("netns", netns).map(|_| ()),
            Self::Pid(0) => Err(name::bad_pid("0")),
            Self::Pid(_) | Self::Ifb => Ok(()),
        }
    }
}

/// One container's attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub(crate) id: Arc<str>,
    /// The host's end of its veth; a macvlan or ipvlan container has none.
    pub(crate) veth: Option<Arc<str>>,
    pub(crate) inside: Inside,
    pub(crate) dev: Arc<str>,
    pub(crate) tier: Option<Arc<str>>,
    pub(crate) weight: Option<u32>,
    pub(crate) ingress: Option<Shape>,
    pub(crate) egress: Option<Shape>,
}

impl Container {
    /// A container attached by `veth` (the host's end), `eth0` inside the network namespace named like the container;
    /// nothing is shaped yet.
    ///
    /// # Errors
    /// A name that is no name: [`RefusalKind::BadName`].
    pub fn new(id: &str, veth: &str) -> Result<Self, Refusal> {
        let id = name::id("id", id)?;
        Ok(Self {
            veth: Some(name::dev("veth", veth)?),
            ..Self::bare(id)
        })
    }

    /// A container without an end on the host, such as one on a macvlan or ipvlan device, else as [`Container::new`]. Only its
    /// egress can be shaped, on its own device (`dev` of [`Container::inside`]) in its network namespace; anything else is
    /// refused with [`RefusalKind::NoVeth`] when it is inserted.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`].
    pub fn without_veth(id: &str) -> Result<Self, Refusal> {
        name::id("id", id).map(Self::bare)
    }

    /// Without an end on the host.
    fn bare(id: Arc<str>) -> Self {
        Self {
            veth: None,
            inside: Inside::Netns(id.clone()),
            id,
            dev: Arc::from("eth0"),
            tier: None,
            weight: None,
            ingress: None,
            egress: None,
        }
    }

    /// Sets where its egress is shaped, and the device's name there.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`].
    pub fn inside(self, inside: Inside, dev: &str) -> Result<Self, Refusal> {
        inside.check()?;
        Ok(Self {
            inside,
            dev: name::dev("dev", dev)?,
            ..self
        })
    }

    /// Shapes one direction.
    #[must_use]
    pub fn shaped(mut self, direction: Direction, shape: Shape) -> Self {
        match direction {
            Direction::Ingress => self.ingress = Some(shape),
            Direction::Egress => self.egress = Some(shape),
        }
        self
    }

    /// Puts it into a tier of the host.
    #[must_use]
    pub fn in_tier(self, tier: &str) -> Self {
        Self {
            tier: Some(Arc::from(tier)),
            ..self
        }
    }

    /// Gives it a weight of its own, 1 to 1,000, instead of its tier's; a greater one is refused when it is admitted.
    #[must_use]
    pub fn weighing(self, weight: u32) -> Self {
        Self {
            weight: Some(weight.max(1)),
            ..self
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every device that may shape it, by either method: its veth, the ifb of that, its own end.
    pub(crate) fn places(&self) -> Vec<DevName> {
        let ends = [Direction::Ingress, Direction::Egress].map(|d| self.place(d));
        let ifb = self.veth.as_deref().map(ifb_name).map(DevName::on_host);
        let mut places: Vec<DevName> = ends.into_iter().flatten().chain(ifb).collect();
        places.dedup();
        places
    }

    /// The devices that are the container's own, whether they shape it or not: its veth, its end in its namespace.
    #[cfg(feature = "serde")]
    pub(crate) fn ends(&self) -> impl Iterator<Item = DevName> {
        let own = Some(Direction::Egress).filter(|_| self.inside != Inside::Ifb);
        let ends = [Some(Direction::Ingress), own];
        ends.into_iter().flatten().filter_map(|d| self.place(d))
    }

    /// The device that shapes one direction, if that is shaped and there is one.
    #[must_use]
    pub fn device(&self, direction: Direction) -> Option<DevName> {
        self.shape(direction).and_then(|_| self.place(direction))
    }

    fn place(&self, direction: Direction) -> Option<DevName> {
        let (netns, dev) = match (direction, &self.inside) {
            (Direction::Ingress, _) => (Netns::Host, self.veth.clone()?),
            (Direction::Egress, Inside::Netns(netns)) => {
                (Netns::Named(netns.clone()), self.dev.clone())
            }
            (Direction::Egress, Inside::Pid(pid)) => (Netns::Pid(*pid), self.dev.clone()),
            (Direction::Egress, Inside::Ifb) => (Netns::Host, ifb_name(self.veth.as_deref()?)),
        };
        Some(DevName { netns, dev })
    }

    /// The shape of one direction, if that is shaped.
    #[must_use]
    pub fn shape(&self, direction: Direction) -> Option<&Shape> {
        match direction {
            Direction::Ingress => self.ingress.as_ref(),
            Direction::Egress => self.egress.as_ref(),
        }
    }
}
