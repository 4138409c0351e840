//! What every service of a store counts of it.

use ipam::Ipam;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::time::{SystemTime, UNIX_EPOCH};

/// A pool and what its addresses are.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PoolState {
    pool: String,
    state: &'static str,
}

#[derive(Clone, Debug, Default)]
pub(super) struct StoreCounts {
    addresses: Family<PoolState, Gauge>,
    damaged: Gauge,
    pub(super) suspects: Gauge,
    pub(super) released: Counter,
    seen: Gauge,
}

impl StoreCounts {
    pub(super) fn register(&self, r: &mut Registry) {
        let help = "Addresses of each pool: held, reserved, quarantined, free";
        r.register("addresses", help, self.addresses.clone());
        let help = "Stored records that do not fit and wait for fsck --repair";
        r.register("damaged_records", help, self.damaged.clone());
        let help = "Claims whose owners were missing in the last pass";
        r.register("suspects", help, self.suspects.clone());
        let help = "Claims released by collection";
        r.register("released", help, self.released.clone());
        let help = "Unix time when the store last answered";
        r.register_with_unit("store_seen", help, Unit::Seconds, self.seen.clone());
    }

    /// The store answered, and this is the state.
    pub(super) fn note(&self, ipam: &Ipam, damaged: usize) {
        // A pool that is gone is told of no longer.
        self.addresses.clear();
        for pool in ipam.pools() {
            let usage = pool.usage();
            let states = [
                ("held", u64::from(usage.held)),
                ("reserved", u64::from(usage.reserved)),
                ("quarantined", u64::from(usage.quarantined)),
                ("free", usage.free),
            ];
            for (state, count) in states {
                let pool = pool.spec().name.to_string();
                let addresses = PoolState { pool, state };
                let gauge = self.addresses.get_or_create_owned(&addresses);
                gauge.set(signed(count));
            }
        }
        self.damaged.set(signed(damaged as u64));
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seen.set(signed(since.unwrap_or_default().as_secs()));
    }
}

/// A count as gauges hold it.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
