//! go-ipam: addresses and child prefixes of prefixes, lowest first.

use crate::{START, address, cases, items, network, same, text};
use ipam::{
    Cidr, Ipam, PoolSpec, Request,
    claim::{ClaimError, Families, Holder, UnavailableReason},
    net::{Family, Prefixes},
    pool::{Affinity, Order},
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use test_support::{Value, VectorFile};

pub(crate) fn go_ipam_traces() {
    let mut file = VectorFile::open("go_ipam_traces.json");
    let json = file.json().clone();
    // A subtest goes on where the one before it stopped, unless it begins with a prefix of its own.
    let mut spaces = Spaces::new();
    let fields = ["parallel", "ops", "replay_checked_lowest_free"];
    for (id, case) in cases(&json, "traces", &fields) {
        let id = format!("{id} {}", text(&case["test"]));
        if case["parallel"] == true {
            file.case(&id, parallel(case));
        } else if case["replay_checked_lowest_free"] == false {
            file.differs(
                &id,
                "the recording misses calls that altered the state directly",
            );
        } else {
            if case["ops"][0]["op"] == "NewPrefix" {
                spaces.clear();
            }
            file.case(&id, replay(case, &mut spaces));
        }
    }
    for (id, case) in cases(&json, "prefixes_overlapping", &["existing", "new", "error"]) {
        file.case(&id, overlapping(case));
    }
    file.finish();
}

/// New prefixes beside existing ones: pools must not overlap.
fn overlapping(case: &Value) -> Result<(), String> {
    let list = |key: &str| -> Result<Vec<Cidr>, String> {
        items(&case[key]).iter().map(|p| network(text(p))).collect()
    };
    // A child lies inside its parent, which was checked when it came: the outermost ones count.
    let existing = list("existing")?;
    let inner = |c: &Cidr| {
        existing
            .iter()
            .any(|o| o != c && o.contains(c.first()) && o.prefix() < c.prefix())
    };
    let mut ipam = Ipam::new(1);
    for (i, cidr) in existing.iter().filter(|c| !inner(c)).enumerate() {
        ipam.add_pool(START, spec(&format!("e{i}"), *cidr))
            .map_err(|e| e.to_string())?;
    }
    let mut outcome = Ok(());
    for (i, cidr) in list("new")?.into_iter().enumerate() {
        let added = ipam.add_pool(START, spec(&format!("n{i}"), cidr));
        outcome = outcome.and(added.map(|_| ()));
    }
    same("refused", outcome.is_err(), !case["error"].is_null())
}

/// go-ipam keeps the first address back, and in IPv4 the last, in prefixes of any length.
fn spec(name: &str, cidr: Cidr) -> PoolSpec {
    let mut spec = PoolSpec::new(name, cidr)
        .order(Order::Lowest)
        .affinity(Affinity::Off);
    spec = spec.quarantine(Duration::ZERO).exclude(cidr.first());
    if cidr.family() == Family::V4 {
        spec.exclude(cidr.last())
    } else {
        spec
    }
}

/// One namespace: prefixes that hold addresses are pools, prefixes that hold prefixes are carved.
#[derive(Default)]
struct Namespace {
    ipam: Option<Ipam>,
    carved: BTreeMap<Cidr, Prefixes>,
    parents: BTreeMap<Cidr, Cidr>,
    claims: usize,
}

impl Namespace {
    fn ipam(&mut self) -> &mut Ipam {
        self.ipam.get_or_insert_with(|| Ipam::new(1))
    }

    fn known(&mut self, cidr: Cidr) -> bool {
        self.carved.contains_key(&cidr) || self.ipam().pool(&cidr.to_string()).is_some()
    }

    /// A known prefix of a call's argument.
    fn prefix(&mut self, argument: &Value) -> Result<Cidr, String> {
        let cidr = network(text(argument)).map_err(|e| format!("NotFound: {e}"))?;
        if self.known(cidr) {
            Ok(cidr)
        } else {
            Err(format!("NotFound: {cidr}"))
        }
    }

    fn new_prefix(&mut self, cidr: Cidr) -> Result<(), String> {
        let carved: Vec<Cidr> = self.carved.keys().copied().collect();
        if let Some(other) = carved.into_iter().find(|c| c.overlaps(cidr)) {
            return Err(format!("{cidr} overlaps {other}"));
        }
        let added = self.ipam().add_pool(START, spec(&cidr.to_string(), cidr));
        added.map(|_| ()).map_err(|e| e.to_string())
    }

    fn acquire(&mut self, cidr: Cidr, ip: &str) -> Result<String, String> {
        if self.carved.contains_key(&cidr) {
            return Err("the prefix has child prefixes".into());
        }
        let asked: Vec<IpAddr> = match ip {
            "" => Vec::new(),
            ip => vec![ip.parse().map_err(|_| format!("{ip} is no address"))?],
        };
        self.claims += 1;
        let owner = format!("ip{}", self.claims);
        let families = if cidr.family() == Family::V4 {
            Families::V4
        } else {
            Families::V6
        };
        let name = cidr.to_string();
        let pools = [name.as_str()];
        let request = Request::new(&owner)
            .families(families)
            .pools(&pools)
            .addresses(&asked);
        match self.ipam().claim(START, &request) {
            Ok(grant) => Ok(grant.address().map(|a| a.to_string()).unwrap_or_default()),
            Err(error @ ClaimError::Exhausted { .. }) => Err(format!("NoIPAvailable: {error}")),
            Err(ClaimError::Unavailable {
                address,
                reason: reason @ (UnavailableReason::Held { .. } | UnavailableReason::Excluded(_)),
            }) => Err(format!("AlreadyAllocated: {address} {reason}")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn release(&mut self, cidr: Cidr, ip: &str) -> Result<(), String> {
        let missing = || format!("NotFound: {ip} is not allocated in {cidr}");
        let address: IpAddr = ip.parse().map_err(|_| missing())?;
        let holder = match self.ipam().holder(address) {
            Some(Holder::Held(claim)) if cidr.contains(address) => {
                Some((claim.owner().to_owned(), claim.sequence()))
            }
            _ => None,
        };
        let (owner, sequence) = holder.ok_or_else(missing)?;
        self.ipam()
            .release(START, &owner, sequence)
            .map_err(|e| e.to_string())
    }

    /// Carves a child: the parent stops being a pool of addresses.
    fn child(
        &mut self,
        parent: Cidr,
        take: impl Fn(&mut Prefixes) -> Result<Cidr, String>,
    ) -> Result<Cidr, String> {
        let mut carved = self
            .carved
            .get(&parent)
            .cloned()
            .unwrap_or_else(|| Prefixes::new(parent));
        // Asked on a copy: a refusal leaves the parent what it was.
        let first = !self.carved.contains_key(&parent);
        if first
            && self
                .ipam()
                .pool(&parent.to_string())
                .is_some_and(|p| p.usage().held > 0)
        {
            return Err("the prefix has ips".into());
        }
        let child = take(&mut carved)?;
        if first {
            self.ipam()
                .remove_pool(START, &parent.to_string())
                .map_err(|e| e.to_string())?;
        }
        self.carved.insert(parent, carved);
        self.parents.insert(child, parent);
        let added = self.ipam().add_pool(START, spec(&child.to_string(), child));
        added.map(|_| child).map_err(|e| e.to_string())
    }

    fn release_child(&mut self, child: Cidr) -> Result<(), String> {
        let parent = *self
            .parents
            .get(&child)
            .ok_or(format!("{child} has no parent"))?;
        if self.carved.contains_key(&child) {
            return Err(format!("{child} has child prefixes"));
        }
        self.ipam()
            .remove_pool(START, &child.to_string())
            .map_err(|e| e.to_string())?;
        let carved = self
            .carved
            .get_mut(&parent)
            .ok_or("a child without a parent")?;
        carved.release(child).map_err(|e| e.to_string())?;
        self.parents.remove(&child);
        if carved.taken().next().is_none() {
            self.carved.remove(&parent);
            let added = self
                .ipam()
                .add_pool(START, spec(&parent.to_string(), parent));
            added.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn delete(&mut self, cidr: Cidr) -> Result<(), String> {
        if self.carved.contains_key(&cidr) {
            return Err(format!("{cidr} has child prefixes"));
        }
        self.ipam()
            .remove_pool(START, &cidr.to_string())
            .map_err(|e| e.to_string())
    }

    /// Addresses of a prefix that cannot be had: held, or kept back.
    fn acquired(&mut self, cidr: Cidr) -> Option<u64> {
        let usage = self.ipam().pool(&cidr.to_string())?.usage();
        (cidr.host_bits() < 64).then(|| (1u64 << cidr.host_bits()) - usage.free)
    }

    /// What a call gives: a text, and for prefixes their addresses in use.
    fn call(&mut self, op: &Value) -> Result<Outcome, String> {
        let args = &op["args"];
        match text(&op["op"]) {
            "NewPrefix" => {
                let cidr = network(text(&args[1]))?;
                self.new_prefix(cidr)?;
                Ok(Outcome::Prefix(cidr, None))
            }
            "DeletePrefix" => {
                let cidr = self.prefix(&args[1])?;
                self.delete(cidr).map(|()| Outcome::Prefix(cidr, None))
            }
            "AcquireSpecificIP" | "AcquireIP" => {
                let cidr = self.prefix(&args[1])?;
                self.acquire(cidr, text(&args[2])).map(Outcome::Text)
            }
            "ReleaseIPFromPrefix" => {
                let cidr = self.prefix(&args[1])?;
                self.release(cidr, text(&args[2]))
                    .map(|()| Outcome::Nothing)
            }
            "AcquireChildPrefix" => {
                let parent = self.prefix(&args[1])?;
                let length = args[2]
                    .as_u64()
                    .and_then(|l| u8::try_from(l).ok())
                    .ok_or("no length")?;
                let child = self.child(parent, |p| p.take(length).map_err(|e| e.to_string()))?;
                Ok(Outcome::Prefix(child, Some(parent)))
            }
            "AcquireSpecificChildPrefix" => {
                let parent = self.prefix(&args[1])?;
                let given = network(text(&args[2]))?;
                let child =
                    self.child(parent, |p| p.take_exact(given).map_err(|e| e.to_string()))?;
                Ok(Outcome::Prefix(child, Some(parent)))
            }
            "ReleaseChildPrefix" => {
                let child = self.prefix(&args[1])?;
                self.release_child(child).map(|()| Outcome::Nothing)
            }
            other => Err(format!("no operation `{other}`")),
        }
    }
}

enum Outcome {
    Nothing,
    Text(String),
    Prefix(Cidr, Option<Cidr>),
}

type Spaces = BTreeMap<String, Namespace>;

fn replay(case: &Value, spaces: &mut Spaces) -> Result<(), String> {
    for (i, op) in items(&case["ops"]).iter().enumerate() {
        let space = spaces.entry(text(&op["args"][0]).to_owned()).or_default();
        let outcome = space.call(op);
        check(space, op, outcome)
            .map_err(|e| format!("op {i} {} {}: {e}", op["op"], op["args"]))?;
        space.ipam().check_invariants().map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn check(
    space: &mut Namespace,
    op: &Value,
    outcome: Result<Outcome, String>,
) -> Result<(), String> {
    let want = &op["result"];
    match (outcome, op["error"].as_str()) {
        (Err(ours), Some(_)) => {
            let class = text(&op["error_class"]);
            same("class", class.is_empty() || ours.starts_with(class), true)
                .map_err(|e| format!("{e}: {ours}"))
        }
        (Err(ours), None) => Err(format!("want {want}, got the error `{ours}`")),
        (Ok(_), Some(error)) => Err(format!("want the error `{error}`")),
        (Ok(Outcome::Nothing), None) => Ok(()),
        (Ok(Outcome::Text(ours)), None) => same("address", ours.as_str(), text(want)),
        (Ok(Outcome::Prefix(ours, parent)), None) => {
            same("prefix", ours, network(text(&want["cidr"]))?)?;
            let parent = parent.map_or_else(String::new, |p| p.to_string());
            same("parent", parent.as_str(), text(&want["parent"]))?;
            let theirs = want["usage"]["AcquiredIPs"].as_u64();
            let theirs = theirs.ok_or("no addresses in use are told")?;
            match space.acquired(ours) {
                Some(ours) => same("addresses in use", ours, theirs),
                // More addresses than can be counted.
                None => Ok(()),
            }
        }
    }
}

/// Calls made at once: as many succeed, each with something of its own, inside its prefix.
fn parallel(case: &Value) -> Result<(), String> {
    let mut spaces = Spaces::new();
    let mut given = BTreeSet::new();
    for op in items(&case["ops"]) {
        let space = spaces.entry(text(&op["args"][0]).to_owned()).or_default();
        let whole = network(text(&op["args"][1]))?;
        if text(&op["op"]).starts_with("Acquire") && !space.known(whole) {
            // Made by another of the traces that ran at once.
            space.new_prefix(whole)?;
        }
        // Who was given what depends on who came first: what was not given here is not given back here.
        let back = text(&op["op"]).starts_with("Release");
        let ours = match address(&op["args"][2]) {
            Some(ip) => matches!(space.ipam().holder(ip), Some(Holder::Held(_))),
            None => space.known(whole),
        };
        if back && !ours {
            continue;
        }
        let outcome = space.call(op);
        let unique = match &outcome {
            Ok(Outcome::Text(t)) => {
                let inside = address(&Value::from(t.as_str())).is_some_and(|a| whole.contains(a));
                inside && given.insert(t.clone())
            }
            Ok(Outcome::Prefix(child, Some(_))) => {
                whole.contains(child.first()) && given.insert(child.to_string())
            }
            _ => true,
        };
        same("unique and inside", unique, true)?;
        same("refused", outcome.is_err(), !op["error"].is_null())
            .map_err(|e| format!("{} {}: {e}", op["op"], op["args"]))?;
    }
    Ok(())
}
