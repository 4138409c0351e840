//! What was decided, as data: everything that alters the allocator goes through here.

pub use crate::apply::ApplyError;

mod forms;

use crate::cidr::{AddressRange, Cidr};
use crate::claim::{Place, RetentionKind};
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::spec::PoolSpec;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

/// One alteration and its time. Changes serialise; applying the same changes to an allocator of the same
/// seed gives the same state, whatever was asked or looked up in between.
///
/// ```
/// # use ipam::change::ChangeKind;
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let change = ipam.decide_drain_pool("p", true)?;
/// assert!(matches!(change.kind, ChangeKind::PoolDrained { draining: true, .. }));
/// println!("{change}"); // a change explains itself
/// ipam.apply(&change)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Change<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// What was decided.
    #[cfg_attr(feature = "serde", serde(rename = "what"))]
    #[doc(alias = "what")]
    pub kind: ChangeKind<'a>,
}

/// Why a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Reason {
    /// Its owner gave it back.
    Released,
    /// Its lease ran out.
    Expired,
    /// Its owner was gone in two passes, a grace period apart.
    Collected,
    /// A repair removed it.
    Repaired,
}

/// A host's settings.
///
/// ```
/// # use ipam::change::HostSettings;
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let settings = HostSettings { block_limit: Some(2), ..HostSettings::default() };
/// ipam.set_host(at(1), "h1", settings)?;
/// assert_eq!(ipam.host_settings("h1").and_then(|s| s.block_limit), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct HostSettings {
    /// Most blocks in any one pool; it may still borrow.
    pub block_limit: Option<u32>,
    /// The host gives up its blocks: no new addresses in them, each gone when empty.
    pub draining: bool,
    /// Where its search for blocks starts, by pool: at the block of the address that lies in it. Elsewhere
    /// the host's name decides.
    pub starts: Vec<IpAddr>,
    /// Its address in the network that carries the hosts, for routes.
    pub address: Option<IpAddr>,
    /// The subnet of that network in which it is.
    pub subnet: Option<Cidr>,
}

/// The kinds of [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "change", rename_all = "kebab-case"))]
pub enum ChangeKind<'a> {
    /// A pool came into being.
    PoolAdded {
        /// Its number.
        pool: PoolId,
        /// What it is.
        spec: Box<PoolSpec>,
    },
    /// A pool gives nothing more, or does so again.
    PoolDrained {
        /// The pool.
        pool: PoolId,
        /// Whether it gives nothing more.
        draining: bool,
    },
    /// A pool's prefix became larger.
    PoolGrown {
        /// The pool.
        pool: PoolId,
        /// Its new prefix, which contains the old one.
        cidr: Cidr,
    },
    /// What a pool does with its addresses changed; its addresses are the same.
    PoolChanged {
        /// The pool.
        pool: PoolId,
        /// What it is from now on.
        spec: Box<PoolSpec>,
    },
    /// A pool went.
    PoolRemoved {
        /// The pool.
        pool: PoolId,
    },
    /// A host's settings changed.
    HostSet {
        /// The host.
        host: Cow<'a, str>,
        /// Its settings from now on.
        settings: HostSettings,
    },
    /// A host has a block, or its hold on it changed.
    BlockTaken {
        /// The pool.
        pool: PoolId,
        /// The block's prefix.
        block: Cidr,
        /// The host that has it from now on.
        host: Cow<'a, str>,
        /// How far its hold on it has come.
        state: BlockState,
        /// The block's generation as it was seen: a guard against two who take it at once.
        generation: u64,
    },
    /// A block belongs to nobody from now on.
    BlockReleased {
        /// The pool.
        pool: PoolId,
        /// The block's prefix.
        block: Cidr,
        /// The block's generation as it was seen.
        generation: u64,
    },
    /// Addresses were reserved to a workload, besides those it has reserved.
    Reserved {
        /// The workload.
        workload: Cow<'a, str>,
        /// The workload's interface.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The addresses, each range within one pool.
        ranges: Vec<(PoolId, AddressRange)>,
    },
    /// A workload's reservation ended, or part of it.
    Unreserved {
        /// The workload.
        workload: Cow<'a, str>,
        /// The workload's interface.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The addresses that are no longer reserved to it, each range with at least one; empty for all of them.
        #[cfg_attr(feature = "serde", serde(default))]
        ranges: Vec<AddressRange>,
    },
    /// An owner was given addresses.
    Claimed {
        /// The owner.
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
        /// The end of its lease.
        until: Option<Timestamp>,
        /// How long the addresses stay with the workload.
        #[cfg_attr(feature = "serde", serde(rename = "kept"))]
        retention: RetentionKind,
        /// The IPv4 address.
        v4: Option<Place>,
        /// The IPv6 address.
        v6: Option<Place>,
    },
    /// A lease was prolonged.
    Renewed {
        /// The owner.
        owner: Cow<'a, str>,
        /// Its fencing token.
        sequence: u64,
        /// The lease's new end; `None`: until released.
        until: Option<Timestamp>,
    },
    /// An owner whose lease had run out, unnoticed by anyone else, goes on under a new token.
    Reissued {
        /// The owner.
        owner: Cow<'a, str>,
        /// Its old token.
        sequence: u64,
        /// Its new token.
        next: u64,
        /// The new lease's end.
        until: Option<Timestamp>,
    },
    /// A claim ended.
    Released {
        /// The owner.
        owner: Cow<'a, str>,
        /// Its fencing token.
        sequence: u64,
        /// Why.
        reason: Reason,
    },
    /// A workload is on its way to another host.
    MoveBegun {
        /// The workload.
        workload: Cow<'a, str>,
        /// The workload's interface.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The host it leaves.
        from: Cow<'a, str>,
        /// The host it goes to.
        to: Cow<'a, str>,
    },
    /// A move is over.
    MoveEnded {
        /// The workload.
        workload: Cow<'a, str>,
        /// The workload's interface.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// Whether the workload is now on the new host; otherwise the move was called off.
        finished: bool,
    },
    /// An owner was not among the living.
    Suspected {
        /// The owner.
        owner: Cow<'a, str>,
        /// Its token when it was missed.
        sequence: u64,
    },
    /// A suspect was seen alive.
    Cleared {
        /// The owner.
        owner: Cow<'a, str>,
    },
    /// Times stored of an address that lie more than 24 hours ahead become the change's own.
    TimesCapped {
        /// The pool; none of an address that is still in quarantine after its pool was removed.
        pool: Option<PoolId>,
        /// The address: its claim, what is retained with it, its quarantine, its block.
        address: IpAddr,
    },
}
