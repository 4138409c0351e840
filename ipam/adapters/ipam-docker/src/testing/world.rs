//! An engine, a plugin and a store, and what gets lost between them.

use crate::{AutoRange, Call, Driver, Excess, Refusal, Reply};
use ipam::store::{MemoryStore, ready};
use ipam::{Ipam, Replica, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// It is answered.
    #[default]
    Nothing,
    /// It never arrives.
    Request,
    /// It is done, and its answer is lost; the engine then sends an empty body.
    Reply,
}

/// What an operator, an engine, or fate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A network of one of few prefixes, of a range of it, or of none.
    Create(u8, Loss),
    /// A network goes, if nobody is on it.
    Remove(u8, Loss),
    /// A container on a network, with an address that is asked for or not.
    Run(u8, Option<u8>, Loss),
    /// A container ends.
    Stop(u8, Loss),
    /// A container is restarted.
    Restart(u8),
    /// An address that nobody has is given back.
    ReleaseUnknown(u8),
    /// Time passes, in seconds.
    Wait(u16),
    /// The plugin is killed and started.
    KillPlugin,
    /// The engine is killed and started; its containers are gone, and it gives their addresses back if it can.
    KillEngine(bool),
    /// The plugin looks at what the engine runs.
    Settle,
}

#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) pool: String,
    pub(super) prefix: String,
    pub(super) range: String,
    pub(super) gateway: IpAddr,
    pub(super) containers: Vec<(IpAddr, Option<u8>)>,
}

/// An engine, a plugin and a store.
#[derive(Debug)]
pub struct World {
    pub(super) replica: Option<Replica<MemoryStore>>,
    pub(super) driver: Driver,
    pub(super) excess: Excess,
    pub(super) now: Timestamp,
    pub(super) networks: Vec<Network>,
}

/// Prefixes and ranges of networks; the last is for who names none.
const PREFIXES: [(&str, &str); 5] = [
    ("10.9.0.0/29", ""),
    ("10.9.0.0/29", "10.9.0.4/30"),
    ("10.8.0.0/28", ""),
    ("fd00:9::/125", ""),
    ("", ""),
];

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Nothing is there.
    ///
    /// # Panics
    /// Never: a store in memory opens at once.
    #[must_use]
    pub fn new() -> Self {
        let now = Timestamp::from_secs(1);
        let open = Replica::open(MemoryStore::default(), now, 7);
        let replica = ready(open).expect("at once").expect("a store in memory");
        let range: AutoRange = "10.200.0.0/22:24".parse().expect("a range");
        Self {
            replica: Some(replica),
            driver: Driver::new("h1").auto(range),
            excess: Excess::default(),
            now,
            networks: Vec::new(),
        }
    }

    pub(super) fn replica(&mut self) -> &mut Replica<MemoryStore> {
        self.replica
            .as_mut()
            .expect("between operations it is there")
    }

    /// The state.
    ///
    /// # Panics
    /// Never: between operations it is there.
    #[must_use]
    pub fn ipam(&self) -> &Ipam {
        self.replica
            .as_ref()
            .expect("between operations it is there")
            .ipam()
    }

    fn call(&mut self, method: &str, body: &Value, loss: Loss) -> Option<Result<Reply, Refusal>> {
        if loss == Loss::Request {
            return None;
        }
        let path = format!("/IpamDriver.{method}");
        let call = Call::read(&path, body.to_string().as_bytes()).expect("a call");
        let (now, driver) = (self.now, self.driver.clone());
        let answer = driver.answer(self.replica(), now, &call, |_| std::future::ready(()));
        let answer = ready(answer).expect("at once");
        if loss == Loss::Reply {
            assert!(Call::read(&path, b"").is_err(), "an empty body is refused");
            return None;
        }
        Some(answer)
    }

    /// Does it, and checks what must hold.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn step(&mut self, op: Op) {
        match op {
            Op::Create(which, loss) => self.create(which, loss),
            Op::Remove(which, loss) => self.remove(which, loss),
            Op::Run(network, ip, loss) => {
                if let Some(at) = self.at(network) {
                    self.run(at, ip, loss);
                }
            }
            Op::Stop(network, loss) => {
                if let Some(at) = self.at(network)
                    && let Some((address, _)) = self.networks[at].containers.pop()
                {
                    self.release(at, address, loss);
                }
            }
            Op::Restart(network) => self.restart(network),
            Op::ReleaseUnknown(number) => {
                if let Some(at) = self.at(number) {
                    let address = format!("10.9.0.{number}");
                    let known = self.addresses().iter().any(|a| a.to_string() == address);
                    let body = json!({"PoolID": self.networks[at].pool, "Address": address});
                    let answer =
                        (!known).then(|| self.call("ReleaseAddress", &body, Loss::Nothing));
                    assert!(
                        answer
                            .flatten()
                            .is_none_or(|answer| answer == Ok(Reply::Done))
                    );
                }
            }
            Op::Wait(seconds) => self.now = self.now.after(Duration::from_secs(seconds.into())),
            Op::KillPlugin => {
                let store = self.replica.take().expect("it is there").into_store();
                let open = ready(Replica::open(store, self.now, 9)).expect("at once");
                self.replica = Some(open.expect("the store"));
                self.excess = Excess::default();
            }
            Op::KillEngine(releases) => {
                for at in 0..self.networks.len() {
                    let gone = std::mem::take(&mut self.networks[at].containers);
                    let loss = if releases {
                        Loss::Nothing
                    } else {
                        Loss::Request
                    };
                    gone.iter()
                        .for_each(|(address, _)| self.release(at, *address, loss));
                }
            }
            Op::Settle => self.settle(),
        }
        self.check();
    }

    fn at(&self, number: u8) -> Option<usize> {
        let count = self.networks.len();
        (count > 0).then(|| usize::from(number) % count)
    }

    fn create(&mut self, which: u8, loss: Loss) {
        let (prefix, range) = PREFIXES[usize::from(which) % PREFIXES.len()];
        let body = json!({"AddressSpace": "berth-local", "Pool": prefix, "SubPool": range, "Options": {}, "V6": false});
        let Some(Ok(Reply::Pool { id, prefix: given })) = self.call("RequestPool", &body, loss)
        else {
            return;
        };
        if prefix.is_empty() {
            let twice = self.networks.iter().any(|n| n.prefix == given);
            assert!(
                !twice,
                "{given} is given to a network that names none, and in use"
            );
        }
        let body = json!({"PoolID": id, "Address": "", "Options": {"RequestAddressType": "com.docker.network.gateway"}});
        match self.call("RequestAddress", &body, Loss::Nothing) {
            Some(Ok(Reply::Address(gateway))) => self.networks.push(Network {
                pool: id,
                prefix: given,
                range: range.to_owned(),
                gateway: parsed(&gateway),
                containers: Vec::new(),
            }),
            _ => {
                self.call("ReleasePool", &json!({"PoolID": id}), Loss::Nothing);
            }
        }
    }

    fn remove(&mut self, which: u8, loss: Loss) {
        let Some(at) = self
            .at(which)
            .filter(|at| self.networks[*at].containers.is_empty())
        else {
            return;
        };
        let gateway = self.networks[at].gateway;
        self.release(at, gateway, Loss::Nothing);
        let network = self.networks.remove(at);
        self.call("ReleasePool", &json!({"PoolID": network.pool}), loss);
    }

    fn run(&mut self, at: usize, ip: Option<u8>, loss: Loss) {
        let network = &self.networks[at];
        let base = network.gateway.to_string();
        let cut = base.rfind(['.', ':']).map_or(0, |dot| dot + 1);
        let asked = ip
            .map(|ip| format!("{}{}", &base[..cut], ip % 16))
            .unwrap_or_default();
        let body = json!({"PoolID": network.pool, "Address": asked, "Options": null});
        if let Some(Ok(Reply::Address(address))) = self.call("RequestAddress", &body, loss) {
            let address = parsed(&address);
            assert!(asked.is_empty() || address.to_string() == asked);
            assert!(
                !self.addresses().contains(&address),
                "{address} is given twice"
            );
            self.networks[at].containers.push((address, ip));
        }
    }

    fn release(&mut self, at: usize, address: IpAddr, loss: Loss) {
        let body = json!({"PoolID": self.networks[at].pool, "Address": address.to_string()});
        let answer = self.call("ReleaseAddress", &body, loss);
        assert!(answer.is_none_or(|answer| answer == Ok(Reply::Done)));
    }

    fn restart(&mut self, network: u8) {
        let Some(at) = self.at(network) else { return };
        let Some((address, ip)) = self.networks[at].containers.pop() else {
            return;
        };
        // Else an earlier one, whose release is as young, would come first.
        self.now = self.now.after(Duration::from_secs(10));
        self.release(at, address, Loss::Nothing);
        self.run(at, ip, Loss::Nothing);
        let again = self.networks[at]
            .containers
            .last()
            .map(|(address, _)| *address);
        assert_eq!(again, Some(address), "an address is kept over a restart");
    }

    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        let of = |network: &Network| {
            let containers = network.containers.iter().map(|(address, _)| *address);
            containers.chain([network.gateway]).collect::<Vec<_>>()
        };
        self.networks.iter().flat_map(of).collect()
    }
}

fn parsed(address: &str) -> IpAddr {
    let (address, _) = address.split_once('/').expect("a prefix length");
    address.parse().expect("an address")
}
