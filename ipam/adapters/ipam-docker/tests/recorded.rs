//! The calls of a real engine, in the order in which it sent them.

use ipam::store::{MemoryStore, ready};
use ipam::{Replica, Timestamp};
use ipam_docker::{Call, Driver, Refusal, RefusalKind, Reply};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use test_support::{Need, Value};

const CALLS: Need = Need::Vectors("docker_ipam_calls.jsonl");

/// A plugin that is sent recorded calls, with what the recorded answers are with it.
struct Replay {
    replica: Replica<MemoryStore>,
    driver: Driver,
    /// Its ids of recorded pools; of one that the recorded plugin gave several times, one each.
    pools: BTreeMap<String, Vec<String>>,
    /// Its addresses for those of the recorded answers, by recorded pool.
    addresses: BTreeMap<(String, String), String>,
    /// The prefixes of its pools.
    prefixes: BTreeMap<String, String>,
    held: BTreeSet<String>,
    refused: Vec<(String, Refusal)>,
}

impl Replay {
    fn new() -> Self {
        let open = Replica::open(MemoryStore::default(), Timestamp::ZERO, 7);
        let range = |text: &str| text.parse().expect("a range");
        Self {
            replica: ready(open).expect("at once").expect("a store"),
            driver: Driver::new("h1")
                .auto(range("10.66.0.0/22:24"))
                .auto(range("fd0b:e47::/48:64")),
            pools: BTreeMap::new(),
            addresses: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            held: BTreeSet::new(),
            refused: Vec::new(),
        }
    }

    /// What the engine would have sent to this plugin.
    fn translated(&self, request: &Value) -> Value {
        let mut request = request.clone();
        let Some(recorded) = request["PoolID"].as_str().map(str::to_owned) else {
            return request;
        };
        let own = self.pools.get(&recorded).and_then(|ids| ids.last());
        if let Some(own) = own {
            request["PoolID"] = own.clone().into();
        }
        let given = request["Address"].as_str().unwrap_or_default().to_owned();
        if let Some(own) = self.addresses.get(&(recorded, given)) {
            request["Address"] = own.clone().into();
        }
        request
    }

    fn send(&mut self, now: Timestamp, call: &Value) {
        let path = call["path"].as_str().expect("a path");
        let recorded = &call["req"];
        let takes_arguments = path.contains("Request") || path.contains("Release");
        if recorded.is_null() && takes_arguments {
            let refusal = Call::read(path, b"").expect_err("an empty body is refused");
            assert_eq!(refusal.kind, RefusalKind::Bad);
            return;
        }
        let request = self.translated(recorded);
        let body = if recorded.is_null() {
            String::new()
        } else {
            request.to_string()
        };
        let sent = Call::read(path, body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {call}"));
        let answer = self
            .driver
            .answer(&mut self.replica, now, &sent, |_| std::future::ready(()));
        let answer = ready(answer).expect("at once");
        assert_eq!(self.replica.ipam().check_invariants(), Ok(()));
        match answer {
            Err(refusal) => self.refused.push((call["phase"].to_string(), refusal)),
            Ok(reply) => self.note(&sent, &reply, call),
        }
    }

    fn note(&mut self, sent: &Call, reply: &Reply, call: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (recorded, given) = (&call["req"], &call["resp"]);
        match (sent, reply) {
            (Call::RequestPool(request), Reply::Pool { id, prefix }) => {
                assert!(request.pool.is_empty() || request.pool == *prefix);
                assert!(
                    !request.pool.is_empty()
                        || self.pools.values().flatten().all(|other| other != id),
                    "{id} twice"
                );
                self.prefixes.insert(id.clone(), prefix.clone());
                self.pools
                    .entry(text(&given["PoolID"]))
                    .or_default()
                    .push(id.clone());
            }
            (Call::ReleasePool(release), Reply::Done) => {
                let ids = self.pools.get_mut(&text(&recorded["PoolID"]));
                if let Some(ids) = ids {
                    ids.retain(|id| *id != release.pool_id);
                }
                let ipam = self.replica.ipam();
                let held = ipam
                    .claims()
                    .flat_map(|claim| claim.addresses().collect::<Vec<_>>());
                let held: BTreeSet<String> = held.map(|a| a.to_string()).collect();
                self.held.retain(|address| held.contains(address));
            }
            (Call::RequestAddress(request), Reply::Address(address)) => {
                let (address, length) = address.split_once('/').expect("a prefix length");
                let whole = &self.prefixes[&request.pool_id];
                assert!(
                    whole.ends_with(&format!("/{length}")),
                    "{address}/{length} of {whole}"
                );
                assert!(request.address.is_empty() || request.address == address);
                let new = self.held.insert(address.to_owned());
                assert!(
                    new || request.is_gateway(),
                    "{address} is given twice: {call}"
                );
                let was = text(&given["Address"]);
                let was = was.split('/').next().unwrap_or_default().to_owned();
                // The recorded plugin may have refused, or run out of addresses.
                if !was.is_empty() {
                    let key = (text(&recorded["PoolID"]), was);
                    self.addresses.insert(key, address.to_owned());
                }
            }
            (Call::ReleaseAddress(release), Reply::Done) => {
                self.held.remove(&release.address);
                self.addresses
                    .remove(&(text(&recorded["PoolID"]), text(&recorded["Address"])));
            }
            (Call::Activate | Call::Capabilities | Call::AddressSpaces, reply) => {
                let json = reply.to_json();
                assert_ne!(
                    json["RequiresRequestReplay"], true,
                    "a replay ends with a pool given back that is in use"
                );
                assert!(json.is_object());
            }
            other => panic!("{other:?} answers {call}"),
        }
    }
}

/// Whether the engine sent it only because that plugin had asked for a replay.
fn is_replay(call: &Value) -> bool {
    let phase = call["phase"].as_str().unwrap_or_default();
    let path = call["path"].as_str().unwrap_or_default();
    let starts = phase.starts_with("42-") || phase.starts_with("43-");
    starts && !path.ends_with("ReleaseAddress")
}

fn a_real_engines_calls_are_answered() {
    let text = std::fs::read_to_string(CALLS.path()).expect("recorded calls");
    let calls = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a call"));
    let calls: Vec<Value> = calls.filter(|call| call.get("note").is_none()).collect();
    assert!(calls.len() > 200, "{}", calls.len());
    let start = calls[0]["t"].as_f64().expect("a time");
    // The recorded plugin forgot all between, and the engine with it.
    let (before, after): (Vec<&Value>, Vec<&Value>) = calls
        .iter()
        .partition(|call| call["phase"].as_str().is_some_and(|phase| phase < "22y"));
    let mut refused = Vec::new();
    for calls in [before, after] {
        let mut replay = Replay::new();
        for call in calls.into_iter().filter(|call| !is_replay(call)) {
            let seconds = call["t"].as_f64().expect("a time") - start;
            let now = Timestamp::ZERO.after(Duration::from_secs_f64(seconds.max(0.0)));
            replay.send(now, call);
        }
        refused.extend(replay.refused);
    }
    let refused: Vec<&str> = refused
        .iter()
        .map(|(phase, _)| phase.trim_matches('"'))
        .collect();
    let wanted = [
        // Another container has it.
        "14-run-ip-dup",
        // No pool that was not given before is left: the refusal ends an endless loop.
        "21e-v6only-subnet",
        // What an engine could not give back while the plugin was down: looking at the engine mends it.
        "26-plugin-back",
        "31-plugin-back",
        // A /30 is full.
        "46-two-subnets-one-network",
        "46-two-subnets-one-network",
        "63-two-subnets",
        "63-two-subnets",
    ];
    assert_eq!(refused, wanted);
}

test_support::tests! {
    a_real_engines_calls_are_answered [CALLS],
}
