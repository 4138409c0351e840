//! Where a service's tasks may be: enough locations, and only neighbourhoods where what it depends on is too.

use super::{Constraint, Tables};
use crate::model::{Model, ServiceId};

impl Tables {
    /// The constraint on where a service's tasks are (spread, dependency) that forbids the shift.
    pub(crate) fn scattered(
        &self,
        model: &Model,
        at: &[u32],
        task: usize,
        to: usize,
    ) -> Option<Constraint> {
        let s = model.service_of[task] as usize;
        let service = ServiceId(s as u32);
        let from = at[task] as usize;
        let (left, entered) = (model.location[from] as usize, model.location[to] as usize);
        if self.locations.has(s)
            && left != entered
            && self.in_location(model, at, s, left) == 1
            && self.in_location(model, at, s, entered) > 0
            && self.spread(model, at, s) <= model.spread[s]
        {
            return Some(Constraint::Spread { service });
        }
        if self.neighbourhoods.has(s) {
            self.unmet(model, at, (s, from, to))
        } else {
            None
        }
    }

    /// Whether a service's constraints hold as it stands, those of its dependents on it included. Conflicts
    /// are left out.
    pub(crate) fn service_holds(&self, model: &Model, at: &[u32], s: usize) -> bool {
        if self.locations.has(s) && self.spread(model, at, s) < model.spread[s] {
            return false;
        }
        if !self.neighbourhoods.has(s) {
            return true;
        }
        let count = |s: usize, b: usize| self.in_neighbourhood(model, at, s, b);
        (0..model.neighbourhoods).all(|b| {
            if count(s, b) > 0 {
                model
                    .depends
                    .of(s)
                    .iter()
                    .all(|on| count(*on as usize, b) > 0)
            } else {
                model
                    .dependents
                    .of(s)
                    .iter()
                    .all(|who| count(*who as usize, b) == 0)
            }
        })
    }

    fn unmet(
        &self,
        model: &Model,
        at: &[u32],
        (s, from, to): (usize, usize, usize),
    ) -> Option<Constraint> {
        let (left, entered) = (
            model.neighbourhood[from] as usize,
            model.neighbourhood[to] as usize,
        );
        if left == entered {
            return None;
        }
        let count = |s: usize, b: usize| self.in_neighbourhood(model, at, s, b);
        let id = |s: usize| ServiceId(s as u32);
        if count(s, entered) == 0 {
            let missing = |on: &&u32| **on as usize != s && count(**on as usize, entered) == 0;
            if let Some(on) = model.depends.of(s).iter().find(missing) {
                return Some(Constraint::Dependency {
                    service: id(s),
                    on: id(*on as usize),
                });
            }
        }
        if count(s, left) == 1 {
            let needs = |who: &&u32| **who as usize != s && count(**who as usize, left) > 0;
            if let Some(who) = model.dependents.of(s).iter().find(needs) {
                return Some(Constraint::Dependency {
                    service: id(*who as usize),
                    on: id(s),
                });
            }
        }
        None
    }
}
