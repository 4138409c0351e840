//! Stopwatches: leases that nobody prolongs, of which etcd tells how long they still last.

use super::EtcdStore;
use crate::failure::Failure;
use crate::proto::{
    Headed as _, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, path, signed, unsigned,
};
use ipam::store::{Elapsed, Started, StoreError};
use std::time::Duration;

/// Seconds for which such a lease is granted: ten years, far longer than any is counted by. One that a crash leaves behind ends then.
const LASTS: i64 = 10 * 365 * 24 * 3600;

impl EtcdStore {
    pub(super) async fn start(&mut self) -> Result<Started, StoreError> {
        let request = LeaseGrantRequest { ttl: LASTS, id: 0 };
        let granted: LeaseGrantResponse = self.client.write(path::LEASE_GRANT, &request).await?;
        match unsigned(granted.id) {
            0 => Err(self.client.odd("a lease without a number").into()),
            stopwatch => Ok(Started {
                stopwatch,
                term: granted.term(),
            }),
        }
    }

    /// The leader counts, by its own monotonic clock, and a member that does not lead asks it. A lease never ends early: whoever becomes
    /// leader gives each as long as it was granted for, or as long as was left at the last checkpoint.
    pub(super) async fn elapsed(&mut self, stopwatch: u64) -> Result<Option<Elapsed>, StoreError> {
        let request = LeaseTimeToLiveRequest {
            id: signed(stopwatch),
        };
        let answer: LeaseTimeToLiveResponse =
            self.client.read(path::LEASE_TIME_TO_LIVE, &request).await?;
        Ok(passed(answer.granted_ttl, answer.ttl).map(|time| Elapsed {
            time,
            term: answer.term(),
        }))
    }

    pub(super) async fn stop(&mut self, stopwatch: u64) -> Result<(), StoreError> {
        let request = LeaseRevokeRequest {
            id: signed(stopwatch),
        };
        let answer: Result<LeaseRevokeResponse, Failure> =
            self.client.write(path::LEASE_REVOKE, &request).await;
        match answer {
            Err(failure) if failure.is_no_lease() => Ok(()),
            answer => answer.map(drop).map_err(Into::into),
        }
    }
}

/// How long ago a lease was granted, or less, of which that many seconds are left; none of one that has ended.
fn passed(granted: i64, left: i64) -> Option<Duration> {
    if left < 0 {
        return None;
    }
    // What is left was rounded down.
    let passed = granted.saturating_sub(left).saturating_sub(1);
    Some(Duration::from_secs(unsigned(passed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_shown_than_has_passed() {
        let secs = |granted, left| passed(granted, left).map(|time| time.as_secs());
        // Half a second after the grant one second less is left, rounded down.
        assert_eq!(secs(100, 99), Some(0));
        assert_eq!(secs(100, 98), Some(1));
        // A new leader has prolonged it.
        assert_eq!(secs(100, 101), Some(0));
        assert_eq!(secs(100, i64::MAX), Some(0));
        assert_eq!(secs(100, 0), Some(99));
        assert_eq!(secs(100, -1), None);
        assert_eq!(secs(0, -1), None);
    }
}
