//! Giving back, guarded by owner and sequence.

use super::errors::ReleaseError;
use crate::change::{Change, ChangeKind, Reason};
use crate::cidr::shortened;
use crate::index::tag;
use crate::state::{Claim, Ipam};
use crate::time::Timestamp;
use alloc::borrow::Cow;

impl Ipam {
    /// Decides a release and carries it out. What becomes of the addresses is the retention's matter:
    /// they go into quarantine, or stay with the workload.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let first = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// ipam.release(at(2), "container-1/eth0", first.sequence)?;
    /// let second = ipam.claim(at(3), &Request::new("container-1/eth0"))?;
    /// // A release that comes late frees nothing.
    /// assert!(ipam.release(at(4), "container-1/eth0", first.sequence).is_err());
    /// assert_eq!(ipam.claim_of("container-1/eth0").map(|c| c.sequence()), Some(second.sequence));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReleaseError`]: a late release frees nothing.
    pub fn release(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
    ) -> Result<(), ReleaseError> {
        let tag = tag(self.hashed(owner));
        self.advance(now);
        let id = self.releasable(tag, owner, sequence)?;
        // What applying the decided change does.
        self.end_claim(id, tag);
        Ok(())
    }

    /// Decides a release and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// let change = ipam.decide_release("container-1/eth0", grant.sequence)?;
    /// ipam.apply(&change)?;
    /// assert_eq!(ipam.claim_count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReleaseError`].
    pub fn decide_release<'a>(
        &self,
        owner: &'a str,
        sequence: u64,
    ) -> Result<Change<'a>, ReleaseError> {
        self.releasable(tag(self.hashed(owner)), owner, sequence)?;
        let (owner, reason) = (Cow::Borrowed(owner), Reason::Released);
        Ok(Change::new(
            self.now(),
            ChangeKind::Released {
                owner,
                sequence,
                reason,
            },
        ))
    }

    /// Prefetches what the end of a claim will touch.
    #[inline]
    fn prefetch_end(&self, claim: &Claim) {
        self.workloads.prefetch(claim.workload);
        self.workloads.prefetch_tag(claim.workload_tag);
        for (_, spot) in claim.spots.iter() {
            if let Some(pool) = self.pools.get(spot.pool) {
                pool.prefetch(spot.slot);
            }
        }
    }

    /// The claim that a release may end: the owner's, of this very sequence.
    fn releasable(&self, tag: u32, owner: &str, sequence: u64) -> Result<u32, ReleaseError> {
        let id = self.claims.find_by(tag, |id| {
            self.claims.prefetch_owner(id);
            // A workload that came with the claim has the same number.
            self.workloads.prefetch(id);
            self.claims.get(id).is_some_and(|claim| {
                self.prefetch_end(claim);
                self.claims.is(id, owner)
            })
        });
        let found = id.and_then(|id| Some((id, self.claims.get(id)?)));
        let Some((id, claim)) = found else {
            return Err(ReleaseError::Unknown {
                owner: shortened(owner),
            });
        };
        if claim.sequence != sequence {
            return Err(ReleaseError::Stale {
                owner: shortened(owner),
                given: sequence,
                current: claim.sequence,
            });
        }
        Ok(id)
    }
}
