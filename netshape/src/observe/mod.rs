//! What a kernel has, as it was observed: [`ObservedState`], and the readers that make one.
//!
//! A netlink dump ([`crate::netlink::load`]) loses nothing. The JSON document of `berth shape show` is read by
//! `ObservedDocument`. What `tc show` prints, as text or JSON, loses something: an object that can't be had back exactly is
//! reported as an [`UnparsedObject`] with the reason, since a plan on guesses would change what is right.

#[cfg(feature = "serde")]
mod document;
#[cfg(feature = "serde")]
mod entry;
mod parsed;
pub(crate) mod state;
#[cfg(feature = "serde")]
mod tc_json;
mod tc_text;

#[cfg(feature = "serde")]
pub use document::{DocumentError, ObservedDevice, ObservedDocument};
pub use parsed::{ParsedObject, ParsedOutput, UnparsedObject};
pub use state::ObservedState;
#[cfg(feature = "serde")]
pub use tc_json::{TcJsonError, read_tc_json};
pub use tc_text::read_tc_text;
