//! The grammar of `tc qdisc|class|filter add|change|replace|link|del ...`, as iproute2 documents and applies it: what it
//! takes becomes the message it sends, what it refuses is refused.
//!
//! Two generations of tc round a burst to ticks in two ways; [`TickRounding`] says which one is meant.

mod action;
mod batch;
mod class;
mod context;
mod error;
mod kinds;
mod line;
mod match_u32;
mod number;
mod proto;
mod qdisc;
mod stab;
mod tbf;
mod u32;
mod words;

pub use crate::ticks::{TickRounding, bytes_of_ticks};
pub use batch::batch_commands;
pub use context::IfIndexes;
pub use error::TcError;
pub use line::{parse_line, parse_line_with_speeds};

pub(crate) use number::u32_handle_text;
#[cfg(feature = "serde")]
pub(crate) use proto::ethertype_name;
#[cfg(feature = "serde")]
pub(crate) use {number::u32_handle, proto::ethertype};
