//! What is wanted: rates per container and direction, tiers, the uplink, and the [`Host`] that admits them.
//!
//! A value that exists is valid by itself; whether a host can carry it is [`Host::insert`]'s to say, which refuses with a
//! [`Refusal`] that names the field and the figures. `PolicyFile` is the same policy as people write it in TOML or JSON.

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
pub use uplink::{Tier, Uplink};
