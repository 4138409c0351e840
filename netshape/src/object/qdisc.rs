//! Qdiscs and classes in the kernel's own terms (byte/s and ticks), as they are sent, dumped, compared and planned.

use super::handle::Handle;
use super::rate_spec::RateSpec;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// The options of an HTB qdisc (`tc_htb_glob` and its companions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Htb {
    /// Divides a class's byte/s into its quantum where none is given; tc sends 10.
    pub rate2quantum: u32,
    /// Minor number of the class that takes unclassified traffic; 0 lets it pass unshaped.
    pub default: u32,
    /// Length of the queue of unclassified packets, where given.
    pub direct_qlen: Option<u32>,
    /// Debugging bits, which kernels of today ignore.
    pub debug: u32,
    /// Whether the device is asked to shape by itself.
    pub offload: bool,
    /// Packets that met no class so far: in messages of dumps; 0 in a device that was loaded, since it is no part of what is there.
    pub direct_packets: u32,
}

impl Htb {
    /// A qdisc whose unclassified traffic goes to the class with this minor number.
    #[must_use]
    pub const fn with_default_class(default: u16) -> Self {
        Self {
            debug: 0,
            rate2quantum: 10,
            default: default as u32,
            direct_qlen: None,
            offload: false,
            direct_packets: 0,
        }
    }
}

/// The options of a token bucket filter (`tc_tbf_qopt` and its companions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tbf {
    /// The rate that tokens come at.
    pub rate: RateSpec,
    /// The peak rate; zero means none.
    pub peak: RateSpec,
    /// Bytes that may wait.
    pub limit: u32,
    /// The bucket in ticks.
    pub buffer: u32,
    /// The peak bucket in ticks.
    pub mtu: u32,
    /// The bucket in bytes, which the kernel prefers to the ticks (only in requests).
    pub burst: Option<u32>,
    /// The peak bucket in bytes (only in requests).
    pub pburst: Option<u32>,
}

/// The options of `fq_codel`; `None` leaves the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FqCodel {
    /// Target delay in µs.
    pub target: Option<u32>,
    /// Packets that may wait.
    pub limit: Option<u32>,
    /// Interval in µs.
    pub interval: Option<u32>,
    /// Whether ECN marks come before drops.
    pub ecn: Option<u32>,
    /// Number of flow queues.
    pub flows: Option<u32>,
    /// Bytes a flow may send a round.
    pub quantum: Option<u32>,
    /// Mark above this delay in µs.
    pub ce_threshold: Option<u32>,
    /// Packets dropped at most at once.
    pub drop_batch: Option<u32>,
    /// Bytes of memory that packets may take.
    pub memory_limit: Option<u32>,
    /// DS field value that the CE threshold is meant for.
    pub ce_threshold_selector: Option<u8>,
    /// Mask of that DS field value.
    pub ce_threshold_mask: Option<u8>,
}

impl FqCodel {
    /// Whether what is wanted is so already; what it leaves to the kernel may be anything.
    #[must_use]
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let narrow = |x: Option<u8>| x.map(u32::from);
        let fields = |f: &Self| {
            [
                f.target,
                f.limit,
                f.interval,
                f.ecn,
                f.flows,
                f.quantum,
                f.ce_threshold,
                f.drop_batch,
                f.memory_limit,
                narrow(f.ce_threshold_selector),
                narrow(f.ce_threshold_mask),
            ]
        };
        let mut pairs = fields(self).into_iter().zip(fields(wanted));
        pairs.all(|(is, wanted)| wanted.is_none() || is == wanted)
    }
}

/// What kind of qdisc, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QdiscKind {
    /// Hierarchical token buckets.
    Htb(Htb),
    /// One token bucket.
    Tbf(Box<Tbf>),
    /// A queue with a limit in bytes.
    Bfifo(Option<u32>),
    /// A queue with a limit in packets.
    Pfifo(Option<u32>),
    /// Fair queueing with controlled delay.
    FqCodel(Box<FqCodel>),
    /// The ingress hook.
    Ingress,
    /// Both hooks.
    Clsact,
    /// One queue per hardware queue.
    Mq,
    /// Any other kind, with its options as they came.
    Other(Box<Other>),
}

/// A kind that has no typed form here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Other {
    /// `TCA_KIND`.
    pub kind: String,
    /// What `TCA_OPTIONS` holds, where it is there.
    pub options: Option<Vec<u8>>,
}

impl QdiscKind {
    /// The kind's name, as in `TCA_KIND`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Htb(_) => "htb",
            Self::Tbf(_) => "tbf",
            Self::Bfifo(_) => "bfifo",
            Self::Pfifo(_) => "pfifo",
            Self::FqCodel(_) => "fq_codel",
            Self::Ingress => "ingress",
            Self::Clsact => "clsact",
            Self::Mq => "mq",
            Self::Other(other) => &other.kind,
        }
    }
}

/// Things that few qdiscs carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extras {
    /// `TCA_STAB`: size table.
    pub stab: Option<Stab>,
    /// `TCA_RATE`: rate estimator, as interval and log of the weight.
    pub estimator: Option<Estimator>,
    /// `TCA_INGRESS_BLOCK`.
    pub ingress_block: Option<u32>,
    /// `TCA_EGRESS_BLOCK`.
    pub egress_block: Option<u32>,
}

/// `tc_estimator`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Estimator {
    /// Interval, as -2 for 250 ms up to 3 for 8 s.
    pub interval: i8,
    /// Base-2 logarithm of the average's weight.
    pub ewma_log: u8,
}

/// `tc_sizespec` and its table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stab {
    /// Base-2 logarithm of a cell.
    pub cell_log: u8,
    /// Base-2 logarithm of the sizes' unit.
    pub size_log: u8,
    /// Added before the cell is chosen.
    pub cell_align: i16,
    /// Bytes added to each packet.
    pub overhead: i32,
    /// Link layer, as in [`RateSpec`].
    pub linklayer: u32,
    /// Least packet size.
    pub mpu: u32,
    /// Greatest packet that the table covers.
    pub mtu: u32,
    /// Number of entries.
    pub tsize: u32,
    /// The table itself, absent in dumps.
    pub data: Vec<u16>,
}

/// A qdisc on some device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Qdisc {
    /// `1:`; [`Handle::NONE`] for a kernel default.
    pub handle: Handle,
    /// [`Handle::ROOT`], [`Handle::INGRESS`] or a class.
    pub parent: Handle,
    /// Kind and options.
    pub kind: QdiscKind,
    /// What few carry.
    pub extras: Option<Box<Extras>>,
}

impl Qdisc {
    /// A qdisc without extras.
    #[must_use]
    pub const fn new(handle: Handle, parent: Handle, kind: QdiscKind) -> Self {
        Self {
            handle,
            parent,
            kind,
            extras: None,
        }
    }
}
