//! What is stored: one record a pool, host, block, workload and claim.

mod block;
mod bytes;
mod fields;
mod keys;
mod named;
mod old;
mod summary;

use crate::change::HostSettings;
use crate::cidr::Cidr;
use crate::claim::RetentionKind;
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::spec::PoolSpec;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
pub(crate) use block::Beside;
pub(crate) use bytes::is_outdated;
#[cfg(feature = "testing")]
pub(crate) use bytes::is_unnamed;
use core::net::IpAddr;
pub(crate) use keys::{
    COPIES, KINDS, TIME, block_key, claim_key, copied_key, copy_key, cursor_key, departed_key,
    departed_of, host_key, identity_of, pool_key, summary_key, workload_key,
};
pub use summary::BlockSummary;

/// A released address of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReleasedAddress {
    /// Its number within the block.
    pub offset: u32,
    /// When it was released.
    pub at: Timestamp,
    /// Breaks ties of `at`.
    pub order: u64,
}

/// An address of a block that is held, or retained for a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UsedAddress<'a> {
    /// Its number within the block.
    pub offset: u32,
    /// Who holds it; none of an address that is only retained.
    pub holder: Option<Holder<'a>>,
    /// The workload behind the holder, or the one that it is retained for, and its interface.
    pub workload: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether it is reserved to that workload, held or not.
    pub reserved: bool,
    /// Until when an address that nobody holds stays with its workload; none of a reserved one.
    pub until: Option<Timestamp>,
}

/// Who holds an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Holder<'a> {
    /// The owner.
    pub owner: Cow<'a, str>,
    /// Its fencing token.
    pub sequence: u64,
    /// The host that uses it.
    pub host: Option<Cow<'a, str>>,
    /// How its addresses are retained.
    pub retention: RetentionKind,
}

/// A released address of a pool that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DepartedAddress {
    /// Its number within the block.
    pub offset: u32,
    /// When it was released.
    pub at: Timestamp,
    /// When its quarantine ends.
    pub until: Timestamp,
}

/// A workload on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MoveRecord<'a> {
    /// The host it leaves.
    pub from: Cow<'a, str>,
    /// The host it goes to.
    pub to: Cow<'a, str>,
    /// Since when.
    pub since: Timestamp,
    /// How its addresses are retained.
    #[cfg_attr(feature = "serde", serde(rename = "kept"))]
    pub retention: RetentionKind,
    /// What moves.
    pub addresses: Vec<(PoolId, IpAddr)>,
}

/// A sticky address that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StickyRecord {
    /// Its pool.
    pub pool: PoolId,
    /// The address.
    pub address: IpAddr,
    /// Until when it is retained; [`Timestamp::MAX`] for as long as the move takes.
    pub until: Timestamp,
}

/// Where the store's time is counted from: when a stopwatch of the store's shows `e`, it is `base + e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeOrigin {
    /// The stopwatch ([`Started`](crate::store::Started)).
    pub stopwatch: u64,
    /// The time when it was started.
    pub base: Timestamp,
    /// The term of the last reading that this rests on ([`Elapsed`](crate::store::Elapsed)).
    pub term: u64,
}

/// One stored record. Together they are the allocator's whole state.
///
/// ```
/// # use ipam::store::Record;
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let record = ipam.records().into_iter().find(|r| matches!(r, Record::Pool { .. }));
/// let record = record.ok_or("a pool's record")?;
/// assert_eq!(record.key(), "p/00000");
/// assert_eq!(Record::decode("p/00000", &record.encode())?, record);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "record", rename_all = "kebab-case"))]
pub enum Record<'a> {
    /// The allocator's seed, and where its sequence numbers begin.
    Meta {
        /// It decides where hosts start and what random order gives.
        seed: u64,
        /// Added to the store's revision it comes before every sequence number still to be given: what another store had
        /// counted before its state was brought here.
        #[cfg_attr(feature = "serde", serde(default))]
        base: u64,
        /// Whether every block's record tells of all its addresses, every workload's of its owners and every host's of its
        /// blocks, and summaries stand beside them: a store of format 3 or older becomes so with its first write.
        #[cfg_attr(feature = "serde", serde(default))]
        whole: bool,
    },
    /// A pool.
    Pool {
        /// Its number.
        id: PoolId,
        /// Whether it gives nothing more.
        draining: bool,
        /// What it is.
        spec: Box<PoolSpec>,
    },
    /// Where a pool's order goes on.
    Cursor {
        /// The pool.
        id: PoolId,
        /// Offset from its first address, as text: JSON has no numbers of 128 bits.
        cursor: Cow<'a, str>,
    },
    /// A host's settings.
    Host {
        /// Its name.
        name: Cow<'a, str>,
        /// The settings.
        settings: HostSettings,
        /// Its blocks, by pool and first address; not told by formats before 4.
        #[cfg_attr(feature = "serde", serde(default))]
        blocks: Option<Vec<(PoolId, IpAddr)>>,
    },
    /// A block: the unit of compare-and-swap.
    Block {
        /// Its pool.
        pool: PoolId,
        /// Its prefix.
        block: Cidr,
        /// The host that has it, and how far its hold has come.
        host: Option<(Cow<'a, str>, BlockState)>,
        /// Counts its changes of host.
        generation: u64,
        /// Since when it is empty, if it is.
        empty_since: Timestamp,
        /// Addresses in quarantine or queued.
        #[cfg_attr(feature = "serde", serde(rename = "rested"))]
        released: Vec<ReleasedAddress>,
        /// Addresses held or retained, in order of offset; not told by formats before 4.
        #[cfg_attr(feature = "serde", serde(default))]
        used: Option<Vec<UsedAddress<'a>>>,
    },
    /// A workload that holds or retains addresses, or moves.
    Workload {
        /// Its name.
        name: Cow<'a, str>,
        /// The workload's interface.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The latest time known about what it retains.
        #[cfg_attr(feature = "serde", serde(default))]
        since: Timestamp,
        /// Until when it retains `retained`, if that is no reservation.
        until: Timestamp,
        /// Whether `retained` is a reservation.
        fixed: bool,
        /// Addresses retained; of no reservation at most one of each family.
        #[cfg_attr(feature = "serde", serde(rename = "kept"))]
        retained: Vec<(PoolId, IpAddr)>,
        /// Sticky addresses that have an end of their own, at most one of a pool.
        #[cfg_attr(feature = "serde", serde(default))]
        sticky: Vec<StickyRecord>,
        /// Its move.
        moving: Option<MoveRecord<'a>>,
        /// The owners of its claims, in order; not told by formats before 4.
        #[cfg_attr(feature = "serde", serde(default))]
        owners: Option<Vec<Cow<'a, str>>>,
    },
    /// A claim.
    Claim {
        /// Its owner.
        owner: Cow<'a, str>,
        /// The workload behind it.
        workload: Option<Cow<'a, str>>,
        /// The workload's interface; without a workload it says nothing.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The host that uses it.
        host: Option<Cow<'a, str>>,
        /// Its fencing token.
        sequence: u64,
        /// When it was made or last renewed.
        touched: Timestamp,
        /// The end of its lease.
        until: Option<Timestamp>,
        /// How its addresses are retained.
        #[cfg_attr(feature = "serde", serde(rename = "kept"))]
        retention: RetentionKind,
        /// Its addresses, at most one of each family.
        addresses: Vec<(PoolId, IpAddr)>,
        /// Since when its owner is missing, and its token then.
        suspect: Option<(Timestamp, u64)>,
    },
    /// Addresses in quarantine whose pools were removed: whichever pool they belong to next, they stay so.
    Departed {
        /// The /26 or /122 that they are in.
        block: Cidr,
        /// The addresses.
        #[cfg_attr(feature = "serde", serde(rename = "rested"))]
        quarantined: Vec<DepartedAddress>,
    },
    /// Where a pool's free blocks are: a page of the tree over them (see [`BlockSummary`]).
    Summary {
        /// The pool.
        pool: PoolId,
        /// Its height in the tree: 0 tells of blocks, others of the 64 pages below.
        level: u8,
        /// The first address of what it tells of.
        first: IpAddr,
        /// What is not as an untouched block, by number from 0 to 63.
        parts: Vec<(u8, BlockSummary)>,
    },
    /// The store's time (see [`StoreClock`](crate::store::StoreClock)). No part of the allocator's state.
    Time {
        /// It is no earlier than this: as it was when this was written.
        now: Timestamp,
        /// What it is counted by; none of a store without a clock of its own. Not told by formats before 6.
        #[cfg_attr(feature = "serde", serde(default))]
        origin: Option<TimeOrigin>,
    },
}

impl<'a> Record<'a> {
    /// The key under which it is stored.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Meta { .. } => "m/".into(),
            Self::Pool { id, .. } => pool_key(*id),
            Self::Cursor { id, .. } => cursor_key(*id),
            Self::Host { name, .. } => host_key(name),
            Self::Block { pool, block, .. } => block_key(*pool, block.first()),
            Self::Workload {
                name, interface, ..
            } => workload_key(Identity::from((&**name, &**interface))),
            Self::Claim { owner, .. } => claim_key(owner),
            Self::Departed { block, .. } => departed_key(block.first()),
            Self::Summary {
                pool, level, first, ..
            } => summary_key(*pool, *level, *first),
            Self::Time { .. } => TIME.into(),
        }
    }

    /// What stands as its copy, if it has one: of a host only the settings, as long as there are any. Its blocks tell the rest.
    pub(crate) fn copy(&self) -> Option<Self> {
        match self {
            Self::Pool { .. } => Some(self.clone()),
            Self::Host { name, settings, .. } if *settings != HostSettings::default() => {
                Some(Self::Host {
                    name: name.clone(),
                    settings: settings.clone(),
                    blocks: None,
                })
            }
            _ => None,
        }
    }

    /// Whether a key is the one under which it is stored; without writing that one where it is a name.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        match self {
            Self::Claim { owner, .. } => key.strip_prefix("c/") == Some(owner),
            Self::Workload {
                name, interface, ..
            } if interface == DEFAULT_INTERFACE => key.strip_prefix("w/") == Some(name),
            _ => self.key() == key,
        }
    }

    /// Its place in the order of restoring.
    pub(crate) fn rank(&self) -> usize {
        match self {
            Self::Meta { .. } => 0,
            Self::Pool { .. } => 1,
            Self::Cursor { .. } => 2,
            Self::Host { .. } => 3,
            Self::Block { .. } => 4,
            Self::Workload { .. } => 5,
            Self::Claim { .. } => 6,
            Self::Departed { .. } => 7,
            Self::Summary { .. } => 8,
            Self::Time { .. } => 9,
        }
    }
}
