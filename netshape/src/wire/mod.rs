//! Netlink's `RTM_*QDISC`, `*TCLASS` and `*TFILTER` messages, both ways, from the kernel's headers
//! (`linux/rtnetlink.h`, `pkt_sched.h`, `pkt_cls.h`, `tc_act/tc_mirred.h`). Rate tables are neither written nor kept:
//! kernels from 3.11 on ignore them when a link layer is given.

mod action;
mod attr;
mod decode;
mod encode;
mod hex;
mod load;
mod queue;
mod stats;
mod u32;

pub use action::{ActionExtras, Gact, GactRandom, Mirred, TcAction};
pub use decode::{Messages, decode};
pub(crate) use hex::bytes_of_hex;
pub use hex::{HexError, HexLine, hex_lines, hex_of};
pub use load::load;
pub(crate) use load::{filter_of, qdisc_of};
pub use stats::{HtbStats, Stats};
pub use u32::{U32, U32Key, U32Mark, U32Part, U32Sel};

use crate::handle::Handle;
use crate::object::{Estimator, Filter, FilterKind, FqCodel, Htb, HtbClass, Stab, Tbf};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 1;
/// `NLM_F_ACK`.
pub const ACK: u16 = 4;
/// `NLM_F_REPLACE`.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`.
pub const EXCL: u16 = 0x200;
/// `NLM_F_CREATE`.
pub const CREATE: u16 = 0x400;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum What {
    /// A qdisc.
    Qdisc,
    /// A class.
    Class,
    /// A filter.
    Filter,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Verb {
    /// Made, changed or dumped.
    New,
    /// Deleted.
    Del,
    /// Asked for.
    Get,
}

impl What {
    /// The message's type number.
    #[must_use]
    pub const fn number(self, verb: Verb) -> u16 {
        let base = match self {
            Self::Qdisc => 36,
            Self::Class => 40,
            Self::Filter => 44,
        };
        base + verb as u16
    }

    /// From a message's type number.
    #[must_use]
    pub const fn of(number: u16) -> Option<(Self, Verb)> {
        let what = match number & !3 {
            36 => Self::Qdisc,
            40 => Self::Class,
            44 => Self::Filter,
            _ => return None,
        };
        match number & 3 {
            0 => Some((what, Verb::New)),
            1 => Some((what, Verb::Del)),
            2 => Some((what, Verb::Get)),
            _ => None,
        }
    }
}

/// `TCA_OPTIONS`, by kind. A request without options has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options {
    /// An HTB qdisc's.
    Htb(Htb),
    /// An HTB class's.
    HtbClass(HtbClass),
    /// A TBF qdisc's.
    Tbf(Box<Tbf>),
    /// The limit of a bfifo, pfifo or `pfifo_head_drop`.
    Fifo(u32),
    /// An `fq_codel` qdisc's.
    FqCodel(Box<FqCodel>),
    /// A u32 filter's.
    U32(Box<U32>),
    /// Of a kind without a typed form, as they came.
    Raw(Vec<u8>),
}

/// One message about a qdisc, a class or a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcMessage {
    /// What it is about.
    pub what: What,
    /// What is done with it.
    pub verb: Verb,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub seq: u32,
    /// `nlmsg_pid`.
    pub pid: u32,
    /// The device; -1 for a shared block, whose number is then the parent.
    pub ifindex: i32,
    /// `tcm_handle`.
    pub handle: Handle,
    /// `tcm_parent`.
    pub parent: Handle,
    /// `tcm_info`: a filter's priority and protocol, a dumped qdisc's reference count, a dumped class's leaf.
    pub info: u32,
    /// `TCA_KIND`.
    pub kind: Option<String>,
    /// `TCA_OPTIONS`.
    pub options: Option<Options>,
    /// `TCA_CHAIN`.
    pub chain: Option<u32>,
    /// `TCA_RATE`.
    pub estimator: Option<Estimator>,
    /// `TCA_STAB`.
    pub stab: Option<Box<Stab>>,
    /// `TCA_INGRESS_BLOCK`.
    pub ingress_block: Option<u32>,
    /// `TCA_EGRESS_BLOCK`.
    pub egress_block: Option<u32>,
    /// `TCA_STATS2` and `TCA_XSTATS`, in dumps.
    pub stats: Option<Box<Stats>>,
}

impl TcMessage {
    /// A message with nothing in it.
    #[must_use]
    pub const fn new(what: What, verb: Verb, flags: u16) -> Self {
        Self {
            what,
            verb,
            flags,
            seq: 0,
            pid: 0,
            ifindex: 0,
            handle: Handle::NONE,
            parent: Handle::NONE,
            info: 0,
            kind: None,
            options: None,
            chain: None,
            estimator: None,
            stab: None,
            ingress_block: None,
            egress_block: None,
            stats: None,
        }
    }

    /// Sets parent, chain, priority, protocol, kind and options to a filter's.
    pub(crate) fn set_filter(&mut self, filter: &Filter) {
        self.parent = filter.parent;
        self.chain = (filter.chain != 0).then_some(filter.chain);
        self.info = u32::from(filter.prio) << 16 | u32::from(filter.protocol.to_be());
        self.handle = Handle::from_raw(filter.handle);
        match &filter.kind {
            FilterKind::U32(u32) => {
                self.kind = Some("u32".into());
                self.options = Some(Options::U32(u32.clone()));
            }
            FilterKind::Other(kind) => self.kind = Some(kind.clone()),
        }
    }

    /// A filter's priority: the upper half of `info`.
    #[must_use]
    pub const fn prio(&self) -> u16 {
        (self.info >> 16) as u16
    }

    /// A filter's protocol as an Ethertype (0x0800 is IPv4, 3 is all): the lower half of `info`, in network order there.
    #[must_use]
    pub const fn protocol(&self) -> u16 {
        (self.info as u16).swap_bytes()
    }
}

/// What one netlink message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// About shaping.
    Tc(Box<TcMessage>),
    /// `NLMSG_ERROR`: 0 is an acknowledgement, else a negative errno.
    Answer {
        /// The sequence number that it answers.
        seq: u32,
        /// 0 or a negative errno.
        errno: i32,
    },
    /// `NLMSG_DONE`: the end of a dump.
    Done,
    /// Of another type.
    Other {
        /// `nlmsg_type`.
        number: u16,
    },
}

/// Bytes that are no netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end within a message.
    #[error("message at byte {at}: {have} bytes left, {want} needed")]
    Truncated {
        /// Where it begins.
        at: usize,
        /// What it needs.
        want: usize,
        /// What is left.
        have: usize,
    },
    /// An attribute's length is shorter than its head or longer than what holds it.
    #[error("attribute {attr}: length {len} where 4 to {left} is possible")]
    AttrLength {
        /// Its type.
        attr: u16,
        /// Its length.
        len: usize,
        /// What is left.
        left: usize,
    },
    /// An attribute's payload is too short for its type.
    #[error("attribute {attr}: {have} bytes where {want} are needed")]
    AttrShort {
        /// Its type.
        attr: u16,
        /// What it needs.
        want: usize,
        /// What it has.
        have: usize,
    },
    /// A name that is not text.
    #[error("attribute {attr}: not text")]
    Text {
        /// Its type.
        attr: u16,
    },
}
