//! Releases and renewals.

use super::{Model, owned};
use crate::claim::RenewError;
use alloc::vec;
use core::time::Duration;

impl Model {
    pub(super) fn release(&mut self, owner: &str, late: bool) {
        let sequence = self.holdings.get(owner).map_or(0, |h| h.sequence);
        let given = if late {
            sequence.wrapping_sub(1)
        } else {
            sequence
        };
        let mut twin = self.ipam.clone();
        let direct = twin.release(self.now, owner, given);
        let decided = self.ipam.decide_release(owner, given).map(owned);
        assert_eq!(direct.as_ref().err(), decided.as_ref().err());
        match decided {
            Ok(change) => {
                assert!(!late, "a late release was accepted");
                self.carry_out(vec![change]);
                assert_eq!(twin.records(), self.ipam.records());
            }
            Err(_) => assert!(
                late || !self.holdings.contains_key(owner),
                "a release was refused"
            ),
        }
    }

    pub(super) fn renew(&mut self, owner: &str, lease: u8) {
        let sequence = self.holdings.get(owner).map_or(0, |h| h.sequence);
        let lease = Some(Duration::from_secs(u64::from(lease)));
        let over = self
            .holdings
            .get(owner)
            .and_then(|h| h.until)
            .is_some_and(|u| u <= self.now);
        match self.ipam.decide_renew(owner, sequence, lease).map(owned) {
            Ok(change) => {
                assert!(!over, "a lease that was over was renewed");
                self.carry_out(vec![change]);
            }
            Err(RenewError::Expired { .. }) => assert!(over),
            Err(_) => assert!(!self.holdings.contains_key(owner)),
        }
    }
}
