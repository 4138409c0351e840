//! What a service takes for now.

use super::super::stores::{Time, clock};
use ipam::store::{Sent, StoreClock, StoreError};
use ipam::{Store, Timestamp};
use std::time::Instant;

/// What the monotonic clock shows when a service begins: long after any claim that it finds was made, 136 years.
const BEGIN: Timestamp = Timestamp::from_secs(u32::MAX as u64);

/// The clocks of a service.
#[derive(Debug)]
pub(in crate::ipam) struct Clock {
    /// The store's own, where hosts share it: this service is one of those that write down how far it has come.
    shared: Option<StoreClock>,
    start: Instant,
}

impl Clock {
    pub(in crate::ipam) fn new(time: Time) -> Self {
        let shared = match time {
            Time::Machine => None,
            Time::Shared => Some(StoreClock::default()),
        };
        let start = Instant::now();
        Self { shared, start }
    }

    /// The monotonic clock.
    pub(in crate::ipam) fn monotonic(&self) -> Timestamp {
        BEGIN.after(self.start.elapsed())
    }

    /// Now, for a request that is sent at once. No message where the store's time was looked at a moment ago.
    pub(in crate::ipam) async fn tick(
        &mut self,
        store: &mut Box<dyn Store>,
    ) -> Result<Sent, StoreError> {
        let start = self.start;
        let monotonic = || BEGIN.after(start.elapsed());
        let begun = monotonic();
        let store = match &mut self.shared {
            Some(shared) => shared.serve(store, clock(), monotonic).await?,
            None => clock(),
        };
        Ok(Sent {
            store,
            monotonic: begun,
        })
    }
}
