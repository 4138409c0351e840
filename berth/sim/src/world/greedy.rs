//! The baseline that moves without thinking ahead: the largest task off a hot host, to the emptiest.

use super::{World, node_of, task_of};
use crate::error::Error;
use crate::events::Events;

impl World<'_> {
    /// For each host whose window's mean is above its safety capacity, and that no task is leaving: its largest task goes to the
    /// host with the least use that may take it. No budget, no cool-down, no forecast.
    pub(super) fn relieve_greedily(
        &mut self,
        second: u64,
        events: &mut Events,
    ) -> Result<(), Error> {
        let hot: Vec<_> = self.protector.detector().hot().collect();
        for from in hot {
            let cluster = self.protector.cluster();
            if cluster.in_flight().iter().any(|m| m.from == from) {
                continue;
            }
            let on = |c: &usize| cluster.node_of(task_of(*c)) == Some(from);
            let still = |c: &usize| cluster.moving_to(task_of(*c)).is_none();
            let tasks = (0..self.of.len()).filter(on).filter(still);
            let largest = tasks.max_by_key(|c| self.samples.tasks[*c]);
            let Some(task) = largest.map(task_of) else {
                continue;
            };
            let free = |h: &usize| cluster.may_begin(task, node_of(*h)).is_none();
            let emptiest = (0..self.setup.hosts).filter(free);
            if let Some(to) = emptiest.min_by_key(|h| self.samples.hosts[*h]) {
                self.begin(second, task, from.index(), node_of(to), events)?;
            }
        }
        Ok(())
    }
}
