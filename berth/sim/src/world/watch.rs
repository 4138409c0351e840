//! What is measured of the hosts each second, and every invariant of every core after each step.

use super::{Samples, World, at, broken, node_of};
use crate::error::Error;
use crate::events::Events;
use crate::host::HOST_CORES;
use scheduler_core::live::{EventKind, Sample};
use serde_json::json;

impl World<'_> {
    /// Samples the hosts and tells the protector, whose windows say what counts as overloaded.
    pub(super) fn observe(&mut self, second: u64, events: &mut Events) -> Result<(), Error> {
        for (host, sample) in self.samples.hosts.iter_mut().enumerate() {
            *sample = (self.load.used(host) * 1_000.0).round() as Sample;
        }
        let Samples {
            hosts,
            tasks,
            events: changes,
        } = &mut self.samples;
        changes.clear();
        let observed = self.protector.observe(at(second), hosts, tasks, changes);
        observed.map_err(|e| broken(second, "scheduler-core", &e))?;
        for change in changes.drain(..) {
            let host = change.node.index();
            let since = &mut self.hot_since[host];
            let (what, reason) = match change.kind {
                EventKind::Entered => {
                    *since = Some(second);
                    (
                        "overloaded",
                        "the window's mean is above the safety capacity",
                    )
                }
                EventKind::Left => {
                    self.figures.relief_of(since.take(), second);
                    ("relieved", "the window's mean is below the lower threshold")
                }
            };
            if events.wants("scheduler-core") {
                let data = json!({"mean_millicores": change.mean, "threshold_millicores": change.threshold});
                events.say(
                    second,
                    "scheduler-core",
                    what,
                    &format!("host-{host:03}"),
                    reason,
                    data,
                );
            }
        }
        let detector = self.protector.detector();
        for host in 0..self.setup.hosts {
            let node = node_of(host);
            let above = |mean: Sample| detector.threshold(node).is_some_and(|t| mean > t);
            let overloaded = detector.mean(node).is_some_and(above);
            self.figures
                .host(second, self.load.used(host), HOST_CORES, overloaded);
        }
        Ok(())
    }

    /// Every invariant: cheap ones each second, those over whole states whenever something changed.
    pub(super) fn check(&mut self, second: u64) -> Result<(), Error> {
        for (replica, tenant) in self.replicas.iter().zip(&self.tenants) {
            let (Some(replica), Some(tenant)) = (replica, tenant) else {
                continue;
            };
            if tenant.draining.is_some_and(|since| since < second) && replica.factor > 0.0 {
                let what = format!(
                    "{} still has traffic a sync after its drain began",
                    tenant.name
                );
                return Err(broken(second, "discovery-core", &what));
            }
        }
        for (host, shaping) in self.shaping.iter().enumerate() {
            shaping.check(second, host)?;
        }
        if std::mem::take(&mut self.changed) || second.is_multiple_of(600) {
            self.addresses.check(second)?;
            let checked = self.protector.cluster().check_invariants();
            checked.map_err(|e| broken(second, "scheduler-core", &e))?;
        }
        Ok(())
    }
}
