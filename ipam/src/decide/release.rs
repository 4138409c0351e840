//! Giving back, guarded by owner and sequence.

use super::errors::ReleaseError;
use crate::change::{Change, Reason, What};
use crate::cidr::shortened;
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
        self.advance(now);
        let change = self.decide_release(owner, sequence)?;
        let applied = self.apply(&change);
        debug_assert_eq!(applied, Ok(()), "{change}");
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
        let claim = self.owner(owner).and_then(|id| self.claims.get(id));
        let Some(claim) = claim else {
            return Err(ReleaseError::Unknown {
                owner: shortened(owner),
            });
        };
        if claim.sequence != sequence {
            let current = claim.sequence;
            return Err(ReleaseError::Stale {
                owner: shortened(owner),
                given: sequence,
                current,
            });
        }
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
}
