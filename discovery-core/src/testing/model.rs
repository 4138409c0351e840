//! A naive engine beside the real one: statuses from whole histories, weights from scratch.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::division::{Seen, shares};
use super::ops::Op;
use super::status::{FALL, RISE, status};
use crate::endpoint::ServiceId;
use crate::health::{CheckKind, HealthCheck, OutlierDetection, ProbeOutcome};
use crate::warm_up::WarmUp;
use crate::{Effect, EndpointSpec, Engine, ServiceConfig, Timestamp};

pub(super) const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "web-1"];

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// What the model remembers of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) spec: EndpointSpec,
    /// Every result that counted, in order.
    pub(super) results: Vec<ProbeOutcome>,
}

/// Changes that count as one change a service's mode once.
fn no_mode_in_between(out: &[Effect]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for effect in out {
        if let Effect::Mode { service, mode } = effect
            && !seen.insert(*service)
        {
            return Err(format!("{service:?} passed through a mode to {mode:?}"));
        }
    }
    Ok(())
}

pub(super) fn answers(spec: &EndpointSpec) -> bool {
    spec.conditions.ready || spec.conditions.serving
}

/// The engine under test and what the model expects of it.
///
/// Services 0 and 1 have no warm-up: their modes and shares are predicted whole. Service 1 is checked: statuses are
/// predicted from histories. Service 2 has everything on, and is held to the engine's own invariants.
#[derive(Clone, Debug)]
pub struct Naive {
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    pub(super) known: BTreeMap<&'static str, Known>,
    /// Names that the operator drained.
    pub(super) drained: BTreeSet<&'static str>,
    pub(super) nodes_drained: [bool; 3],
    pub(super) regions_drained: [bool; 2],
    pub(super) probes: BTreeMap<&'static str, (crate::EndpointId, u32)>,
}

impl Default for Naive {
    fn default() -> Self {
        Self::new()
    }
}

impl Naive {
    /// Three services, nothing in them.
    #[must_use]
    pub fn new() -> Self {
        let mut engine = Engine::new(1);
        let check = HealthCheck::new(CheckKind::Tcp)
            .with_rise(RISE as u8)
            .with_fall(FALL as u8)
            .with_timeout(Duration::from_secs(3600));
        let plain = ServiceConfig::default()
            .with_hold_percent(100)
            .with_panic_percent(40);
        let checked = plain.clone().with_health(check.clone());
        let all = ServiceConfig::default()
            .with_health(
                check
                    .with_flap_damping(3)
                    .with_jitter_percent(20)
                    .with_timeout(Duration::from_secs(1)),
            )
            .with_outlier_detection(OutlierDetection::default().with_max_ejection_percent(50))
            .with_warm_up(WarmUp::Envoy {
                window: Duration::from_secs(60),
                aggression: 1.5,
                least_percent: 5,
            });
        for (name, config) in [("plain", plain), ("checked", checked), ("all", all)] {
            let _ = engine.service(name, config);
        }
        for name in ["n0", "n1", "n2"] {
            let _ = engine.node(name);
        }
        for name in ["c0", "c1"] {
            let _ = engine.region(name);
        }
        let _ = engine.zone("z");
        Self {
            engine,
            now: Timestamp::from_secs(1_000),
            known: BTreeMap::new(),
            drained: BTreeSet::new(),
            nodes_drained: [false; 3],
            regions_drained: [false; 2],
            probes: BTreeMap::new(),
        }
    }

    /// The engine under test.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The model's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Answers every probe that is under way: all are well.
    pub fn answer_all(&mut self) {
        // Answers may ask for the next probe at once.
        for _ in 0..4 {
            for name in 0..NAMES.len() as u8 {
                let (outcome, late) = (ProbeOutcome::Pass, false);
                let op = Op::Answer {
                    name,
                    outcome,
                    late,
                };
                let _ = self.apply(&op);
            }
        }
        let _ = self.apply(&Op::Wait { ms: 0 });
    }

    /// Carries one operation out on both and compares them.
    ///
    /// # Errors
    /// Where they differ, or an invariant that is broken.
    pub fn apply(&mut self, op: &Op) -> Result<(), String> {
        let before = self.engine.clone();
        let (input_ok, out) = self.carry_out(op)?;
        self.drop_held(&before);
        if !input_ok
            && !matches!(op, Op::Restart)
            && format!("{before:?}") != format!("{:?}", self.engine)
        {
            return Err("a refused input left a trace".into());
        }
        if matches!(
            op,
            Op::Snapshot { .. } | Op::Confirm { .. } | Op::Drain { .. }
        ) {
            no_mode_in_between(&out)?;
        }
        for effect in &out {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let went = |e: &Effect| matches!(e, Effect::Deregister { endpoint: id, .. } if id == endpoint);
                let Some(probed) = self.engine.endpoint(*endpoint) else {
                    if out.iter().any(went) {
                        continue;
                    }
                    return Err("a probe of nobody".into());
                };
                let name = probed.name;
                let name = NAMES
                    .iter()
                    .find(|n| **n == name)
                    .ok_or("a probe of a stranger")?;
                self.probes.insert(name, (*endpoint, *attempt));
            }
        }
        self.engine.check_invariants()?;
        self.compare()
    }

    fn leaving(&self, k: &Known) -> bool {
        k.spec.conditions.terminating
            || self.nodes_drained[k.spec.node.index()]
            || self.regions_drained[k.spec.region.index()]
    }

    /// Statuses of service 1, and modes and shares of services 0 and 1, against the model's.
    fn compare(&self) -> Result<(), String> {
        for (name, known) in self.of(ServiceId(1)) {
            let got = self
                .engine
                .find(name)
                .and_then(|id| self.engine.endpoint(id));
            let got = got.ok_or(format!("{name} is gone"))?.status;
            let want = status(&known.results);
            // A probe asked for before a restart or a pause is answered in vain: fewer results count.
            if got != want && self.counted(name) {
                return Err(format!("{name} is {got:?}, by its results {want:?}"));
            }
        }
        self.compare_shares(ServiceId(0))?;
        self.compare_shares(ServiceId(1))
    }

    fn of(&self, service: ServiceId) -> impl Iterator<Item = (&'static str, &Known)> {
        let mine = self
            .known
            .iter()
            .filter(move |(_, k)| k.spec.service == service);
        mine.map(|(name, known)| (*name, known))
    }

    fn compare_shares(&self, service: ServiceId) -> Result<(), String> {
        let (mut seen, mut weights) = (Vec::new(), Vec::new());
        for (name, known) in self.of(service) {
            let id = self.engine.find(name).ok_or(format!("{name} is gone"))?;
            let endpoint = self.engine.endpoint(id).ok_or(format!("{name} is gone"))?;
            let c = known.spec.conditions;
            seen.push(Seen {
                region: known.spec.region.index(),
                weight: f64::from(known.spec.base_weight),
                ready: c.ready,
                leaving: self.leaving(known),
                serving: c.serving,
                drained: self.drained.contains(name),
                status: endpoint.status,
            });
            weights.push(f64::from(endpoint.weight));
        }
        let (mode, wanted) = shares(&seen, 0.4);
        if self.engine.mode(service) != mode {
            let got = self.engine.mode(service);
            return Err(format!("{service:?} is {got:?}, not {mode:?}: {seen:?}"));
        }
        let sum: f64 = weights.iter().sum::<f64>().max(1.0);
        for (i, (weight, want)) in weights.iter().zip(&wanted).enumerate() {
            // Parts are rounded to 1 in 64, and no weight below 1 in a thousand to 0.
            let far = (weight / sum - want).abs() > want * 0.03 + 1e-3;
            if far || (*weight > 0.0) != (*want > 0.0) {
                return Err(format!("{weights:?}, not {wanted:?}: {:?}", seen.get(i)));
            }
        }
        Ok(())
    }

    fn counted(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|k| !k.results.is_empty())
    }
}
