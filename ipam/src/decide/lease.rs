//! Leases: renewal, and what becomes of those that were not renewed.

use super::errors::RenewError;
use crate::change::{Change, ChangeKind, Reason};
use crate::cidr::shortened;
use crate::state::{Ipam, end};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

impl Ipam {
    /// Prolongs a lease to `now` plus `lease`; `None` makes it last until released. The new end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let hour = Duration::from_secs(3600);
    /// let grant = ipam.claim(at(0), &Request::new("container-1/eth0").lease(hour))?;
    /// let until = ipam.renew(at(1800), "container-1/eth0", grant.sequence, Some(hour))?;
    /// assert_eq!(until, Some(at(5400)));
    /// assert!(ipam.renew(at(5401), "container-1/eth0", grant.sequence, Some(hour)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RenewError`]: the owner must stop using its addresses.
    pub fn renew(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
        lease: Option<Duration>,
    ) -> Result<Option<Timestamp>, RenewError> {
        self.advance(now);
        let change = self.decide_renew(owner, sequence, lease)?;
        let applied = self.apply(&change);
        debug_assert_eq!(applied, Ok(()), "{change}");
        match change.kind {
            ChangeKind::Renewed { until, .. } => Ok(until),
            _ => Ok(None),
        }
    }

    /// Decides a renewal and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// let change = ipam.decide_renew("container-1/eth0", grant.sequence, None)?;
    /// ipam.apply(&change)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RenewError`].
    pub fn decide_renew<'a>(
        &self,
        owner: &'a str,
        sequence: u64,
        lease: Option<Duration>,
    ) -> Result<Change<'a>, RenewError> {
        let claim = self.owner(owner).and_then(|id| self.claims.get(id));
        let Some(claim) = claim else {
            return Err(RenewError::Gone {
                owner: shortened(owner),
            });
        };
        if claim.sequence != sequence {
            let current = claim.sequence;
            return Err(RenewError::Fenced {
                owner: shortened(owner),
                given: sequence,
                current,
            });
        }
        if claim.until <= self.now() {
            return Err(RenewError::Expired {
                owner: shortened(owner),
                until: claim.until,
            });
        }
        // Of a clock that is behind, the lease begins no earlier than the one before.
        let begins = self.now().max(claim.touched);
        let until = lease.map(|l| begins.after(l)).and_then(end);
        let owner = Cow::Borrowed(owner);
        Ok(Change::new(
            self.now(),
            ChangeKind::Renewed {
                owner,
                sequence,
                until,
            },
        ))
    }

    /// The releases of every claim whose lease is over, by owner record. Linear in the claims.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").lease(Duration::from_secs(60)))?;
    /// ipam.advance(at(61));
    /// assert_eq!(ipam.decide_expire().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decide_expire(&self) -> Vec<Change<'static>> {
        let over = self.claims.iter().filter(|(_, c)| c.until <= self.now());
        over.map(|(id, claim)| {
            let owner = Cow::Owned(self.claims.owner(id).to_string());
            let kind = ChangeKind::Released {
                owner,
                sequence: claim.sequence,
                reason: Reason::Expired,
            };
            Change::new(self.now(), kind)
        })
        .collect()
    }

    /// Ends every claim whose lease is over; how many.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").lease(Duration::from_secs(60)))?;
    /// assert_eq!(ipam.expire(at(60)), 0);
    /// assert_eq!(ipam.expire(at(61)), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire(&mut self, now: Timestamp) -> usize {
        self.advance(now);
        let changes = self.decide_expire();
        let applied = self.apply_all(&changes);
        debug_assert_eq!(applied, Ok(()));
        changes.len()
    }
}
