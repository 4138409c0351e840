//! Moves under way, step by step.
//!
//! A sticky container moves make-before-break: the new replica claims a second address, starts, warms up beside
//! the old one; then the old one drains, releases its address and ends. A fixed address can't be in two
//! places: the new replica starts without it, the old one drains and releases it, the address is handed over,
//! and the new one serves and warms up under load; what is asked of the address meanwhile is unserved.

use super::{World, at, broken, task_of};
use crate::error::Error;
use crate::events::Events;
use crate::load::Replica;
use scheduler_core::{NodeId, TaskId};
use serde_json::json;

/// Seconds until a new replica has started.
const BOOT: u64 = 5;
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
}

/// One move under way.
#[derive(Clone, Debug)]
pub(super) struct Move {
    container: usize,
    old: usize,
    new: usize,
    stage: Stage,
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
        let fixed = self.addresses.is_fixed(m.container);
        match m.stage {
            Stage::Starting { until } if second >= until => {
                if fixed {
                    self.drain(second, m.old)?;
                    self.awaiting_address[m.container] = true;
                    m.stage = Stage::Draining {
                        until: second + DRAIN,
                    };
                } else {
                    self.serve(second, m.new)?;
                    m.stage = Stage::Warming { since: second };
                }
            }
            Stage::Warming { since } if self.has_warmed(second, since, m.new) => {
                self.drain(second, m.old)?;
                m.stage = Stage::Draining {
                    until: second + DRAIN,
                };
            }
            Stage::Draining { until } if second >= until => {
                self.end(second, m.old, events)?;
                let task = task_of(m.container);
                let ended = self.protector.finish_move(at(second), task);
                ended.map_err(|e| broken(second, "scheduler-core", &e))?;
                if fixed {
                    self.hand_over(second, m, events)?;
                }
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

    /// Whether the new replica may take over: the engine gives it its whole weight, and callers have known
    /// since a sync. One that fails its probes waits.
    fn has_warmed(&self, second: u64, since: u64, replica: usize) -> bool {
        let tenant = self.tenants.get(replica).and_then(Option::as_ref);
        second > since && tenant.is_some_and(|t| self.traffic.warm(&t.name))
    }

    /// The old replica has released the fixed address: the new one takes it and serves.
    fn hand_over(&mut self, second: u64, m: &Move, events: &mut Events) -> Result<(), Error> {
        let name = self.tenant(second, m.new)?.name.clone();
        let held =
            self.addresses
                .finish_move(second, m.container, &name, &mut self.figures, events)?;
        self.tenant(second, m.new)?.held = Some(held);
        self.changed = true;
        self.serve(second, m.new)
    }
}
