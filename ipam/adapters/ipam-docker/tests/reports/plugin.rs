//! A plugin on a store in memory, called as an engine calls it.

use ipam::collect::Census;
use ipam::store::{MemoryStore, ready};
use ipam::{Ipam, Replica, Timestamp};
use ipam_docker::{AutoRange, Call, Driver, EngineView, Refusal, Reply};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;

/// A plugin on a store in memory.
pub(crate) struct Plugin {
    pub(crate) replica: Replica<MemoryStore>,
    pub(crate) driver: Driver,
    pub(crate) now: Timestamp,
}

pub(crate) fn pause(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

impl Plugin {
    pub(crate) fn new() -> Self {
        let range: AutoRange = "10.200.0.0/20:24".parse().expect("a range");
        Self::of(MemoryStore::default(), Driver::new("h1").auto(range))
    }

    pub(crate) fn of(store: MemoryStore, driver: Driver) -> Self {
        let now = Timestamp::from_secs(1);
        let replica = ready(Replica::open(store, now, 7))
            .expect("at once")
            .expect("a store");
        Self {
            replica,
            driver,
            now,
        }
    }

    pub(crate) fn ask(&mut self, method: &str, body: &Value) -> Result<Reply, Refusal> {
        let call = Call::read(
            &format!("/IpamDriver.{method}"),
            body.to_string().as_bytes(),
        )?;
        let answer = self
            .driver
            .answer(&mut self.replica, self.now, &call, pause);
        ready(answer).expect("at once")
    }

    pub(crate) fn pool(
        &mut self,
        subnet: &str,
        range: &str,
        v6: bool,
        options: &Value,
    ) -> Result<String, Refusal> {
        let body = json!({"AddressSpace": "berth-local", "Pool": subnet, "SubPool": range, "Options": options, "V6": v6});
        match self.ask("RequestPool", &body)? {
            Reply::Pool { id, .. } => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn subnet(&mut self, subnet: &str) -> String {
        self.pool(subnet, "", false, &json!({})).expect("a pool")
    }

    pub(crate) fn address(&mut self, pool: &str, address: &str) -> Result<String, Refusal> {
        let body = json!({"PoolID": pool, "Address": address, "Options": null});
        self.addressed(&body)
    }

    pub(crate) fn gateway(&mut self, pool: &str, address: &str) -> Result<String, Refusal> {
        let options = json!({"RequestAddressType": "com.docker.network.gateway"});
        self.addressed(&json!({"PoolID": pool, "Address": address, "Options": options}))
    }

    pub(crate) fn addressed(&mut self, body: &Value) -> Result<String, Refusal> {
        match self.ask("RequestAddress", body)? {
            Reply::Address(address) => Ok(address),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn release(&mut self, pool: &str, address: &str) {
        let address = address.split('/').next().unwrap_or_default();
        let body = json!({"PoolID": pool, "Address": address});
        assert_eq!(self.ask("ReleaseAddress", &body), Ok(Reply::Done));
    }

    pub(crate) fn remove(&mut self, pool: &str) {
        assert_eq!(
            self.ask("ReleasePool", &json!({"PoolID": pool})),
            Ok(Reply::Done)
        );
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    pub(crate) fn held(&self) -> Vec<String> {
        let claims = self.replica.ipam().claims();
        let mut held: Vec<String> = claims
            .flat_map(|claim| claim.addresses().map(|a| a.to_string()).collect::<Vec<_>>())
            .collect();
        held.sort();
        held
    }

    /// Two passes of collection beside what the engine runs.
    pub(crate) fn collect(&mut self, networks: &Value, containers: &Value) {
        let view = EngineView::read(
            "berth",
            networks.to_string().as_bytes(),
            containers.to_string().as_bytes(),
        )
        .expect("answers");
        for _ in 0..2 {
            self.wait(1000);
            let (began, driver) = (self.now, self.driver.clone());
            self.wait(1);
            let decide = |ipam: &Ipam| {
                let lives = |owner: &str| driver.lives(&view, owner).unwrap_or(true);
                let census = Census {
                    began,
                    grace: Duration::from_secs(900),
                    lives: &lives,
                };
                Ok::<_, Infallible>(((), ipam.decide_collection(&[], Some(census)).changes))
            };
            ready(self.replica.transact(self.now, decide, pause))
                .expect("at once")
                .expect("collected");
        }
    }
}
