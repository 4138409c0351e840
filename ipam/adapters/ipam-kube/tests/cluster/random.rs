//! Random clusters, faults and deaths of controllers; a seed that fails is printed.

use crate::common::objects::retention;
use crate::common::process::Process;
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use ipam::rng::{Xoshiro256PlusPlus, stream};
use kube_double::{Fault, Value};
use rand::RngExt as _;
use std::time::Duration;

struct World {
    rig: Rig,
    rng: Xoshiro256PlusPlus,
    controllers: Vec<Process>,
    made: u32,
}

const PLURALS: [&str; 4] = ["pods", "statefulsets", "deployments", "replicasets"];

impl World {
    fn below(&mut self, most: u32) -> u32 {
        self.rng.random_range(0..most)
    }

    fn number(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// One of the objects of a resource.
    fn any(&mut self, plural: &str) -> Option<Value> {
        let mut all = self.rig.double.all(plural);
        match u32::try_from(all.len()).unwrap() {
            0 => None,
            count => Some(all.swap_remove(self.below(count) as usize)),
        }
    }

    fn delete(&mut self, plural: &str) {
        if let Some(object) = self.any(plural) {
            let name = object["metadata"]["name"].as_str().unwrap();
            self.rig.double.delete(plural, "shop", name);
        }
    }

    fn change(&mut self) {
        let retain = ["fixed", "sticky=10m", "ephemeral", ""][self.below(4) as usize];
        match self.below(12) {
            0 => {
                let (name, replicas) = (format!("s{}", self.below(4)), self.below(4));
                if self.rig.double.get("statefulsets", "shop", &name).is_none() {
                    self.rig.stateful_set(&name, retention(retain), replicas);
                }
            }
            1 => {
                let (name, pod) = (format!("d{}", self.below(4)), format!("p{}", self.number()));
                if self.rig.double.get("deployments", "shop", &name).is_none() {
                    self.rig.deployment(&name, retention(retain), &[&pod]);
                }
            }
            2 | 3 => {
                if let Some(set) = self.any("statefulsets") {
                    let (ordinal, node) = (self.below(4), format!("h{}", self.below(3)));
                    let name = set["metadata"]["name"].as_str().unwrap().to_owned();
                    if self
                        .rig
                        .double
                        .get("pods", "shop", &format!("{name}-{ordinal}"))
                        .is_none()
                    {
                        self.rig.set_pod(&name, ordinal, &node);
                    }
                }
            }
            4 | 5 => {
                if let Some(set) = self.any("replicasets") {
                    let pod = format!("p{}", self.number());
                    self.rig
                        .replica(set["metadata"]["name"].as_str().unwrap(), &pod, "h1");
                }
            }
            6 => drop(self.rig.pod(&format!("p{}", self.made))),
            7 | 8 => self.delete("pods"),
            9 => {
                if let Some(mut pod) = self.any("pods") {
                    pod["status"]["phase"] = ["Running", "Failed"][self.below(2) as usize].into();
                    if self
                        .rig
                        .double
                        .get("pods", "shop", pod["metadata"]["name"].as_str().unwrap())
                        .is_some_and(|there| there["status"]["phase"] != "Failed")
                    {
                        self.rig.double.apply("pods", pod);
                    }
                }
            }
            10 => self.delete("statefulsets"),
            _ => {
                if let Some(set) = self.any("replicasets") {
                    let name = set["metadata"]["name"].as_str().unwrap();
                    self.rig.double.delete("replicasets", "shop", name);
                    self.rig
                        .double
                        .delete("deployments", "shop", name.trim_end_matches("-1"));
                }
            }
        }
    }

    fn harm(&mut self) {
        let plural = PLURALS[self.below(4) as usize];
        let (verb, of) = [
            ("list", plural),
            ("watch", plural),
            ("patch", "pods"),
            ("get", "pods"),
            ("update", "leases"),
            ("get", "leases"),
        ][self.below(6) as usize];
        let fault = Fault::on(verb, of)
            .after(self.below(3) as usize)
            .times(1 + self.below(4) as usize);
        let seconds = Duration::from_secs(u64::from(self.below(20)));
        let codes = [403, 409, 410, 429, 500, 503];
        let code = codes[self.below(6) as usize];
        let fault = match self.below(6) {
            0 => fault.status(code),
            1 => fault.lost(500),
            2 => fault.slow(seconds),
            3 => fault.late(seconds),
            4 => fault.garbage(),
            _ => fault.cut(self.below(3) as usize),
        };
        match self.below(5) {
            0 => self.rig.double.cut(plural),
            1 => self.rig.double.compact(plural),
            2 => self.rig.double.bookmark(plural),
            _ => self.rig.double.fault(fault),
        }
    }

    fn strike(&mut self) {
        let steps = u64::from(self.below(40));
        let which = self.below(self.controllers.len() as u32) as usize;
        match self.below(4) {
            0 => self.controllers[which] = self.rig.start(),
            1 => self.controllers[which].stop_after(steps),
            _ => self.controllers[which].go_on(),
        }
    }
}

/// Deletes pods whose owner is gone, as the garbage collector does.
fn collect_garbage(rig: &Rig) {
    let uids = |plural| {
        rig.double
            .all(plural)
            .into_iter()
            .map(|o| o["metadata"]["uid"].clone())
    };
    let there: Vec<Value> = PLURALS.into_iter().flat_map(uids).collect();
    for pod in rig.double.all("pods") {
        let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
        if !owner.is_null() && !there.contains(owner) {
            rig.delete_pod(pod["metadata"]["name"].as_str().unwrap());
        }
    }
}

fn run_seed(seed: u64) {
    run(async move {
        let rig = Rig::new().await;
        rig.double.limit_pages(3);
        let controllers = vec![rig.start(), rig.start()];
        let mut world = World {
            rig,
            rng: stream(seed, "world"),
            controllers,
            made: 0,
        };
        for _ in 0..150 {
            match world.below(10) {
                0..6 => world.change(),
                6..8 => world.harm(),
                _ => world.strike(),
            }
            let millis = u64::from(world.below(4000));
            pass(Duration::from_millis(millis)).await;
            world.rig.check_told().await;
        }
        world.rig.double.mend();
        world.controllers.iter().for_each(Process::go_on);
        pass(SETTLED).await;
        world.rig.check_told().await;
        collect_garbage(&world.rig);
        pass(2 * COLLECTED).await;
        world.rig.check().await;
    });
}

#[test]
fn random_clusters_come_to_rest_as_they_should() {
    let seeds = std::env::var("BERTH_KUBE_SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(40);
    for seed in 0..seeds {
        let failed = std::panic::catch_unwind(|| run_seed(seed)).is_err();
        assert!(!failed, "seed {seed} fails");
    }
}
