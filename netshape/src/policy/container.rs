//! What is declared: rates per container and direction, tiers, the uplink. A value that exists is valid by itself;
//! whether a host can carry it is [`crate::policy::host::wanted::Host`]'s to say.

use super::direction::Direction;
use super::ifb::ifb_name;
use super::refusal::{Refusal, RefusalKind};
use super::shape::Shape;
use crate::object::name;
use crate::object::{DevName, Netns};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Where a container's egress is shaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EgressPoint {
    /// On its own device in this named network namespace.
    Netns(Arc<str>),
    /// On its own device in the network namespace of this process.
    Pid(u32),
    /// The namespace may not be entered: on an ifb that the host's end of the veth redirects to.
    Ifb,
}

impl EgressPoint {
    /// Whether there can be such a namespace.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Netns(netns) => name::netns("netns", netns).map(|_| ()),
            Self::Pid(0) => Err(name::bad_pid("0")),
            Self::Pid(_) | Self::Ifb => Ok(()),
        }
    }
}

/// One container's attachment to the network, and how each direction is shaped.
///
/// ```
/// use netshape::policy::EgressPoint;
/// use netshape::{Container, DevName, Direction, Rate, Shape};
///
/// let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
/// let web = Container::new("web-1", "veth1a2b")?
///     .with_egress_point(EgressPoint::Pid(4242), "eth0")?
///     .with_tier("gold")
///     .with_shape(Direction::Ingress, shape)
///     .with_shape(Direction::Egress, shape);
/// assert_eq!(web.device(Direction::Ingress), Some(DevName::host("veth1a2b")));
/// assert_eq!(web.device(Direction::Egress), Some(DevName::of_pid(4242, "eth0")));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "pod")]
#[doc(alias = "attachment")]
pub struct Container {
    pub(crate) id: Arc<str>,
    /// The host's end of its veth; a macvlan or ipvlan container has none.
    pub(crate) veth: Option<Arc<str>>,
    pub(crate) inside: EgressPoint,
    pub(crate) dev: Arc<str>,
    pub(crate) tier: Option<Arc<str>>,
    pub(crate) weight: Option<u32>,
    pub(crate) ingress: Option<Shape>,
    pub(crate) egress: Option<Shape>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Greatest number of addresses of one container.
const ADDRESSES_MOST: usize = 256;

impl Container {
    /// A container attached by `veth` (the host's end), `eth0` inside the network namespace named like the container;
    /// nothing is shaped yet.
    ///
    /// # Errors
    /// An id or a device name that can't be one: [`RefusalKind::BadName`](crate::policy::RefusalKind::BadName).
    pub fn new(id: &str, veth: &str) -> Result<Self, Refusal> {
        let id = name::id("id", id)?;
        Ok(Self {
            veth: Some(name::dev("veth", veth)?),
            ..Self::bare(id)
        })
    }

    /// A container without an end on the host, such as one on a macvlan or ipvlan device, else as [`Container::new`]. Only its
    /// egress can be shaped, on its own device (`dev` of [`Container::with_egress_point`]) in its network namespace; anything else is
    /// refused with [`RefusalKind::NoVeth`](crate::policy::RefusalKind::NoVeth) when it is inserted.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`](crate::policy::RefusalKind::BadName).
    pub fn without_veth(id: &str) -> Result<Self, Refusal> {
        name::id("id", id).map(Self::bare)
    }

    /// Without an end on the host.
    fn bare(id: Arc<str>) -> Self {
        Self {
            veth: None,
            inside: EgressPoint::Netns(id.clone()),
            id,
            dev: Arc::from("eth0"),
            tier: None,
            weight: None,
            ingress: None,
            egress: None,
            addresses: Vec::new(),
        }
    }

    /// Sets where its egress is shaped, and the device's name there.
    ///
    /// # Errors
    /// [`RefusalKind::BadName`](crate::policy::RefusalKind::BadName).
    pub fn with_egress_point(self, inside: EgressPoint, dev: &str) -> Result<Self, Refusal> {
        inside.check()?;
        Ok(Self {
            inside,
            dev: name::dev("dev", dev)?,
            ..self
        })
    }

    /// Sets the shape of one direction; a direction without one is not shaped.
    #[must_use]
    pub fn with_shape(mut self, direction: Direction, shape: Shape) -> Self {
        match direction {
            Direction::Ingress => self.ingress = Some(shape),
            Direction::Egress => self.egress = Some(shape),
        }
        self
    }

    /// Sets its tier; one that the host does not have is refused when the container is admitted.
    #[must_use]
    pub fn with_tier(self, tier: &str) -> Self {
        Self {
            tier: Some(Arc::from(tier)),
            ..self
        }
    }

    /// Sets a weight of its own, 1 to 1,000, instead of its tier's; a greater one is refused when it is admitted.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        Self {
            weight: Some(weight.max(1)),
            ..self
        }
    }

    /// Says the addresses that its packets have on the uplink, by which they come into its class there. A repeated one counts once,
    /// and an IPv4 address that is written as an IPv6 one (`::ffff:10.1.2.3`) is that IPv4 address.
    ///
    /// ```
    /// use netshape::Container;
    ///
    /// let web = Container::new("web-1", "veth1a2b")?.with_addresses(["10.1.2.3".parse()?, "fd00::3".parse()?])?;
    /// assert_eq!(web.addresses().len(), 2);
    /// assert!(Container::new("x", "veth2")?.with_addresses(["224.0.0.1".parse()?]).is_err()); // of no container
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RefusalKind::BadAddress`] for one that no packet of a container has on an uplink, [`RefusalKind::TooMany`] for more than 256.
    pub fn with_addresses(
        mut self,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Self, Refusal> {
        self.addresses.clear();
        for (i, given) in addresses.into_iter().enumerate() {
            let field = || format!("addresses[{i}]");
            let address = given.to_canonical();
            if let Some(rule) = unusable(address) {
                let given = given.to_string();
                let kind = RefusalKind::BadAddress { given, rule };
                return Err(Refusal::new(field(), kind));
            }
            if i >= ADDRESSES_MOST {
                let (given, limit) = (i.saturating_add(1), ADDRESSES_MOST);
                let kind = RefusalKind::TooMany { given, limit };
                return Err(Refusal::new("addresses", kind));
            }
            self.addresses.push(address);
        }
        self.addresses.sort_unstable();
        self.addresses.dedup();
        Ok(self)
    }

    /// The addresses that its packets have on the uplink, in order.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The ifb that shapes its egress where its namespace may not be entered ([`EgressPoint::Ifb`]): its name follows from the veth's.
    #[must_use]
    pub fn ifb(&self) -> Option<DevName> {
        let name = self.veth.as_deref().map(ifb_name);
        name.map(DevName::on_host)
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
        let own = Some(Direction::Egress).filter(|_| self.inside != EgressPoint::Ifb);
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
            (Direction::Egress, EgressPoint::Netns(netns)) => {
                (Netns::Named(netns.clone()), self.dev.clone())
            }
            (Direction::Egress, EgressPoint::Pid(pid)) => (Netns::Pid(*pid), self.dev.clone()),
            (Direction::Egress, EgressPoint::Ifb) => (Netns::Host, ifb_name(self.veth.as_deref()?)),
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

/// Why no packet of a container has an address on an uplink.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(v4) if v4.is_broadcast() => return Some("the broadcast address"),
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    match () {
        () if address.is_unspecified() => Some("no address, but any"),
        () if address.is_multicast() => Some("the address of a group, which nothing is sent from"),
        () if address.is_loopback() => Some("a loopback address, which never leaves its container"),
        () if link_local => Some("a link-local address, which never leaves its link"),
        () => None,
    }
}
