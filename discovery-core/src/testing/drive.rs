//! How the naive engine carries operations out, on the real one and on what it remembers.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::model::{DAY, Known, NAMES, Naive, answers};
use super::ops::Op;
use crate::endpoint::{NodeId, RegionId, ServiceId, ZoneId};
use crate::engine::DrainTarget;
use crate::health::{CallOutcome, ProbeOutcome};
use crate::{Effect, EndpointSpec, Engine, Input, InputError, Timestamp};

impl Naive {
    pub(super) fn carry_out(&mut self, op: &Op) -> Result<(bool, Vec<Effect>), String> {
        let mut out = Vec::new();
        let now = self.now;
        let told = match *op {
            Op::Upsert { .. } => self.upsert(op, &mut out)?,
            Op::Remove { name } => {
                let name = NAMES[name as usize % 10];
                let told = self.engine.handle(now, Input::Remove { name }, &mut out);
                self.drop_lost();
                told
            }
            Op::Snapshot { service, names } => {
                let service = ServiceId(service.into());
                return self.view(service, names);
            }
            Op::Confirm { service } => {
                let service = ServiceId(service.into());
                let told = self
                    .engine
                    .handle(now, Input::Confirm { service }, &mut out);
                self.drop_lost();
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
            } => self.call(name, outcome, count, &mut out),
            Op::Drain { kind, which, on } => self.drain(kind, which, on, &mut out),
            Op::Wait { ms } => {
                self.now = now.after(Duration::from_millis(ms.into()));
                let told = self.engine.handle(self.now, Input::Time, &mut out);
                self.drop_lost();
                told
            }
            Op::Back => self.engine.handle(Timestamp::ZERO, Input::Time, &mut out),
            Op::Jump { ahead } => self.jump(ahead, &mut out)?,
            Op::Restart => self.restart(&mut out)?,
        };
        Ok((told.is_ok(), out))
    }

    fn upsert(&mut self, op: &Op, out: &mut Vec<Effect>) -> Result<Result<(), InputError>, String> {
        let Op::Upsert {
            name,
            service,
            node,
            region,
            weight,
            conditions,
            started,
        } = *op
        else {
            return Ok(Ok(()));
        };
        let spec = EndpointSpec::new(
            ServiceId(service.into()),
            NodeId(node.into()),
            ZoneId(0),
            RegionId(region.into()),
            ([10, 0, 0, name], 80).into(),
        )
        .with_base_weight(weight)
        .with_conditions(conditions)
        .with_started_at(Timestamp::from_secs(started.into()));
        let name = NAMES[name as usize % 10];
        let held = self.held(name);
        let input = Input::Upsert { name, spec };
        let told = self.engine.handle(self.now, input, out);
        self.learn(name, spec, held, told)?;
        Ok(told)
    }

    fn call(
        &mut self,
        name: u8,
        outcome: CallOutcome,
        count: u8,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let Some(endpoint) = self.engine.find(NAMES[name as usize % 10]) else {
            return Ok(());
        };
        let input = Input::CallsEnded {
            endpoint,
            outcome,
            count: count.into(),
        };
        self.engine.handle(self.now, input, out)
    }

    /// The clock leaps a day ahead or back, and is seen to run on from there.
    fn jump(
        &mut self,
        ahead: bool,
        out: &mut Vec<Effect>,
    ) -> Result<Result<(), InputError>, String> {
        let now = self.now;
        self.now = if ahead {
            self.time_out();
            now.after(DAY)
        } else {
            Timestamp::ZERO.after(now.since(Timestamp::ZERO.after(DAY)))
        };
        let told = self.engine.handle(self.now, Input::Time, out);
        // It is seen to run on, and believed.
        self.now = self.now.after(Duration::from_secs(1));
        let again = self.engine.handle(self.now, Input::Time, out);
        let stands = self.engine.now().since(self.now);
        let behind = self.now.since(self.engine.now());
        if behind > Duration::ZERO || stands > Duration::from_secs(1) {
            return Err(format!("it is {:?}, not {:?}", self.engine.now(), self.now));
        }
        self.now = self.engine.now();
        self.drop_lost();
        Ok(told.and(again))
    }

    fn restart(&mut self, out: &mut Vec<Effect>) -> Result<Result<(), InputError>, String> {
        let snapshot = self.engine.snapshot();
        self.engine = Engine::restore(&snapshot, self.now).map_err(|e| format!("{e}"))?;
        if self.now == snapshot.taken_at() && self.engine.snapshot() != snapshot {
            return Err(format!(
                "restored {:?}\nof {snapshot:?}",
                self.engine.snapshot()
            ));
        }
        self.probes.clear();
        Ok(self.engine.handle(self.now, Input::Time, out))
    }

    /// Whether the engine took or refused a spec for the reasons the model knows.
    fn learn(
        &mut self,
        name: &'static str,
        spec: EndpointSpec,
        held: bool,
        told: Result<(), InputError>,
    ) -> Result<(), String> {
        let other = self
            .known
            .get(name)
            .is_some_and(|k| k.spec.service != spec.service);
        let bad = spec.base_weight > crate::endpoint::MAX_WEIGHT || (other && !held);
        if bad != told.is_err() {
            return Err(format!("{name}: {told:?}"));
        }
        if bad {
            return Ok(());
        }
        match self.known.get_mut(name) {
            Some(known) => {
                // One that moves to another service is another one.
                let restarted = known.spec.started_at != spec.started_at || other;
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

    fn held(&self, name: &str) -> bool {
        let endpoint = self
            .engine
            .find(name)
            .and_then(|id| self.engine.endpoint(id));
        endpoint.is_some_and(|e| e.held)
    }

    /// A service as a whole: what the model knows of it, with records that belong to others and one that is too heavy.
    fn view(&mut self, service: ServiceId, names: u16) -> Result<(bool, Vec<Effect>), String> {
        let (mut view, mut strangers, mut bad) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (bit, name) in NAMES.into_iter().enumerate() {
            let Some(known) = self.known.get(name).filter(|_| names >> bit & 1 == 1) else {
                continue;
            };
            let mine = known.spec.service == service;
            let spec = known.spec.with_service(service);
            if !mine && bit % 2 == 0 {
                continue;
            }
            view.push((name, spec));
            if !mine && self.held(name) {
                strangers.push((name, spec));
            } else if !mine {
                bad.insert(name);
            }
        }
        if let Some(&(_, spec)) = view.first().filter(|_| names & 1 == 1) {
            let weight = crate::endpoint::MAX_WEIGHT + 1;
            view.insert(0, ("heavy", spec.with_base_weight(weight)));
            bad.insert("heavy");
        }
        let mut out = Vec::new();
        let input = Input::Snapshot {
            service,
            endpoints: &view,
        };
        let told = self.engine.handle(self.now, input, &mut out);
        for (name, spec) in strangers {
            self.learn(name, spec, true, told)?;
        }
        self.drop_lost();
        let rejected = |e: &Effect| match e {
            Effect::Rejected { name, .. } => Some(String::from(&**name)),
            _ => None,
        };
        let rejected: BTreeSet<String> = out.iter().filter_map(rejected).collect();
        if !rejected.iter().map(String::as_str).eq(bad.iter().copied()) {
            return Err(format!("{rejected:?} rejected, not {bad:?}"));
        }
        Ok((told.is_ok(), out))
    }

    /// What the engine deregistered the model drops. Services 0 and 1 hold nothing back, so there the model
    /// checks that removals happen in [`Naive::compare`] by what is left.
    fn drop_lost(&mut self) {
        let engine = &self.engine;
        self.known.retain(|name, _| engine.find(name).is_some());
        self.probes.retain(|name, _| engine.find(name).is_some());
    }

    /// What was lost and held before an operation may go with any: it may fail its check, too.
    pub(super) fn drop_held(&mut self, before: &Engine) {
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
                DrainTarget::Endpoint(id)
            }
            1 => {
                self.nodes_drained[which as usize % 3] = on;
                DrainTarget::Node(NodeId(u32::from(which) % 3))
            }
            _ => {
                self.regions_drained[which as usize % 2] = on;
                DrainTarget::Region(RegionId(u32::from(which) % 2))
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
}
