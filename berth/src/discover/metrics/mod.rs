//! What a driver counts, and what it complains of.

#[cfg(feature = "xds")]
mod xds;

use crate::service::Complaints;
use discovery_core::{Effect, Engine};
use discovery_probe::{Counted, Counts};
use discovery_proxy::{ProxyError, Synced};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SinkResult {
    sink: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceStatus {
    service: String,
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfService {
    service: String,
}

/// Counters and gauges; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    effects: Family<Kind, Counter>,
    endpoints: Family<ServiceStatus, Gauge>,
    weight: Family<OfService, Gauge>,
    held: Family<OfService, Gauge>,
    drains: Gauge,
    syncs: Family<SinkResult, Counter>,
    saves: Family<Kind, Counter>,
    reads: Family<Kind, Counter>,
    #[cfg(feature = "xds")]
    xds: xds::Servers,
    complaints: Arc<Mutex<HashMap<String, Complaints>>>,
}

/// What probes came to, read when it is asked for.
#[derive(Debug)]
struct Probes(Arc<Counts>);

impl Collector for Probes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Counted {
            passed,
            degraded,
            failed,
            no_resources,
            no_ports,
            late,
            bad_check,
            ..
        } = self.0.now();
        let results = [
            ("passed", passed),
            ("degraded", degraded),
            ("failed", failed),
            ("no_resources", no_resources),
            ("no_ports", no_ports),
            ("late", late),
            ("bad_check", bad_check),
        ];
        let help = "Probes by result; the last four could not be carried out, and say nothing of endpoints";
        let mut family = encoder.encode_descriptor("probes", help, None, MetricType::Counter)?;
        for (kind, count) in results {
            let labels = Kind { kind };
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Metrics {
    /// All of it, for whoever asks.
    pub(super) fn registry(&self, probes: Arc<Counts>) -> Registry {
        let mut registry = Registry::with_prefix("berth_discover");
        let r = &mut registry;
        r.register("effects", "What was decided, by kind", self.effects.clone());
        let help = "Endpoints of each service by status";
        r.register("endpoints", help, self.endpoints.clone());
        let help = "Weight in use of all endpoints of a service, in thousandths";
        r.register("weight_thousandths", help, self.weight.clone());
        let help = "Endpoints that vanished and are held";
        r.register("held", help, self.held.clone());
        let help = "Endpoints that are drained one by one, known now or not";
        r.register("drains", help, self.drains.clone());
        let help = "Attempts to bring a sink in line, by result: unchanged, changed, later, failed";
        r.register("sink_syncs", help, self.syncs.clone());
        r.register(
            "state_saves",
            "Writes of the state: done, failed",
            self.saves.clone(),
        );
        r.register(
            "source_reads",
            "Reads of the source: done, failed",
            self.reads.clone(),
        );
        r.register_collector(Box::new(Probes(probes)));
        #[cfg(feature = "xds")]
        r.register_collector(Box::new(self.xds.clone()));
        registry
    }

    /// One that serves xDS tells what it counts too.
    #[cfg(feature = "xds")]
    pub(super) fn serves_xds(&self, counts: Arc<discovery_proxy::XdsCounts>) {
        self.xds.add(counts);
    }

    pub(super) fn count(&self, effects: &[Effect]) {
        for effect in effects {
            let kind = super::report::kind(effect);
            self.effects.get_or_create_owned(&Kind { kind }).inc();
        }
    }

    /// What is known now.
    pub(super) fn note(&self, engine: &Engine) {
        self.endpoints.clear();
        self.weight.clear();
        self.held.clear();
        for (id, name) in engine.services() {
            let service = name.to_owned();
            let mut weight = 0_i64;
            for registration in engine.registrations(id) {
                let status = registration.status.to_string();
                let service = service.clone();
                let status = ServiceStatus { service, status };
                self.endpoints.get_or_create_owned(&status).inc();
                weight = weight.saturating_add(i64::from(registration.weight));
            }
            let service = OfService { service };
            self.weight.get_or_create_owned(&service).set(weight);
            let held = i64::from(engine.held(id));
            self.held.get_or_create_owned(&service).set(held);
        }
        let drains = i64::try_from(engine.drains().count());
        self.drains.set(drains.unwrap_or(i64::MAX));
    }

    pub(super) fn saved(&self, error: Option<&std::io::Error>) {
        let kind = if error.is_some() { "failed" } else { "done" };
        self.saves.get_or_create_owned(&Kind { kind }).inc();
        match error {
            Some(error) => self.complain("state", &format!("the state is not saved: {error}")),
            None => self.well("state"),
        }
    }

    pub(super) fn read(&self, done: u64, failed: u64) {
        for (kind, count) in [("done", done), ("failed", failed)] {
            self.reads.get_or_create_owned(&Kind { kind }).inc_by(count);
        }
    }

    /// Counts what a proxy's sink reports, and says what is wrong.
    pub(super) fn proxy(&self) -> discovery_proxy::Report {
        let metrics = self.clone();
        Box::new(move |sink, result: &Result<Synced, ProxyError>| {
            let name = match result {
                Ok(Synced::Done { changes: 0 }) => "unchanged",
                Ok(Synced::Done { .. }) => "changed",
                Ok(_) => "later",
                Err(_) => "failed",
            };
            let labels = SinkResult {
                sink: sink.to_owned(),
                result: name,
            };
            metrics.syncs.get_or_create_owned(&labels).inc();
            match result {
                Err(error) => metrics.complain(sink, &format!("{sink}: {error}")),
                Ok(Synced::Done { .. }) => metrics.well(sink),
                Ok(_) => {}
            }
        })
    }

    /// Says what is wrong with something, once.
    pub(super) fn complain(&self, of: &str, why: &str) {
        if let Ok(mut all) = self.complaints.lock() {
            all.entry(of.to_owned()).or_default().say(why);
        }
    }

    /// It is well again: the same complaint is a new one.
    pub(super) fn well(&self, of: &str) {
        if let Ok(mut all) = self.complaints.lock() {
            all.remove(of);
        }
    }
}
