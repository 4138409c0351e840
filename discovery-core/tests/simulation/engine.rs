//! The engine of a world: what it is told, by its own clock, and what it says.

use core::time::Duration;
use std::collections::BTreeSet;

use discovery_core::health::ProbeOutcome;
use discovery_core::registry::RegistrationStatus;
use discovery_core::{Effect, Engine, Input, Timestamp};
use rand::RngExt as _;

use super::events::Event;
use super::setup::fresh;
use super::world::{EPOCH, PODS, World, time};

/// The longest from one probe of an endpoint to the next (milliseconds): an interval with its jitter and a timeout, or,
/// from a jump of the clock, the second until that is certain besides. Less what a telling may be late.
const LONGEST: u64 = 2_400 + 1_000 + 1_000 + 200;

impl World {
    /// What the engine's clock reads.
    pub(crate) fn clock(&self) -> Timestamp {
        Timestamp::from_millis((EPOCH + self.now).saturating_add_signed(self.skew))
    }

    /// When the engine's next deadline is, in true milliseconds; by a timer that no clock sets.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let due = self.engine.as_ref()?.next_deadline()?;
        let left = due.since(self.clock()).as_nanos().div_ceil(1_000_000);
        Some(
            self.now
                .saturating_add(u64::try_from(left).unwrap_or(u64::MAX)),
        )
    }

    /// Somebody sets the clock.
    pub(crate) fn jump(&mut self, by: i64) -> Result<(), String> {
        self.skew += by;
        self.jumped = self.now;
        self.log.push(format!("{} clock set by {by} ms", self.now));
        self.tell(Input::Time)
    }

    /// Hands the engine an input and carries its effects out.
    pub(crate) fn tell(&mut self, input: Input<'_>) -> Result<(), String> {
        let clock = self.clock();
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        let ejected = super::checks::ejected(engine, self.service);
        let mut out = Vec::new();
        // Late words about an endpoint that is gone, or of another life, are refused; that is all.
        let told = engine.handle(clock, input, &mut out);
        engine.check_invariants()?;
        super::checks::cap(engine, self.service, &ejected)?;
        self.watch_weights();
        for effect in out {
            self.carry_out(&effect);
        }
        told.map_or(Ok(()), |()| self.watch_time())
    }

    fn carry_out(&mut self, effect: &Effect) {
        if let Effect::Probe {
            endpoint, attempt, ..
        } = *effect
        {
            self.probed_at.insert(endpoint, self.now);
            let Some(known) = self.engine.as_ref().and_then(|e| e.endpoint(endpoint)) else {
                return;
            };
            let pod = self.pods.get(known.name);
            let well = pod.is_some_and(|p| p.well && p.spec.started_at <= time(self.now));
            let outcome = if well {
                ProbeOutcome::Pass
            } else {
                ProbeOutcome::Fail
            };
            self.send(Event::Probed(endpoint, attempt, outcome));
        } else {
            self.log.push(format!("{} {effect:?}", self.now));
        }
    }

    /// Keeps account of since when a name has had no weight.
    fn watch_weights(&mut self) {
        let Some(engine) = &self.engine else { return };
        // What a new engine has not checked, or not heard of, it does not know to be without weight.
        let blind = self.withheld || !engine.settled(self.service);
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for r in engine.registrations(self.service) {
            if r.weight > 0 || r.status == RegistrationStatus::Unknown {
                open.insert(r.name);
            }
        }
        self.zero_since
            .retain(|name, _| !open.contains(name.as_str()));
        for i in 0..PODS {
            let name = format!("p{i}");
            let known = !blind || engine.find(&name).is_some();
            if !open.contains(name.as_str()) && known {
                self.zero_since.entry(name).or_insert(self.now);
            }
        }
    }

    pub(crate) fn restart(&mut self) -> Result<(), String> {
        let engine = if self.chaotic() && self.rng.random_ratio(1, 4) {
            // Its state is lost as well.
            self.log.push(format!("{} state lost", self.now));
            fresh(self.syncs).0
        } else {
            Engine::restore(&self.saved, self.clock()).map_err(|e| e.to_string())?
        };
        self.engine = Some(engine);
        // What it knew after the last save it knows no more.
        self.zero_since.clear();
        self.probed_at.clear();
        self.tell(Input::Time)
    }

    /// The engine's time is the clock's again a second after it was set, and every endpoint is checked.
    fn watch_time(&mut self) -> Result<(), String> {
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let (told, ours) = (self.clock(), engine.now());
        let patience = Duration::from_secs(1);
        let certain = self.now > self.jumped + 1_200;
        if told > ours || (certain && ours.since(told) > patience) {
            return Err(format!("{}: it is {told:?}, not {ours:?}", self.now));
        }
        let mut seen = BTreeSet::new();
        for (id, _) in engine.endpoints(self.service) {
            let Some(endpoint) = engine.endpoint(id) else {
                continue;
            };
            let c = endpoint.conditions;
            if !c.ready && !c.serving {
                continue;
            }
            seen.insert(id);
            let last = *self.probed_at.entry(id).or_insert(self.now);
            if self.now > last.max(self.jumped) + LONGEST {
                let name = endpoint.name;
                return Err(format!("{}: {name} was last probed at {last}", self.now));
            }
        }
        self.probed_at.retain(|id, _| seen.contains(id));
        Ok(())
    }
}
