//! What a service counts.

use super::http::Text;
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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// A call of an engine's and what became of it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EngineCall {
    kind: &'static str,
    result: &'static str,
}

/// Counted since the service began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    pub(super) renewed: u64,
    pub(super) refused: u64,
    pub(super) released: u64,
    pub(super) blocks: u64,
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    addresses: Family<PoolState, Gauge>,
    claims: Gauge,
    damaged: Gauge,
    pub(super) suspects: Gauge,
    pub(super) renewed: Counter,
    pub(super) refused: Counter,
    pub(super) released: Counter,
    pub(super) blocks: Counter,
    failures: Family<Operation, Counter>,
    contended: Family<Operation, Counter>,
    seen: Gauge,
    docker: Family<EngineCall, Counter>,
    pub(super) adopted: Counter,
    pub(super) conflicts: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("berth_ipam"),
            addresses: Family::default(),
            claims: Gauge::default(),
            damaged: Gauge::default(),
            suspects: Gauge::default(),
            renewed: Counter::default(),
            refused: Counter::default(),
            released: Counter::default(),
            blocks: Counter::default(),
            failures: Family::default(),
            contended: Family::default(),
            seen: Gauge::default(),
            docker: Family::default(),
            adopted: Counter::default(),
            conflicts: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        let help = "Addresses of each pool: held, reserved, quarantined, free";
        r.register("addresses", help, self.addresses.clone());
        r.register("host_claims", "Claims of this host", self.claims.clone());
        let help = "Stored records that do not fit and wait for fsck --repair";
        r.register("damaged_records", help, self.damaged.clone());
        let help = "Claims whose owners were missing in the last pass";
        r.register("suspects", help, self.suspects.clone());
        r.register("renewals", "Leases renewed", self.renewed.clone());
        let help = "Leases that were lost: their owners must stop using the addresses";
        r.register("leases_lost", help, self.refused.clone());
        let help = "Claims released by collection";
        r.register("released", help, self.released.clone());
        let help = "Empty blocks given up or taken from hosts";
        r.register("blocks_given_up", help, self.blocks.clone());
        let help = "Operations that the store failed";
        r.register("store_failures", help, self.failures.clone());
        let help = "Operations that gave way to others in every attempt";
        r.register("contended", help, self.contended.clone());
        let help = "Unix time when the store last answered";
        r.register_with_unit("store_seen", help, Unit::Seconds, self.seen.clone());
        let help = "Calls of a Docker engine by kind and result: done, bad, refused, failed";
        r.register("docker_requests", help, self.docker.clone());
        let help = "Addresses that a Docker engine used and the store did not know";
        r.register("docker_adopted", help, self.adopted.clone());
        let help = "Addresses that a Docker engine uses and cannot be claimed for it";
        r.register("docker_conflicts", help, self.conflicts.clone());
    }

    pub(super) fn docker(&self, kind: &'static str, result: &'static str) {
        let call = EngineCall { kind, result };
        self.docker.get_or_create_owned(&call).inc();
    }

    /// The store answered, and this is the state.
    pub(super) fn note(&self, ipam: &Ipam, host: &str, damaged: usize) {
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
                let gauge = self
                    .addresses
                    .get_or_create_owned(&PoolState { pool, state });
                gauge.set(signed(count));
            }
        }
        self.claims
            .set(signed(ipam.claims_of_host(host).count() as u64));
        self.damaged.set(signed(damaged as u64));
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seen.set(signed(since.unwrap_or_default().as_secs()));
    }

    pub(super) fn failed(&self, operation: &'static str) {
        self.failures
            .get_or_create_owned(&Operation { operation })
            .inc();
    }

    pub(super) fn was_contended(&self, operation: &'static str) {
        self.contended
            .get_or_create_owned(&Operation { operation })
            .inc();
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            renewed: self.renewed.get(),
            refused: self.refused.get(),
            released: self.released.get(),
            blocks: self.blocks.get(),
        }
    }
}

impl Text for Metrics {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
