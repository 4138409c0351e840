//! What is wanted: rates per container and direction, tiers, the uplink, and the [`Host`] that admits them.
//!
//! A value that exists is valid by itself; whether a host can carry it is [`Host::insert`]'s to say, which refuses with a
//! [`Refusal`] that names the field and the figures. `PolicyFile` is the same policy as people write it in TOML or JSON.
//!
//! # Trees
//!
//! Numbers are hexadecimal, as tc writes them. The tree of a veth: the root qdisc `be:` is HTB with default `be:10`; its one class
//! `be:10` has rate = ceiling; the class's queue is `10:`.
//!
//! The tree of the uplink: the root `be:` is HTB with default `be:2`; `be:1` is the whole uplink; below it are `be:2` for the host's own
//! traffic (its rate is the reserve, at least 8 kbit/s, which HTB needs), one class per tier that has members, and one class per
//! container. A container's rate is its guarantee, or 8 kbit/s without one, which does not count as promised. Where containers with addresses
//! shape ingress too, the uplink's ingress is redirected to an ifb with a tree of the same form. Packets come into classes by their addresses
//! ([`Container::with_addresses`]): a container that has none, and something to have of the uplink, is refused by plans.
//!
//! A container's egress is shaped on its own device in its network namespace. Where that may not be entered
//! ([`EgressPoint::Ifb`]), the host's end of the veth redirects to an ifb, which has the tree. A container on a macvlan or ipvlan device
//! ([`Container::without_veth`]) has no end on the host: only its egress can be shaped, on its own device.
//!
//! Queues are `fq_codel` where the kernel has it ([`Capabilities::fq_codel`]), else `bfifo` with a limit that holds a GSO packet, or two
//! where classes share.
//!
//! # Weights
//!
//! HTB divides spare bandwidth by quanta: the bytes that a class sends in its turn. A class sends at least one whole packet, and a
//! GSO packet has 64 KiB or more. So the smallest weight gets a quantum of the largest GSO packet that any observed device takes
//! (65,536 to 524,280 bytes), and the others as many times that as they weigh more. Weights are 1 to 1,000. Shares are within 5 % of the
//! weights over 100 rounds.
//!
//! # Refused containers
//!
//! What is wrong with one container never takes another's shaping away. A section of a policy file that is refused leaves the container
//! as it is ([`Host::hold`]): its devices, redirect and class stay, and the rate of its class is not promised to others. A section that
//! does not say which devices it means, or shares its id or a device with another, makes plans remove nothing on that host.

#[cfg(feature = "serde")]
mod addresses;
pub(crate) mod container;
pub(crate) mod direction;
#[cfg(feature = "serde")]
mod file;
pub(crate) mod host;
pub(crate) mod ifb;
pub(crate) mod limits;
#[cfg(feature = "serde")]
mod quantity;
pub(crate) mod refusal;
pub(crate) mod shape;
pub(crate) mod uplink;

pub use container::{Container, EgressPoint};
pub use direction::Direction;
#[cfg(feature = "serde")]
pub use file::{
    ContainerSection, HostSection, PolicyFile, ShapeSection, TierSection, UplinkSection,
};
pub use host::capabilities::Capabilities;
pub use host::slot::Slot;
pub use host::wanted::Host;
pub use limits::{MAX_CEILING, MIN_BURST, MIN_CEILING, default_burst, leaf_limit};
pub use refusal::{Refusal, RefusalKind};
pub use shape::Shape;
pub use uplink::{Classifier, Tier, Uplink};
