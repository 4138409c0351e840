//! Netlink's `RTM_*QDISC`, `*TCLASS` and `*TFILTER` messages, both ways, from the kernel's headers
//! (`linux/rtnetlink.h`, `pkt_sched.h`, `pkt_cls.h`, `tc_act/tc_mirred.h`). Rate tables are neither written nor kept:
//! kernels from 3.11 on ignore them when a link layer is given.

use super::kind::ObjectKind;
use super::kind::Verb;
use super::stats::Stats;
use crate::object::U32;
use crate::object::{Estimator, Filter, FilterKind, FqCodel, Handle, Htb, HtbClass, Stab, Tbf};
use alloc::borrow::Cow;
use alloc::boxed::Box;

/// `TCA_OPTIONS`, by kind. A request without options has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options<'a> {
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
    Raw(Cow<'a, [u8]>),
}

impl Options<'_> {
    /// The same without a borrow; copies options of unknown kinds.
    #[must_use]
    pub fn into_owned(self) -> Options<'static> {
        match self {
            Self::Htb(htb) => Options::Htb(htb),
            Self::HtbClass(class) => Options::HtbClass(class),
            Self::Tbf(tbf) => Options::Tbf(tbf),
            Self::Fifo(limit) => Options::Fifo(limit),
            Self::FqCodel(fq_codel) => Options::FqCodel(fq_codel),
            Self::U32(u32) => Options::U32(u32),
            Self::Raw(bytes) => Options::Raw(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// One message about a qdisc, a class or a filter. Decoded, it borrows its kind and options of unknown kinds from the bytes;
/// [`TcMessage::into_owned`] lets it outlive them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "tcmsg")]
#[doc(alias = "RTM_NEWQDISC")]
pub struct TcMessage<'a> {
    /// What it is about.
    pub object: ObjectKind,
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
    pub kind: Option<Cow<'a, str>>,
    /// `TCA_OPTIONS`.
    pub options: Option<Options<'a>>,
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

impl TcMessage<'_> {
    /// A message with nothing in it.
    #[must_use]
    pub const fn new(object: ObjectKind, verb: Verb, flags: u16) -> Self {
        Self {
            object,
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

    /// The same without a borrow; copies the kind and options of unknown kinds.
    #[must_use]
    pub fn into_owned(self) -> TcMessage<'static> {
        TcMessage {
            kind: self.kind.map(|kind| Cow::Owned(kind.into_owned())),
            options: self.options.map(Options::into_owned),
            object: self.object,
            verb: self.verb,
            flags: self.flags,
            seq: self.seq,
            pid: self.pid,
            ifindex: self.ifindex,
            handle: self.handle,
            parent: self.parent,
            info: self.info,
            chain: self.chain,
            estimator: self.estimator,
            stab: self.stab,
            ingress_block: self.ingress_block,
            egress_block: self.egress_block,
            stats: self.stats,
        }
    }

    /// The filter that a request or dump is about.
    #[must_use]
    pub fn filter(&self) -> Filter {
        super::objects::filter_of(self)
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
            FilterKind::Other(kind) => self.kind = Some(Cow::Owned(kind.clone())),
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
pub enum Message<'a> {
    /// About shaping.
    Tc(Box<TcMessage<'a>>),
    /// `NLMSG_ERROR`: 0 is an acknowledgement, else a negative errno.
    Answer {
        /// The sequence number that it answers.
        seq: u32,
        /// 0 or a negative errno.
        errno: i32,
        /// The kernel's own words (`NLMSGERR_ATTR_MSG`), where extended acknowledgements were asked for and it has some.
        text: Option<Cow<'a, str>>,
    },
    /// `NLMSG_DONE`: the end of a dump.
    Done,
    /// Of another type.
    Other {
        /// `nlmsg_type`.
        number: u16,
    },
}
