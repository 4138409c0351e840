//! A naive engine beside the real one: statuses from whole histories, weights from scratch.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::division::{Seen, shares};
use super::ops::Op;
use super::status::{FALL, RISE, status};
use crate::{
    CentreId, CheckKind, Effect, EndpointSpec, Engine, HealthCheck, Input, InputError, NodeId,
    Outliers, ProbeOutcome, ServiceConfig, ServiceId, Target, Timestamp, WarmUp, Warmth, ZoneId,
};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "web-1"];

const DAY: Duration = Duration::from_secs(86_400);

/// What the model remembers of an endpoint.
#[derive(Clone, Debug)]
struct Known {
    spec: EndpointSpec,
    /// Every result that counted, in order.
    results: Vec<ProbeOutcome>,
}

fn answers(spec: &EndpointSpec) -> bool {
    spec.conditions.ready || spec.conditions.serving
}

/// The engine under test and what the model expects of it.
///
/// Services 0 and 1 have no warm-up: their modes and shares are predicted whole. Service 1 is checked: statuses are
/// predicted from histories. Service 2 has everything on, and is held to the engine's own invariants.
#[derive(Clone, Debug)]
pub struct Naive {
    engine: Engine,
    now: Timestamp,
    known: BTreeMap<&'static str, Known>,
    /// Names that the operator drained.
    drained: BTreeSet<&'static str>,
    nodes_drained: [bool; 3],
    centres_drained: [bool; 2],
    probes: BTreeMap<&'static str, (crate::EndpointId, u32)>,
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
        let check = HealthCheck {
            rise: RISE as u8,
            fall: FALL as u8,
            timeout: Duration::from_secs(3600),
            ..HealthCheck::new(CheckKind::Tcp)
        };
        let plain = ServiceConfig {
            hold_percent: 100,
            panic_percent: 40,
            ..ServiceConfig::default()
        };
        let checked = ServiceConfig {
            health: Some(check.clone()),
            ..plain.clone()
        };
        let all = ServiceConfig {
            health: Some(HealthCheck {
                damping: 3,
                jitter_percent: 20,
                timeout: Duration::from_secs(1),
                ..check
            }),
            outliers: Some(Outliers {
                max_ejection_percent: 50,
                ..Outliers::default()
            }),
            warm_up: WarmUp::Envoy {
                window: Duration::from_secs(60),
                aggression: 1.5,
                least_percent: 5,
            },
            ..ServiceConfig::default()
        };
        for (name, config) in [("plain", plain), ("checked", checked), ("all", all)] {
            let _ = engine.service(name, config);
        }
        for name in ["n0", "n1", "n2"] {
            let _ = engine.node(name);
        }
        for name in ["c0", "c1"] {
            let _ = engine.centre(name);
        }
        let _ = engine.zone("z");
        Self {
            engine,
            now: Timestamp::from_secs(1_000),
            known: BTreeMap::new(),
            drained: BTreeSet::new(),
            nodes_drained: [false; 3],
            centres_drained: [false; 2],
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
        self.forget_held(&before);
        if !input_ok
            && !matches!(op, Op::Restart)
            && format!("{before:?}") != format!("{:?}", self.engine)
        {
            return Err("a refused input left a trace".into());
        }
        for effect in &out {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let name = self
                    .engine
                    .endpoint(*endpoint)
                    .ok_or("a probe of nobody")?
                    .name;
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

    fn carry_out(&mut self, op: &Op) -> Result<(bool, Vec<Effect>), String> {
        let mut out = Vec::new();
        let now = self.now;
        let told = match *op {
            Op::Upsert {
                name,
                service,
                node,
                centre,
                weight,
                conditions,
                started,
            } => {
                let spec = EndpointSpec {
                    service: ServiceId(service.into()),
                    node: NodeId(node.into()),
                    zone: ZoneId(0),
                    centre: CentreId(centre.into()),
                    address: ([10, 0, 0, name], 80).into(),
                    weight,
                    conditions,
                    started_at: Timestamp::from_secs(started.into()),
                    warmth: Warmth::Cold,
                };
                let name = NAMES[name as usize % 10];
                let told = self
                    .engine
                    .handle(now, Input::Upsert { name, spec }, &mut out);
                self.learn(name, spec, told)?;
                told
            }
            Op::Remove { name } => {
                let name = NAMES[name as usize % 10];
                let told = self.engine.handle(now, Input::Remove { name }, &mut out);
                self.forget_lost();
                told
            }
            Op::Snapshot { service, names } => {
                let service = ServiceId(service.into());
                let mine = |(bit, name): (usize, &'static str)| {
                    let known = self.known.get(name).filter(|k| k.spec.service == service)?;
                    (names >> bit & 1 == 1).then_some((name, known.spec))
                };
                let endpoints: Vec<_> = NAMES.into_iter().enumerate().filter_map(mine).collect();
                let input = Input::Snapshot {
                    service,
                    endpoints: &endpoints,
                };
                let told = self.engine.handle(now, input, &mut out);
                self.forget_lost();
                told
            }
            Op::Confirm { service } => {
                let service = ServiceId(service.into());
                let told = self
                    .engine
                    .handle(now, Input::Confirm { service }, &mut out);
                self.forget_lost();
                told
            }
            Op::Answer {
                name,
                outcome,
                late,
            } => self.answer(name, outcome, late, &mut out),
            Op::Call {
                name,
                outcome,
                count,
            } => match self.engine.find(NAMES[name as usize % 10]) {
                None => Ok(()),
                Some(endpoint) => {
                    let input = Input::Called {
                        endpoint,
                        outcome,
                        count: count.into(),
                    };
                    self.engine.handle(now, input, &mut out)
                }
            },
            Op::Drain { kind, which, on } => self.drain(kind, which, on, &mut out),
            Op::Wait { ms } => {
                self.now = now.after(Duration::from_millis(ms.into()));
                let told = self.engine.handle(self.now, Input::Time, &mut out);
                self.forget_lost();
                told
            }
            Op::Back => self.engine.handle(Timestamp::ZERO, Input::Time, &mut out),
            Op::Jump { ahead } => {
                self.now = if ahead {
                    self.time_out();
                    now.after(DAY)
                } else {
                    Timestamp::ZERO.after(now.since(Timestamp::ZERO.after(DAY)))
                };
                let told = self.engine.handle(self.now, Input::Time, &mut out);
                // It is seen to run on, and believed.
                self.now = self.now.after(Duration::from_secs(1));
                let again = self.engine.handle(self.now, Input::Time, &mut out);
                let stands = self.engine.now().since(self.now);
                if self.now.since(self.engine.now()) > Duration::ZERO
                    || stands > Duration::from_secs(1)
                {
                    return Err(format!("it is {:?}, not {:?}", self.engine.now(), self.now));
                }
                self.now = self.engine.now();
                self.forget_lost();
                told.and(again)
            }
            Op::Restart => {
                let snapshot = self.engine.snapshot();
                self.engine = Engine::restore(&snapshot, now).map_err(|e| format!("{e}"))?;
                if now == snapshot.taken_at() && self.engine.snapshot() != snapshot {
                    return Err(format!(
                        "restored {:?}\nof {snapshot:?}",
                        self.engine.snapshot()
                    ));
                }
                self.probes.clear();
                self.engine.handle(now, Input::Time, &mut out)
            }
        };
        Ok((told.is_ok(), out))
    }

    /// Whether the engine took or refused a spec for the reasons the model knows.
    fn learn(
        &mut self,
        name: &'static str,
        spec: EndpointSpec,
        told: Result<(), InputError>,
    ) -> Result<(), String> {
        let other = self
            .known
            .get(name)
            .is_some_and(|k| k.spec.service != spec.service);
        let bad = spec.weight > crate::MAX_WEIGHT || other;
        if bad != told.is_err() {
            return Err(format!("{name}: {told:?}"));
        }
        if bad {
            return Ok(());
        }
        match self.known.get_mut(name) {
            Some(known) => {
                let restarted = known.spec.started_at != spec.started_at;
                if restarted {
                    known.results.clear();
                }
                let answered = answers(&known.spec);
                known.spec = spec;
                if restarted || answered != answers(&spec) {
                    self.probes.remove(name);
                }
            }
            None => {
                self.known.insert(
                    name,
                    Known {
                        spec,
                        results: Vec::new(),
                    },
                );
            }
        }
        Ok(())
    }

    /// What the engine let go the model lets go. Services 0 and 1 hold nothing back, so there the model
    /// checks that removals happen in [`Naive::compare`] by what is left.
    fn forget_lost(&mut self) {
        let engine = &self.engine;
        self.known.retain(|name, _| engine.find(name).is_some());
        self.probes.retain(|name, _| engine.find(name).is_some());
    }

    /// What was lost and held before an operation may go with any: it may fail its check, too.
    fn forget_held(&mut self, before: &Engine) {
        let engine = &self.engine;
        let held = |name: &str| {
            let endpoint = before.find(name).and_then(|id| before.endpoint(id));
            endpoint.is_some_and(|e| e.held)
        };
        let stays = |name: &str| engine.find(name).is_some() || !held(name);
        self.known.retain(|name, _| stays(name));
        self.probes.retain(|name, _| stays(name));
    }

    fn answer(
        &mut self,
        name: u8,
        outcome: ProbeOutcome,
        late: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let name = NAMES[name as usize % 10];
        let Some(&(endpoint, attempt)) = self.probes.get(name) else {
            return Ok(());
        };
        if late {
            let input = Input::Probed {
                endpoint,
                attempt: attempt.wrapping_sub(1),
                outcome,
            };
            return self.engine.handle(self.now, input, out);
        }
        self.probes.remove(name);
        let known = self.known.get_mut(name).filter(|k| answers(&k.spec));
        if let Some(known) = known {
            known.results.push(outcome);
        }
        self.engine.handle(
            self.now,
            Input::Probed {
                endpoint,
                attempt,
                outcome,
            },
            out,
        )
    }

    fn drain(
        &mut self,
        kind: u8,
        which: u8,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let target = match kind {
            0 => {
                let name = NAMES[which as usize % 10];
                let Some(id) = self.engine.find(name) else {
                    self.note_drain(name, on);
                    let input = Input::DrainName { name, on };
                    return self.engine.handle(self.now, input, out);
                };
                self.note_drain(name, on);
                Target::Endpoint(id)
            }
            1 => {
                self.nodes_drained[which as usize % 3] = on;
                Target::Node(NodeId(u32::from(which) % 3))
            }
            _ => {
                self.centres_drained[which as usize % 2] = on;
                Target::Centre(CentreId(u32::from(which) % 2))
            }
        };
        let input = Input::Drain {
            target,
            on,
            over: Duration::ZERO,
        };
        self.engine.handle(self.now, input, out)
    }

    /// A day passes: no probe that is under way is answered in time.
    fn time_out(&mut self) {
        for (name, _) in core::mem::take(&mut self.probes) {
            let known = self.known.get_mut(name).filter(|k| answers(&k.spec));
            if let Some(known) = known {
                known.results.push(ProbeOutcome::Fail);
            }
        }
    }

    fn note_drain(&mut self, name: &'static str, on: bool) {
        if on {
            self.drained.insert(name);
        } else {
            self.drained.remove(name);
        }
    }

    fn leaving(&self, k: &Known) -> bool {
        k.spec.conditions.terminating
            || self.nodes_drained[k.spec.node.index()]
            || self.centres_drained[k.spec.centre.index()]
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
                region: known.spec.centre.index(),
                weight: f64::from(known.spec.weight),
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
