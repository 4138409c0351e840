//! Giving back, guarded by owner and sequence.

use super::errors::ReleaseError;
use crate::change::{Change, Reason, What};
use crate::cidr::shortened;
use crate::index::tag;
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::borrow::Cow;

impl Ipam {
    /// Decides a release and carries it out. What becomes of the addresses is the retention's matter:
    /// they rest, or stay with the workload.
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
            self.now,
            What::Released {
                owner,
                sequence,
                reason,
            },
        ))
    }

    /// The claim that a release may end: the owner's, of this very sequence.
    fn releasable(&self, tag: u32, owner: &str, sequence: u64) -> Result<u32, ReleaseError> {
        let id = self.owner_at(tag, owner);
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
