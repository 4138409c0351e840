//! Moves under way, step by step.
//!
//! A container moves make-before-break: the new replica claims a second address, starts, warms up beside the old
//! one; then the old one drains, releases its address and ends. A fixed address can't be in two places: the second one is
//! borrowed, for warming up; when the old replica has drained and released the fixed one, it is handed over, and the new
//! replica leaves the borrowed one and serves under its own. What is asked of the container in that second is unserved.

use super::addresses::Held;
use super::{Tenant, World, at, broken, task_of};
use crate::error::Error;
use crate::events::Events;
use crate::load::Replica;
use scheduler_core::{NodeId, TaskId};
use serde_json::json;

/// Seconds until a new replica has started.
const BOOT: u64 = 5;
/// Seconds for which nobody answers at a fixed address that changes hosts: the least that this simulation can tell.
const GAP: u64 = 1;
/// Seconds that a drained replica has for the requests it still holds.
const DRAIN: u64 = 2;

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The new replica starts.
    Starting { until: u64 },
    /// The new replica has traffic of its own and warms up beside the old one.
    Warming { since: u64 },
    /// The old replica has no new traffic and ends.
    Draining { until: u64 },
    /// The old replica has released the fixed address, and the new one takes it.
    HandOver { at: u64 },
    /// The new replica serves under its own address and leaves the borrowed one.
    Leaving,
}

/// One move under way.
#[derive(Clone, Debug)]
pub(super) struct Move {
    container: usize,
    old: usize,
    new: usize,
    stage: Stage,
    /// What the new replica was called and reached under until its own address came.
    borrowed: Option<(String, Held)>,
}

impl World<'_> {
    /// Begins the moves that the planner wants now.
    pub(super) fn relieve(&mut self, second: u64, events: &mut Events) -> Result<(), Error> {
        let plan = self.protector.plan(at(second));
        if plan.is_empty() {
            return Ok(());
        }
        if events.wants("scheduler-core") {
            let data = json!({"moves": plan.moves.len(), "stuck": plan.unrelieved.len()});
            events.say(
                second,
                "scheduler-core",
                "plan",
                "cluster",
                plan.explain().trim_end(),
                data,
            );
        }
        for planned in &plan.moves {
            self.begin(
                second,
                planned.task,
                planned.from.index(),
                planned.to,
                events,
            )?;
            if events.wants("scheduler-core") {
                let name = &self.setup.trace.containers[planned.task.index()].name;
                let data = json!({"from": planned.from.index(), "to": planned.to.index()});
                events.say(
                    second,
                    "scheduler-core",
                    "move",
                    name,
                    &planned.to_string(),
                    data,
                );
            }
        }
        Ok(())
    }

    pub(super) fn begin(
        &mut self,
        second: u64,
        task: TaskId,
        from: usize,
        to: NodeId,
        events: &mut Events,
    ) -> Result<(), Error> {
        let container = task.index();
        let serves = |r: &Replica| r.container == container && r.host == from;
        let old = self
            .replicas
            .iter()
            .position(|r| r.as_ref().is_some_and(serves));
        let old = old.ok_or_else(|| {
            broken(
                second,
                "scheduler-core",
                &format!("task {task} is not on node {from}"),
            )
        })?;
        self.protector
            .begin_move(at(second), task, to)
            .map_err(|e| broken(second, "scheduler-core", &e))?;
        let to = to.index();
        let new = self.create(second, container, to, false, events)?;
        if self.addresses.is_fixed(container) {
            self.addresses
                .begin_move(second, container, from, to, events)?;
            self.borrow(second, new, events)?;
        } else {
            self.claim(second, new, events)?;
        }
        let stage = Stage::Starting {
            until: second + BOOT,
        };
        self.moves.push(Move {
            container,
            old,
            new,
            stage,
            borrowed: None,
        });
        self.figures.moves += 1;
        self.figures.bucket(second).moves += 1;
        Ok(())
    }

    /// Takes every move as far as it can go in this second.
    pub(super) fn advance(&mut self, second: u64, events: &mut Events) -> Result<(), Error> {
        let mut moves = std::mem::take(&mut self.moves);
        let mut kept = Vec::with_capacity(moves.len());
        for mut m in moves.drain(..) {
            if self.step_move(second, &mut m, events)? {
                kept.push(m);
            }
        }
        self.moves = kept;
        Ok(())
    }

    /// One move's second; false once it is over.
    fn step_move(&mut self, second: u64, m: &mut Move, events: &mut Events) -> Result<bool, Error> {
        match m.stage {
            Stage::Starting { until } if second >= until => {
                self.serve(second, m.new)?;
                m.stage = Stage::Warming { since: second };
            }
            Stage::Warming { since } if self.has_warmed(second, since, m.new) => {
                self.drain(second, m.old)?;
                m.stage = Stage::Draining {
                    until: second + DRAIN,
                };
            }
            Stage::Draining { until } if second >= until => {
                self.end(second, m.old, events)?;
                if !self.addresses.is_fixed(m.container) {
                    self.finish_move(second, m)?;
                    return Ok(false);
                }
                self.awaiting_address[m.container] = true;
                m.stage = Stage::HandOver { at: second + GAP };
            }
            Stage::HandOver { at: due } if second >= due => {
                self.hand_over(second, m, events)?;
                m.stage = Stage::Leaving;
            }
            Stage::Leaving => {
                self.leave_borrowed(second, m, events)?;
                self.finish_move(second, m)?;
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

    /// The planner learns that the old replica is gone and the new one serves.
    fn finish_move(&mut self, second: u64, m: &Move) -> Result<(), Error> {
        let ended = self.protector.finish_move(at(second), task_of(m.container));
        ended
            .map(drop)
            .map_err(|e| broken(second, "scheduler-core", &e))
    }

    /// Gives a replica an address to warm up under.
    fn borrow(&mut self, second: u64, replica: usize, events: &mut Events) -> Result<(), Error> {
        let (_, host) = self.place_of(second, replica)?;
        let name = format!("{}-warming", self.tenant(second, replica)?.name);
        let held = self
            .addresses
            .borrow(second, &name, host, &mut self.figures, events)?;
        self.tenant(second, replica)?.warming = Some((name, held));
        self.changed = true;
        Ok(())
    }

    /// Nobody calls the replica at its borrowed address any more: it is given back.
    fn leave_borrowed(&mut self, second: u64, m: &Move, events: &mut Events) -> Result<(), Error> {
        let Some((name, held)) = &m.borrowed else {
            return Err(broken(second, "replay", &"warmed up without an address"));
        };
        self.traffic.stop(second, name)?;
        let reason = "its own address has been handed over";
        self.addresses.release(second, name, held, reason, events)?;
        self.changed = true;
        Ok(())
    }

    /// Whether the new replica may take over: the engine gives it its whole weight, and callers have known
    /// since a sync. One that fails its probes waits.
    fn has_warmed(&self, second: u64, since: u64, replica: usize) -> bool {
        let tenant = self.tenants.get(replica).and_then(Option::as_ref);
        let endpoint = tenant.and_then(Tenant::endpoint);
        second > since && endpoint.is_some_and(|(name, _)| self.traffic.warm(name))
    }

    /// The old replica has released the fixed address: the new one takes it and serves.
    fn hand_over(&mut self, second: u64, m: &mut Move, events: &mut Events) -> Result<(), Error> {
        let name = self.tenant(second, m.new)?.name.clone();
        let held =
            self.addresses
                .finish_move(second, m.container, &name, &mut self.figures, events)?;
        let tenant = self.tenant(second, m.new)?;
        tenant.held = Some(held);
        m.borrowed = tenant.warming.take();
        if let Some((name, _)) = &m.borrowed {
            self.traffic.drain(second, name)?;
        }
        self.changed = true;
        self.serve(second, m.new)
    }
}
