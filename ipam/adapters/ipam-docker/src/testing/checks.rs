//! What must hold between an engine and its plugin, at any time and after a while.

use super::world::{Loss, Op, World};
use crate::{Attachment, EngineView, Refusal};
use ipam::collect::Census;
use ipam::store::ready;
use ipam::{Change, Ipam};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

/// How long an owner must be missing.
const GRACE: Duration = Duration::from_secs(60);

impl World {
    fn may_be_gateway(&self, address: IpAddr) -> bool {
        let owner = Attachment::Gateway { address }.owner("h1");
        self.ipam().claim_of(&owner).is_some() && self.view().has(Attachment::Gateway { address })
    }

    fn view(&self) -> EngineView {
        let (mut networks, mut containers) = (Vec::new(), Vec::new());
        for (i, network) in self.networks.iter().enumerate() {
            // Of a gateway that was not asked for by number, an engine tells nothing.
            let config = json!({"Subnet": network.prefix, "IPRange": network.range});
            networks.push(
                json!({"Id": i.to_string(), "IPAM": {"Driver": "berth", "Config": [config]}}),
            );
            for (address, _) in &network.containers {
                let key = if address.is_ipv4() {
                    "IPAddress"
                } else {
                    "GlobalIPv6Address"
                };
                let endpoint = json!({"NetworkID": i.to_string(), key: address.to_string(), "Gateway": network.gateway.to_string()});
                containers.push(json!({"NetworkSettings": {"Networks": {"n": endpoint}}}));
            }
        }
        let (networks, containers) = (
            Value::from(networks).to_string(),
            Value::from(containers).to_string(),
        );
        EngineView::read("berth", networks.as_bytes(), containers.as_bytes())
            .expect("what an engine answers")
    }

    pub(super) fn settle(&mut self) {
        let (view, began, driver) = (self.view(), self.now, self.driver.clone());
        self.now = self.now.after(Duration::from_millis(1));
        let now = self.now;
        let excess = driver.excess(self.ipam(), &view);
        let due = self.excess.note(now, &excess, GRACE);
        let wait = |_| std::future::ready(());
        let settle = |ipam: &Ipam| {
            let mut settled = driver.settle(ipam, &view, &due, &|_| false)?;
            let changes = std::mem::take(&mut settled.changes);
            Ok::<_, Refusal>((settled, changes))
        };
        let settled = ready(self.replica().transact(now, settle, wait))
            .expect("at once")
            .expect("settled");
        assert_eq!(
            settled.adopted,
            Vec::<IpAddr>::new(),
            "nothing was lost of the store"
        );
        let collect = |ipam: &Ipam| {
            let lives = |owner: &str| driver.lives(&view, owner).unwrap_or(true);
            let grace = GRACE;
            let census = Census {
                began,
                grace,
                lives: &lives,
            };
            Ok::<_, Infallible>(((), ipam.decide_collection(&[], Some(census)).changes))
        };
        ready(self.replica().transact(now, collect, wait))
            .expect("at once")
            .expect("collected");
        let tidy = |ipam: &Ipam| Ok::<_, Refusal>(((), driver.tidy(ipam)? as Vec<Change<'static>>));
        ready(self.replica().transact(now, tidy, wait))
            .expect("at once")
            .expect("tidied");
    }

    /// What must hold at any time: each address that the engine has is its own in the store.
    pub(super) fn check(&self) {
        let ipam = self.ipam();
        assert_eq!(ipam.check_invariants(), Ok(()));
        let mut all: Vec<IpAddr> = Vec::new();
        for network in &self.networks {
            all.extend(network.containers.iter().map(|(address, _)| *address));
        }
        let apart: BTreeSet<&IpAddr> = all.iter().collect();
        assert_eq!(apart.len(), all.len(), "no container has another's address");
        let held = held(ipam);
        for address in self.addresses() {
            assert!(held.contains(&address), "{address} is used and not held");
        }
    }

    /// Nothing is lost for ever: passes later, the store holds what the engine has, and nothing once that is gone.
    ///
    /// # Panics
    /// When it is not so.
    pub fn check_convergence(&mut self) {
        for _ in 0..3 {
            self.step(Op::Settle);
            self.step(Op::Wait(100));
        }
        let mut left = held(self.ipam());
        left.retain(|address| !self.addresses().contains(address));
        // Networks that share a pool do not tell whose gateway one is, until the last goes.
        left.retain(|address| !self.may_be_gateway(*address));
        assert_eq!(left, BTreeSet::new(), "nothing is leaked");
        assert_eq!(self.driver.excess(self.ipam(), &self.view()), []);
        while !self.networks.is_empty() {
            while !self.networks[0].containers.is_empty() {
                self.step(Op::Stop(0, Loss::Nothing));
            }
            self.step(Op::Remove(0, Loss::Nothing));
        }
        assert_eq!(self.ipam().claim_count(), 0);
        // What is retained ends, and then its quarantine.
        for _ in 0..3 {
            self.step(Op::Wait(3700));
            self.step(Op::Settle);
        }
        assert_eq!(self.ipam().pools().count(), 0, "no pool is left");
    }
}

fn held(ipam: &Ipam) -> BTreeSet<IpAddr> {
    ipam.claims()
        .flat_map(|claim| claim.addresses().collect::<Vec<_>>())
        .collect()
}
