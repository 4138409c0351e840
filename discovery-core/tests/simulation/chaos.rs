//! What goes wrong, what the operator does about it, and how it all ends.

use core::time::Duration;

use discovery_core::Input;
use discovery_core::endpoint::{Conditions, NodeId};
use discovery_core::engine::DrainTarget;
use discovery_core::registry::Entry;
use rand::RngExt as _;

use super::events::Event;
use super::world::{DAY, OWNER, PODS, World, time};

impl World {
    pub(crate) fn some_pod(&mut self) -> Option<String> {
        let n = self.rng.random_range(0..(self.pods.len() as u64).max(1)) as usize;
        self.pods.keys().nth(n).cloned()
    }

    pub(crate) fn chaos(&mut self) {
        let Some(name) = self.some_pod() else {
            return self.add(5);
        };
        let down = 500 + self.rng.random_range(0..6_000);
        let kind = self.rng.random_range(0..20);
        let fresh = self.rng.random_range(0..PODS);
        let free = !self.pods.contains_key(&format!("p{fresh}"));
        let Some(spec) = self.pods.get(&name).map(|p| p.spec) else {
            return;
        };
        match kind {
            0..=2 if free => self.add(fresh),
            0..=9 => self.trouble_pod(kind, &name, down),
            10 => {
                self.nodes_drained.insert(spec.node);
                let undrain = Event::Undrain(DrainTarget::Node(spec.node));
                self.again(down, undrain);
            }
            11 => {
                self.again(0, Event::Crash);
                self.again(down, Event::Restart);
            }
            12 => {
                self.registry_up = false;
                self.again(down, Event::RegistryBack);
            }
            13 => self.again(0, Event::ProxyCrash(fresh as usize % 2)),
            14 => {
                self.source_up = false;
                self.again(down, Event::SourceBack);
            }
            15 => {
                self.region_drained = Some(spec.region);
                self.again(down, Event::Undrain(DrainTarget::Region(spec.region)));
            }
            17 => {
                self.callers_up = false;
                self.again(down, Event::CallersBack);
            }
            18 | 19 => {
                let by = [300, 3_000, 60_000, DAY][self.rng.random_range(0..4) as usize];
                self.again(0, Event::Jump(if kind == 18 { by } else { -by }));
            }
            _ => self.lose_node(spec.node),
        }
    }

    /// Something happens to one pod.
    fn trouble_pod(&mut self, kind: u64, name: &str, down: u64) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(name) else {
            return;
        };
        let staying = !pod.spec.conditions.terminating;
        match kind {
            3 | 4 => {
                pod.spec.conditions = Conditions::TERMINATING;
                let gone = Event::Gone(name.to_owned(), pod.spec.started_at.as_nanos());
                self.say(name);
                self.again(down, gone);
            }
            5 | 6 => pod.well = !pod.well,
            7 if staying => {
                pod.spec.started_at = time(now);
                (pod.well, pod.drained) = (true, false);
                self.say(name);
            }
            8 if staying => {
                pod.spec.conditions = if pod.spec.conditions.ready {
                    Conditions::STARTING
                } else {
                    Conditions::READY
                };
                self.say(name);
            }
            9 => pod.drained = !pod.drained,
            _ => {
                let node = pod.spec.node;
                self.lose_node(node);
            }
        }
    }

    /// The pods of a node vanish without a word.
    fn lose_node(&mut self, node: NodeId) {
        let on_node = self.pods.iter().filter(|(_, p)| p.spec.node == node);
        let gone: Vec<String> = on_node.map(|(n, _)| n.clone()).collect();
        for name in gone {
            self.pods.remove(&name);
            self.say(&name);
        }
    }

    /// Chaos is over: everything runs again, and what is half done is finished.
    pub(crate) fn end_chaos(&mut self) {
        self.again(0, Event::Restart);
        self.again(0, Event::RegistryBack);
        self.again(0, Event::SourceBack);
        self.again(0, Event::CallersBack);
        self.nodes_drained.clear();
        self.region_drained = None;
        if self.pods.is_empty() {
            self.add(3);
        }
        for pod in self.pods.values_mut() {
            if !pod.spec.conditions.terminating {
                pod.spec.conditions = Conditions::READY;
            }
        }
    }

    /// Says again what should be drained; confirms losses that are real.
    pub(crate) fn operate(&mut self) -> Result<(), String> {
        self.again(2_000, Event::Operator);
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        // Entries of ours that are nobody's: a new engine takes many of them away only when told.
        let nobodys = |(name, entry): (&str, &Entry)| {
            entry.owner == OWNER && engine.find(name).is_none() && !self.pods.contains_key(name)
        };
        let (mut drains, mut real) = (Vec::new(), false);
        real |= self.withheld && self.registry.service("web").any(nobodys);
        for (id, _) in engine.endpoints(self.service) {
            let Some(endpoint) = engine.endpoint(id) else {
                continue;
            };
            let pod = self.pods.get(endpoint.name);
            drains.push((DrainTarget::Endpoint(id), pod.is_some_and(|p| p.drained)));
            real |= endpoint.held && pod.is_none();
        }
        let nodes = self
            .ids
            .nodes
            .map(|n| (DrainTarget::Node(n), self.nodes_drained.contains(&n)));
        drains.extend(nodes);
        let regions = self
            .ids
            .regions
            .map(|c| (DrainTarget::Region(c), self.region_drained == Some(c)));
        drains.extend(regions);
        for (target, on) in drains {
            // Only a region takes its time.
            let over = Duration::from_secs(3);
            self.tell(Input::Drain { target, on, over })?;
        }
        // One that is held in error comes back with the next list before it is confirmed, or after.
        let patient = !self.chaotic() || self.rng.random_ratio(1, 4);
        if real && patient {
            self.tell(Input::Confirm {
                service: self.service,
            })?;
        }
        Ok(())
    }
}
