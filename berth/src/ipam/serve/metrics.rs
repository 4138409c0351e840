//! What a service counts.

use super::super::counts::{StoreCounts, signed};
use ipam::Ipam;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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

#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) store: StoreCounts,
    claims: Gauge,
    pub(super) renewed: Counter,
    pub(super) refused: Counter,
    pub(super) blocks: Counter,
    failures: Family<Operation, Counter>,
    contended: Family<Operation, Counter>,
    docker: Family<EngineCall, Counter>,
    pub(super) adopted: Counter,
    pub(super) conflicts: Gauge,
}

impl Metrics {
    /// All of it, for whoever asks.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("berth_ipam");
        let r = &mut registry;
        self.store.register(r);
        r.register("host_claims", "Claims of this host", self.claims.clone());
        r.register("renewals", "Leases renewed", self.renewed.clone());
        let help = "Leases that were lost: their owners must stop using the addresses";
        r.register("leases_lost", help, self.refused.clone());
        let help = "Empty blocks given up or taken from hosts";
        r.register("blocks_given_up", help, self.blocks.clone());
        let help = "Operations that the store failed";
        r.register("store_failures", help, self.failures.clone());
        let help = "Operations that gave way to others in every attempt";
        r.register("contended", help, self.contended.clone());
        let help = "Calls of a Docker engine by kind and result: done, bad, refused, failed";
        r.register("docker_requests", help, self.docker.clone());
        let help = "Addresses that a Docker engine used and the store did not know";
        r.register("docker_adopted", help, self.adopted.clone());
        let help = "Addresses that a Docker engine uses and cannot be claimed for it";
        r.register("docker_conflicts", help, self.conflicts.clone());
        registry
    }

    pub(super) fn docker(&self, kind: &'static str, result: &'static str) {
        let call = EngineCall { kind, result };
        self.docker.get_or_create_owned(&call).inc();
    }

    /// The store answered, and this is the state.
    pub(super) fn note(&self, ipam: &Ipam, host: &str, damaged: usize) {
        self.store.note(ipam, damaged);
        let claims = ipam.claims_of_host(host).count();
        self.claims.set(signed(claims as u64));
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
            released: self.store.released.get(),
            blocks: self.blocks.get(),
        }
    }
}
