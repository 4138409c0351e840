//! Which constraint forbids a shift.

use super::Placement;
use crate::model::{Model, NodeId, ServiceId, TaskId};
use core::fmt;

/// A hard constraint that a shift would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Constraint {
    /// No such task or node.
    Unknown,
    /// The placement was made for another model.
    OtherModel,
    /// The task is pinned.
    Pinned,
    /// Labels, taints or a forbidden pair.
    NotAllowed,
    /// Too little of a resource is free.
    Capacity {
        /// The first such resource.
        resource: usize,
    },
    /// As many of the service as are allowed are on the node already.
    Conflict {
        /// The service.
        service: ServiceId,
    },
    /// The service would be in too few locations.
    Spread {
        /// The service.
        service: ServiceId,
    },
    /// A service would run in a neighbourhood without one that it depends on.
    Dependency {
        /// The service that depends.
        service: ServiceId,
        /// The one that would be missing.
        on: ServiceId,
    },
}

impl core::error::Error for Constraint {}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no such task or node"),
            Self::OtherModel => f.write_str("the placement was made for another model"),
            Self::Pinned => f.write_str("the task is pinned"),
            Self::NotAllowed => f.write_str("labels or taints forbid the node"),
            Self::Capacity { resource } => write!(f, "too little of resource {resource} is free"),
            Self::Conflict { service } => write!(f, "service {service} is on the node already"),
            Self::Spread { service } => write!(f, "service {service} needs more locations"),
            Self::Dependency { service, on } => {
                write!(f, "service {service} would run where service {on} does not")
            }
        }
    }
}

impl Placement {
    /// The constraint that forbids moving `task` to `to`, or nothing if the move may be made. Cost:
    /// O(resources + dependencies of the service), plus O(members) for its spread when a location is left.
    #[must_use]
    pub fn blocked(&self, model: &Model, task: TaskId, to: NodeId) -> Option<Constraint> {
        if self.is_foreign(model) {
            return Some(Constraint::OtherModel);
        }
        if task.index() >= model.tasks() || to.index() >= model.nodes() {
            return Some(Constraint::Unknown);
        }
        let (task, to) = (task.index(), to.index());
        if self.at[task] as usize == to {
            return None;
        }
        if !self.fits(model, to, task) {
            return Some(Constraint::Capacity {
                resource: self.short_of(model, task, to),
            });
        }
        self.forbidden(model, task, to)
    }

    /// Exact change of the total cost if the task moved, whatever that breaks; 0 for an unknown task or
    /// node, or another model. O(resources).
    #[must_use]
    pub fn cost_of_shift(&self, model: &Model, task: TaskId, to: NodeId) -> i64 {
        let known = task.index() < model.tasks() && to.index() < model.nodes();
        let known = known && !self.is_foreign(model);
        if known {
            self.shift_cost(model, task.index(), to.index())
        } else {
            0
        }
    }

    /// Exact change of the total cost if two tasks changed places, whatever that breaks; 0 for unknown
    /// tasks, or another model. O(resources).
    #[must_use]
    pub fn cost_of_swap(&self, model: &Model, a: TaskId, b: TaskId) -> i64 {
        let known = a.index() < model.tasks() && b.index() < model.tasks();
        let known = known && !self.is_foreign(model);
        if known {
            self.swap_cost(model, a.index(), b.index())
        } else {
            0
        }
    }

    /// Moves a task if no hard constraint forbids it; the change of the total cost comes back.
    ///
    /// # Errors
    /// The constraint that forbids it; nothing has changed then.
    pub fn try_shift(
        &mut self,
        model: &Model,
        task: TaskId,
        to: NodeId,
    ) -> Result<i64, Constraint> {
        match self.blocked(model, task, to) {
            Some(constraint) => Err(constraint),
            None => Ok(self.shift(model, task.index(), to.index())),
        }
    }

    fn short_of(&self, model: &Model, task: usize, to: usize) -> usize {
        let width = model.resources;
        let home = self.home[task] as usize == to;
        let short = |r: &usize| {
            let need = model.need[task * width + r];
            if home {
                return !self.fits_at_home(model, to, *r, need);
            }
            need > 0 && need > self.rows[to * 2 * width + r]
        };
        (0..width).find(short).unwrap_or(0)
    }

    /// The constraint other than room that forbids the shift.
    pub(crate) fn forbidden(&self, model: &Model, task: usize, to: usize) -> Option<Constraint> {
        if model.pinned[task] && self.home[task] as usize != to {
            return Some(Constraint::Pinned);
        }
        if !model.allows(TaskId(task as u32), NodeId(to as u32)) {
            return Some(Constraint::NotAllowed);
        }
        let s = model.service_of[task] as usize;
        let service = ServiceId(s as u32);
        let tables = &self.tables;
        if tables.nodes.has(s) && tables.on_node(model, &self.at, s, to) >= model.per_node[s] {
            return Some(Constraint::Conflict { service });
        }
        tables
            .scattered(model, &self.at, task, to)
            .or_else(|| self.joins_the_lonely(model, task, to))
    }

    /// What the service depends on and is missing where the task would go. The service may stand there all the same if
    /// the assignment breaks that rule; no more of its tasks are to join them.
    fn joins_the_lonely(&self, model: &Model, task: usize, to: usize) -> Option<Constraint> {
        let s = model.service_of[task] as usize;
        let (left, entered) = (
            model.neighbourhood[self.at[task] as usize],
            model.neighbourhood[to] as usize,
        );
        if left as usize == entered {
            return None;
        }
        let count = |s: u32| {
            self.tables
                .in_neighbourhood(model, &self.at, s as usize, entered)
        };
        let missing = |on: &&u32| **on as usize != s && count(**on) == 0;
        let on = model.depends.of(s).iter().find(missing)?;
        Some(Constraint::Dependency {
            service: ServiceId(s as u32),
            on: ServiceId(*on),
        })
    }
}
