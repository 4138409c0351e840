//! Netlink's `RTM_*QDISC`, `*TCLASS` and `*TFILTER` messages, both ways, from the kernel's headers
//! (`linux/rtnetlink.h`, `pkt_sched.h`, `pkt_cls.h`, `tc_act/tc_mirred.h`).
//!
//! [`TcMessage::encode`] appends to any [`bytes::BufMut`]; [`decode`] reads from borrowed bytes without copying them:
//! [`TcMessage::into_owned`] is for messages that must outlive them. [`load`] reads a whole dump into devices. Rate tables are neither written nor kept: kernels from 3.11 on ignore them
//! when a link layer is given.

mod action;
mod attr;
mod counters;
mod decode;
mod encode;
mod error;
mod flags;
mod hex;
mod kind;
mod load;
mod message;
mod objects;
mod queue;
mod stats;
mod u32;

pub use counters::Counters;
pub use decode::{Messages, decode};
pub use encode::BufferTooSmall;
pub use error::DecodeError;
pub use flags::{ACK, CREATE, EXCL, REPLACE, REQUEST};
pub(crate) use hex::bytes_of_hex;
pub use hex::{HexError, HexLine, hex_lines, hex_of};
pub use kind::{ObjectKind, Verb};
pub use load::load;
pub use message::{Message, Options, TcMessage};
pub(crate) use objects::{filter_of, qdisc_of};
pub use stats::{HtbStats, Stats};
