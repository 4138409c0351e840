//! One pass of collection: leases that are over, owners that are gone, blocks that nobody needs.

use crate::change::{Change, ChangeKind};
use crate::cidr::Cidr;
use crate::pool::PoolId;
use crate::state::Ipam;
use crate::store::RejectedRecord;
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

/// Who lives, for one pass of collection.
///
/// ```
/// use ipam::{Timestamp, collect::Census};
/// use std::collections::HashSet;
/// use std::time::Duration;
///
/// let began = Timestamp::from_secs(99);
/// let alive = HashSet::from(["container-1/eth0"]); // listed from then on
/// let lives = |owner: &str| alive.contains(owner);
/// let census = Census { began, grace: Duration::from_secs(900), lives: &lives };
/// assert!((census.lives)("container-1/eth0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Census<'a> {
    /// When the list of the living was begun: who claimed since is not on it, and is left alone.
    pub began: Timestamp,
    /// How long an owner must have been missing.
    pub grace: Duration,
    /// Whether an owner lives.
    pub lives: &'a dyn Fn(&str) -> bool,
}

impl fmt::Debug for Census<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Census")
            .field("began", &self.began)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// What one pass of collection comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collection {
    /// Owners that are missing, and will be released if they are in a pass a grace period later.
    pub suspects: Vec<String>,
    /// Owners whose claims end: first those whose leases are over, then those that are gone.
    pub released: Vec<String>,
    /// How many blocks are given up.
    pub blocks: usize,
    /// The changes that carry it out, in order.
    pub changes: Vec<Change<'static>>,
}

impl Ipam {
    /// Decides one pass of collection and alters nothing: ends claims whose leases are over, suspects or releases owners
    /// that the census lacks ([`Ipam::decide_reconcile`]; without a census nobody is missing), and gives up blocks that
    /// nobody needs. What a rejected record stands in the way of waits until that is repaired. Linear in the claims.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp, collect::Census};
    /// use std::time::Duration;
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.0.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("leased").lease(Duration::from_secs(60)))?;
    /// ipam.claim(at(1), &Request::new("gone"))?;
    /// ipam.advance(at(100));
    /// let census = Census { began: at(99), grace: Duration::from_secs(900), lives: &|owner| owner == "leased" };
    /// let pass = ipam.decide_collection(&[], Some(census));
    /// assert_eq!((pass.released, pass.suspects), (vec!["leased".into()], vec!["gone".into()]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decide_collection(
        &self,
        rejected: &[RejectedRecord],
        census: Option<Census<'_>>,
    ) -> Collection {
        let free = |c: &Change<'_>| self.barred_by(rejected, c).is_none();
        let mut changes = self.decide_expire();
        changes.retain(free);
        let mut released: Vec<String> = changes.iter().filter_map(owner_of).collect();
        let mut suspects = Vec::new();
        if let Some(census) = census {
            let over: BTreeSet<String> = released.iter().cloned().collect();
            let lives = |owner: &str| (census.lives)(owner) || over.contains(owner);
            let pass = self.decide_reconcile(census.began, census.grace, lives);
            let begun = |c: &Change<'_>| owner_of(c).is_none_or(|o| !over.contains(&o));
            let gone = pass.changes.into_iter().filter(|c| begun(c) && free(c));
            let gone: Vec<Change<'static>> = gone.collect();
            let collected: BTreeSet<String> = gone.iter().filter_map(released_of).collect();
            released.extend(collected);
            changes.extend(gone);
            suspects = pass.suspects;
        }
        let mut tidy = self.decide_tidy_blocks();
        tidy.retain(free);
        let given_up = |c: &&Change<'_>| matches!(c.kind, ChangeKind::BlockReleased { .. });
        let blocks = tidy.iter().filter(given_up).count();
        changes.extend(tidy);
        Collection {
            suspects,
            released,
            blocks,
            changes,
        }
    }

    /// [`Ipam::decide_collection`] of one host: leases that are over, its own owners that the census lacks, and blocks of its own that it
    /// does not need. Of the state only some of its blocks, by pool and first address, and what holds addresses there need be known; of
    /// each pool it has as many blocks as `have` says.
    pub(crate) fn decide_host_collection(
        &self,
        host: &str,
        within: &[(PoolId, IpAddr)],
        have: &BTreeMap<PoolId, usize>,
        census: Option<Census<'_>>,
    ) -> Collection {
        let id = self.host(host);
        // Who holds what else there is need not be known as well.
        let told = |owner: &str| {
            let claim = self.owner(owner);
            let places = claim.into_iter().flat_map(|claim| self.places_of(claim));
            places
                .filter_map(|place| self.block_of_place(place.pool, place.address))
                .any(|block| within.contains(&block))
        };
        let own = |owner: &str| {
            let claim = self.owner(owner).and_then(|claim| self.claims.get(claim));
            claim.is_some_and(|claim| Some(claim.host) == id) && told(owner)
        };
        let mut pass = Collection {
            changes: self.decide_expire(),
            ..Collection::default()
        };
        pass.changes
            .retain(|change| owner_of(change).is_some_and(|owner| told(&owner)));
        let over: BTreeSet<String> = pass.changes.iter().filter_map(owner_of).collect();
        if let Some(census) = census {
            let lives = |owner: &str| (census.lives)(owner) || over.contains(owner) || !own(owner);
            let missing = self.decide_reconcile(census.began, census.grace, lives);
            let changes = missing.changes.into_iter();
            let of_own =
                |c: &Change<'_>| owner_of(c).is_some_and(|o| own(&o) && !over.contains(&o));
            pass.changes.extend(changes.filter(of_own));
            pass.suspects = missing.suspects;
        }
        pass.released = pass.changes.iter().filter_map(released_of).collect();
        if let Some(id) = id {
            let claims = pass.changes.len();
            for (pool, blocks) in self.pools.iter() {
                let have = have.get(&pool).copied().unwrap_or(0);
                self.tidy_host((pool, blocks), id, have, &mut pass.changes);
            }
            let tidy = pass.changes.get(claims..).unwrap_or_default();
            let given_up = |c: &&Change<'_>| matches!(c.kind, ChangeKind::BlockReleased { .. });
            pass.blocks = tidy.iter().filter(given_up).count();
        }
        pass
    }

    fn block_of_place(&self, id: PoolId, address: IpAddr) -> Option<(PoolId, IpAddr)> {
        let size = self.pools.get(id.0)?.spec().block_size;
        let block = Cidr::containing(address, size).ok()?;
        Some((id, block.first()))
    }
}

/// The owner whose claim a change ends.
fn released_of(change: &Change<'_>) -> Option<String> {
    match &change.kind {
        ChangeKind::Released { owner, .. } => Some(owner.to_string()),
        _ => None,
    }
}

/// The owner that a change is about.
fn owner_of(change: &Change<'_>) -> Option<String> {
    match &change.kind {
        ChangeKind::Released { owner, .. }
        | ChangeKind::Cleared { owner }
        | ChangeKind::Suspected { owner, .. } => Some(owner.to_string()),
        _ => None,
    }
}
