//! The syncer, the registry and the proxies.

use discovery_core::pick::LowDiscrepancy;
use discovery_core::registry::{Op, transactions};

use super::events::Event;
use super::world::{OWNER, World, Writing};

impl World {
    /// One sync at a time; what has not answered for 3 s is given up.
    pub(crate) fn sync(&mut self) {
        self.again(1_000, Event::Sync);
        let stuck = self
            .writing
            .as_ref()
            .is_some_and(|w| self.now < w.began + 5_000);
        let Some(engine) = self.engine.as_ref().filter(|_| self.registry_up && !stuck) else {
            return;
        };
        let found = engine.reconcile(self.service, &self.registry, OWNER);
        self.withheld = found.withheld > 0;
        if self.withheld {
            // Of those the engine knows nothing, it says.
            self.zero_since
                .retain(|name, _| engine.find(name).is_some());
        }
        let ops = found.ops;
        let left: Vec<Vec<Op>> = transactions(&ops).map(<[Op]>::to_vec).collect();
        let mut end = self.registry.clone();
        let serves = ops.iter().all(|op| end.apply(op).is_ok()) && super::checks::serving(&end) > 0;
        self.syncs += 1;
        let id = self.syncs;
        self.writing = Some(Writing {
            id,
            began: self.now,
            left,
            serves,
        });
        self.written(id, true);
    }

    pub(crate) fn write(&mut self, id: u64, ops: &[Op]) -> Result<(), String> {
        if !self.registry_up || id <= self.fence {
            return Ok(());
        }
        let mut well = true;
        for op in ops {
            let before = super::checks::serving(&self.registry);
            let done = self.registry.apply(op);
            self.log
                .push(format!("{} sync {id} {op:?}: {done:?}", self.now));
            well &= done.is_ok();
            self.emptied(before, id)?;
        }
        self.send(Event::Written(id, well));
        Ok(())
    }

    /// The registry never runs empty on the way to a plan that leaves somebody in it.
    pub(crate) fn emptied(&self, before: usize, id: u64) -> Result<(), String> {
        let ours = self.writing.as_ref().filter(|w| w.id == id && w.serves);
        if ours.is_some() && before > 0 && super::checks::serving(&self.registry) == 0 {
            return Err(format!(
                "{}: sync {id} emptied the registry on its way",
                self.now
            ));
        }
        Ok(())
    }

    /// The next transaction of a sync, or its end.
    pub(crate) fn written(&mut self, id: u64, well: bool) {
        let Some(writing) = self.writing.as_mut().filter(|w| w.id == id) else {
            return;
        };
        if !well {
            self.writing = None;
        } else if writing.left.is_empty() {
            self.clean_sync = Some(writing.began);
            self.writing = None;
        } else {
            let ops = writing.left.remove(0);
            self.send(Event::Write(id, ops));
        }
    }

    pub(crate) fn poll(&mut self, i: usize) {
        self.again(700, Event::Poll(i));
        if !self.registry_up {
            return;
        }
        let open = self.registry.service("web").filter(|(_, e)| e.open());
        let (names, weights): (Vec<_>, Vec<_>) =
            open.map(|(n, e)| (n.to_owned(), e.weight)).unzip();
        let proxy = &mut self.proxies[i];
        if (&names, &weights) != (&proxy.names, &proxy.weights) {
            proxy.picker = LowDiscrepancy::new(&weights, i as u64);
            (proxy.names, proxy.weights) = (names, weights);
        }
        // A sync that is being written has changed what an earlier one left.
        proxy.seen_sync = self.clean_sync;
    }
}
