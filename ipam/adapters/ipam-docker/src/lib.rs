//! Docker's remote IPAM protocol on [`ipam`]: what an engine asks becomes decisions on a store, and what it runs is compared with
//! what is stored.
//!
//! `berth ipam serve --docker SOCKET` of the package `berth-cli` is this crate with a socket, a clock and a store. A call is read
//! ([`Call::read`]), decided ([`Driver::decide`]) or answered ([`Driver::answer`]), and written ([`Reply::to_json`],
//! [`Refusal::to_json`]). Nothing here opens anything, and a [`Driver`] remembers nothing: a plugin that is killed goes on from the store.
#![doc = include_str!("../docs/options.md")]
//!
//! # What comes back after a loss
//! An engine does not repeat what was lost: after a lost answer it sends its request again without a body, which is refused; what it
//! would release while the plugin is down it never releases. So it is looked at from time to time ([`EngineView`]): claims of containers
//! that it does not run are suspects of the next collection ([`Driver::lives`]), networks that it does not have are counted no longer, and
//! addresses that it uses and a lost store does not know are claimed ([`Driver::settle`]).
#![forbid(unsafe_code)]

mod addresses;
mod auto;
mod draft;
mod driver;
mod engine;
mod message;
mod names;
mod options;
mod pools;
mod refusal;
mod settle;
#[cfg(feature = "testing")]
pub mod testing;

pub use auto::AutoRange;
pub use driver::Driver;
pub use engine::EngineView;
pub use message::{
    AddressRelease, AddressRequest, Call, GLOBAL, LOCAL, LONGEST_BODY, PoolRelease, PoolRequest,
    Reply,
};
pub use names::{Attachment, PoolId};
pub use refusal::{Refusal, RefusalKind};
pub use settle::{Excess, Settlement};
