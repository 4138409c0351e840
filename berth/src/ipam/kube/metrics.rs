//! What a controller counts.

use super::super::serve::Text;
use ipam::{Replica, Store};
use ipam_kube::{Counts, Effect, Note};
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
struct Named {
    name: &'static str,
}

/// Counted since the service began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    pub(super) claims: u64,
    pub(super) releases: u64,
    pub(super) unreserved: u64,
    pub(super) collected: u64,
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    addresses: Family<PoolState, Gauge>,
    damaged: Gauge,
    leads: Gauge,
    pods: Gauge,
    workloads: Gauge,
    queued: Gauge,
    suspects: Gauge,
    done: Family<Named, Counter>,
    failed: Family<Named, Counter>,
    collected: Counter,
    malformed: Counter,
    refused: Counter,
    watches: Counter,
    elections: Counter,
    store: Counter,
    seen: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("berth_ipam"),
            addresses: Family::default(),
            damaged: Gauge::default(),
            leads: Gauge::default(),
            pods: Gauge::default(),
            workloads: Gauge::default(),
            queued: Gauge::default(),
            suspects: Gauge::default(),
            done: Family::default(),
            failed: Family::default(),
            collected: Counter::default(),
            malformed: Counter::default(),
            refused: Counter::default(),
            watches: Counter::default(),
            elections: Counter::default(),
            store: Counter::default(),
            seen: Gauge::default(),
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
        let help = "Stored records that do not fit and wait for fsck --repair";
        r.register("damaged_records", help, self.damaged.clone());
        let help = "Claims whose owners were missing in the last pass";
        r.register("suspects", help, self.suspects.clone());
        let help = "Claims released by collection";
        r.register("released", help, self.collected.clone());
        let help = "Operations that the store failed";
        r.register("store_failures", help, self.store.clone());
        let help = "Unix time when something was last done";
        r.register_with_unit("store_seen", help, Unit::Seconds, self.seen.clone());
        let help = "Whether this process leads";
        r.register("kube_leads", help, self.leads.clone());
        r.register("kube_pods", "Pods that are known", self.pods.clone());
        let help = "Workloads that are known";
        r.register("kube_workloads", help, self.workloads.clone());
        let help = "Pods and passes that wait to be looked at";
        r.register("kube_queued", help, self.queued.clone());
        let help = "What was done: claim, annotate, release, unreserve, collect";
        r.register("kube_effects", help, self.done.clone());
        let help = "What failed and is tried again";
        r.register("kube_effect_failures", help, self.failed.clone());
        let help = "Objects that could not be read";
        r.register("kube_malformed", help, self.malformed.clone());
        let help = "Pods that ask for what cannot be";
        r.register("kube_refused", help, self.refused.clone());
        let help = "Lists and watches that failed";
        r.register("kube_watch_failures", help, self.watches.clone());
        let help = "Reads and writes of the leader's lease that failed";
        r.register("kube_election_failures", help, self.elections.clone());
    }

    /// Counts what happened.
    pub(super) fn count(&self, note: &Note) {
        let of = |family: &Family<Named, Counter>, effect: &Effect| {
            let name = effect.name();
            family.get_or_create_owned(&Named { name }).inc();
        };
        match note {
            Note::Done(effect) => of(&self.done, effect),
            Note::Failed(effect, _) => of(&self.failed, effect),
            Note::Collected {
                suspects, released, ..
            } => {
                self.suspects.set(signed(*suspects));
                self.collected.inc_by(released.len() as u64);
            }
            Note::Malformed(_) => drop(self.malformed.inc()),
            Note::Refused(..) => drop(self.refused.inc()),
            Note::Watch(_) => drop(self.watches.inc()),
            Note::Election(_) => drop(self.elections.inc()),
            Note::Store(_) => drop(self.store.inc()),
            _ => {}
        }
    }

    /// What is known now.
    pub(super) fn note(&self, replica: &Replica<Box<dyn Store>>, counts: Counts, leads: bool) {
        // A pool that is gone is told of no longer.
        self.addresses.clear();
        for pool in replica.ipam().pools() {
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
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        self.damaged.set(signed(replica.rejected().len()));
        self.leads.set(i64::from(leads));
        self.pods.set(signed(counts.pods));
        self.workloads.set(signed(counts.workloads));
        self.queued.set(signed(counts.queued));
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seen = i64::try_from(since.unwrap_or_default().as_secs());
        self.seen.set(seen.unwrap_or(i64::MAX));
    }

    pub(super) fn totals(&self) -> Totals {
        let done = |name| self.done.get_or_create_owned(&Named { name }).get();
        Totals {
            claims: done("claim"),
            releases: done("release"),
            unreserved: done("unreserve"),
            collected: self.collected.get(),
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

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
