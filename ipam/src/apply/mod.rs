//! Carrying out changes: each is checked whole before anything is altered, so a refused one alters nothing.

pub(crate) mod block;
mod claim;
mod clock;
mod departed;
pub(crate) mod draft;
mod grow;
mod pool;
mod release;
mod reserve;
pub(crate) mod time;
pub(crate) mod workload;

use crate::change::{Change, ChangeKind};
use crate::cidr::AddressRange;
use crate::pool::PoolId;
use crate::state::Ipam;
use alloc::string::String;
use core::net::IpAddr;

/// Why a change does not fit the state: it was decided on another one, or it is forged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// There is no such pool.
    #[error("there is no {0}")]
    NoPool(PoolId),
    /// The pool cannot be as the change says.
    #[error(transparent)]
    Pool(#[from] crate::pool::spec::PoolError),
    /// There is no such owner, workload or move, or there is one already.
    #[error("{field} `{name}` {state}")]
    Name {
        /// `owner`, `workload`, `host`, `move of`.
        field: &'static str,
        /// Its name.
        name: String,
        /// `is unknown`, `exists already`, or what is wrong with it.
        state: &'static str,
    },
    /// The token is another.
    #[error("`{owner}` has sequence {current}, not {given}")]
    Sequence {
        /// The owner.
        owner: String,
        /// The token in the change.
        given: u64,
        /// The token that stands.
        current: u64,
    },
    /// An address cannot go to this claim or workload.
    #[error("{address} {reason}")]
    Address {
        /// The address.
        address: IpAddr,
        /// What stands in the way.
        reason: &'static str,
    },
    /// A range cannot be reserved.
    #[error("{range} {reason}")]
    Range {
        /// The range.
        range: AddressRange,
        /// What stands in the way.
        reason: &'static str,
    },
    /// A block is not what the change takes it for.
    #[error("block {block} {reason}")]
    Block {
        /// The block's prefix.
        block: crate::cidr::Cidr,
        /// What stands in the way.
        reason: &'static str,
    },
}

impl Ipam {
    /// Carries out one change. Costs what the operation costs that decided it.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let mut copy = ipam.clone();
    /// let decision = ipam.decide_claim(&Request::new("container-1/eth0"))?;
    /// for change in &decision.changes {
    ///     ipam.apply(change)?;
    ///     copy.apply(change)?;
    /// }
    /// assert_eq!(copy.records(), ipam.records());
    /// // It was decided on another state than this one.
    /// assert!(copy.apply(&decision.changes[0]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the change does not fit the state; the state is then as it was, but for the time that passed.
    pub fn apply(&mut self, change: &Change<'_>) -> Result<(), ApplyError> {
        self.advance(change.at);
        match &change.kind {
            ChangeKind::PoolAdded { pool, spec } => self.apply_pool_added(*pool, spec),
            ChangeKind::PoolDrained { pool, draining } => self.apply_pool_drained(*pool, *draining),
            ChangeKind::PoolGrown { pool, cidr } => self.apply_pool_grown(*pool, *cidr),
            ChangeKind::PoolChanged { pool, spec } => self.apply_pool_changed(*pool, spec),
            ChangeKind::PoolRemoved { pool } => self.apply_pool_removed(*pool),
            ChangeKind::HostSet { host, settings } => self.apply_host_set(host, settings),
            ChangeKind::BlockTaken {
                pool,
                block,
                host,
                state,
                generation,
            } => self.apply_block_taken(*pool, *block, host, *state, *generation),
            ChangeKind::BlockReleased {
                pool,
                block,
                generation,
            } => self.apply_block_released(*pool, *block, *generation),
            ChangeKind::Reserved {
                workload,
                interface,
                ranges,
            } => self.apply_reserved((&**workload, &**interface).into(), ranges),
            ChangeKind::Unreserved {
                workload,
                interface,
                ranges,
            } => self.apply_unreserved((&**workload, &**interface).into(), ranges),
            claimed @ ChangeKind::Claimed { .. } => self.apply_claimed(claimed),
            ChangeKind::Renewed {
                owner,
                sequence,
                until,
            } => self.apply_lease(owner, *sequence, *sequence, *until),
            ChangeKind::Reissued {
                owner,
                sequence,
                next,
                until,
            } => self.apply_lease(owner, *sequence, *next, *until),
            ChangeKind::Released {
                owner, sequence, ..
            } => self.apply_released(owner, *sequence),
            ChangeKind::MoveBegun {
                workload,
                interface,
                from,
                to,
            } => self.apply_move_begun((&**workload, &**interface).into(), from, to),
            ChangeKind::MoveEnded {
                workload,
                interface,
                ..
            } => self.apply_move_ended((&**workload, &**interface).into()),
            ChangeKind::Suspected { owner, sequence } => self.apply_suspected(owner, *sequence),
            ChangeKind::Cleared { owner } => self.apply_cleared(owner),
            ChangeKind::TimesCapped { pool, address } => self.apply_times_capped(*pool, *address),
        }
    }

    /// Carries out changes in their order, stopping at the first that is refused.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let decision = ipam.decide_claim(&Request::new("container-1/eth0"))?;
    /// ipam.apply_all(&decision.changes)?;
    /// assert_eq!(ipam.claim_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ipam::apply`]; the changes before the refused one stand.
    pub fn apply_all(&mut self, changes: &[Change<'_>]) -> Result<(), ApplyError> {
        changes.iter().try_for_each(|change| self.apply(change))
    }
}

pub(super) fn unknown(field: &'static str, name: &str) -> ApplyError {
    ApplyError::Name {
        field,
        name: crate::cidr::shortened(name),
        state: "is unknown",
    }
}
