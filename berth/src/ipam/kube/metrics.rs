//! What a controller counts.

use super::super::counts::{StoreCounts, signed};
use ipam::{Replica, Store};
use ipam_kube::{Counts, Effect, Note};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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

#[derive(Debug, Default)]
pub(super) struct Metrics {
    counts: StoreCounts,
    leads: Gauge,
    pods: Gauge,
    workloads: Gauge,
    queued: Gauge,
    done: Family<Named, Counter>,
    failed: Family<Named, Counter>,
    malformed: Counter,
    refused: Counter,
    watches: Counter,
    elections: Counter,
    store: Counter,
}

impl Metrics {
    /// All of it, for whoever asks.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("berth_ipam");
        let r = &mut registry;
        self.counts.register(r);
        let help = "Operations that the store failed";
        r.register("store_failures", help, self.store.clone());
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
        registry
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
                self.counts.suspects.set(signed(*suspects as u64));
                self.counts.released.inc_by(released.len() as u64);
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
        self.counts.note(replica.ipam(), replica.rejected().len());
        self.leads.set(i64::from(leads));
        self.pods.set(signed(counts.pods as u64));
        self.workloads.set(signed(counts.workloads as u64));
        self.queued.set(signed(counts.queued as u64));
    }

    pub(super) fn totals(&self) -> Totals {
        let done = |name| self.done.get_or_create_owned(&Named { name }).get();
        Totals {
            claims: done("claim"),
            releases: done("release"),
            unreserved: done("unreserve"),
            collected: self.counts.released.get(),
        }
    }
}
