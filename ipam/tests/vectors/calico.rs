//! Calico: blocks of hosts, in order of first use and of release, borrowing, reservations, cool-down.
//!
//! Where a host's search for blocks starts is Calico's own (a generator seeded with the host's name); the
//! host's settings name the start that the trace shows, and everything after it must follow.

use crate::{CALICO, START, cases, items, network, parsed, same, text, whole};
use ipam::{
    Cidr, Ipam, PoolSpec, Request, Timestamp,
    change::HostSettings,
    claim::{ClaimError, Families, Holder, PoolReason},
    net::{Family, number},
    pool::{Affinity, Order},
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use test_support::{Value, VectorFile};

/// Calico's `MaxBlocksPerHost` when none is given.
const DEFAULT_BLOCKS: u32 = 20;

pub(crate) fn calico_ipam_traces() {
    let mut file = VectorFile::open("calico_ipam_traces.json");
    let json = file.json().clone();
    for (_, case) in cases(&json, "cases", &CALICO) {
        let id = text(&case["name"]);
        // Calico's settings that it refuses together are no contradiction here: see the table.
        let (refused, others): (Vec<&Value>, Vec<&Value>) =
            ops(case).partition(|op| op["op"] == "set_config" && !op["error"].is_null());
        if !refused.is_empty() {
            file.differs(
                id,
                "a block limit does not need strict affinity: a host at its limit borrows",
            );
        }
        if !others.is_empty() {
            file.case(id, Trace::new(case).and_then(|mut t| t.run(case)));
        }
    }
    file.finish();
}

fn ops(case: &Value) -> impl Iterator<Item = &Value> {
    items(&case["ops"]).iter()
}

struct Trace {
    ipam: Ipam,
    block_sizes: [u8; 2],
    /// Each claim has one address; a handle's claims are numbered.
    next: usize,
    started: BTreeSet<(String, Family)>,
    now: Timestamp,
    strict: bool,
}

impl Trace {
    fn new(case: &Value) -> Result<Self, String> {
        let size = |key: &str, default| case[key].as_u64().map_or(default, |s| s as u8);
        let block_sizes = [size("block_size_v4", 26), size("block_size_v6", 122)];
        let mut ipam = Ipam::new(1);
        let pools = items(&case["pools"]).to_vec();
        for (i, pool) in pools.iter().enumerate() {
            let cidr = network(text(pool))?;
            let mut spec = PoolSpec::new(format!("p{i}"), cidr).order(Order::Lru);
            spec.block_size = block_sizes[cidr.family() as usize].max(cidr.prefix());
            spec.quarantine = Duration::ZERO;
            spec.use_edges = true;
            let reserved = items(&case["reservations"]).iter();
            let range = |r| text(r).parse::<ipam::net::AddressRange>();
            let reserved = reserved.map(range).collect::<Result<Vec<_>, _>>();
            let mut reserved = reserved.map_err(|e| e.to_string())?;
            reserved.retain(|r| r.overlaps(cidr.range()));
            spec.set_aside = reserved.into_iter().collect();
            ipam.add_pool(START, spec).map_err(|e| e.to_string())?;
        }
        Ok(Self {
            ipam,
            block_sizes,
            next: 0,
            started: BTreeSet::new(),
            now: START,
            strict: false,
        })
    }

    fn run(&mut self, case: &Value) -> Result<(), String> {
        for (i, op) in ops(case).enumerate() {
            self.step(op)
                .map_err(|e| format!("op {i} {}: {e}", op["op"]))?;
            self.ipam
                .check_invariants()
                .map_err(|e| format!("op {i}: {e}"))?;
            if !op["blocks_after"].is_null() {
                self.check_blocks(&op["blocks_after"])
                    .map_err(|e| format!("after op {i}: {e}"))?;
            }
        }
        Ok(())
    }

    fn step(&mut self, op: &Value) -> Result<(), String> {
        let args = &op["args"];
        match text(&op["op"]) {
            "set_config" if op["error"].is_null() => self.set_config(args),
            "set_config" => Ok(()),
            "auto_assign" => self.auto_assign(op),
            "assign_ip" => self.assign_ip(op),
            "release_by_handle" => self.release_by_handle(op),
            "ips_by_handle" => self.ips_by_handle(op),
            "release_ips" | "release_ip" => self.release_ips(args),
            other => Err(format!("no operation `{other}`")),
        }
    }

    fn set_config(&mut self, args: &Value) -> Result<(), String> {
        let strict = args["strict_affinity"].as_bool();
        self.strict = strict.ok_or("strict affinity is neither on nor off")?;
        let specs: Vec<PoolSpec> = self.ipam.pools().map(|p| p.spec().clone()).collect();
        for mut spec in specs {
            spec.affinity = if self.strict {
                Affinity::Strict
            } else {
                Affinity::Borrow
            };
            spec.quarantine = Duration::from_secs(whole(&args["ip_cooldown_seconds"], 0));
            let most = args["max_blocks_per_host"].as_u64().filter(|&m| m > 0);
            spec.block_limit = most.map(|m| m as u32);
            self.ipam
                .change_pool(self.now, spec)
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Tells a host's first search of a family (every one, for blocks of one address) where to start.
    fn start(&mut self, host: &str, results: &[IpAddr], limit: u32) -> Result<(), String> {
        let mut starts = Vec::new();
        for family in [Family::V4, Family::V6] {
            let first = results.iter().find(|&&a| Family::of(a) == family);
            let single = self.block_sizes[family as usize] == family.bits();
            if let Some(&first) = first
                && (single || self.started.insert((host.to_owned(), family)))
            {
                starts.push(first);
            }
        }
        let kept = self.starts_of(host);
        if starts.is_empty() {
            starts = kept;
        }
        let block_limit = Some(if limit == 0 { DEFAULT_BLOCKS } else { limit });
        let settings = HostSettings {
            block_limit,
            starts,
            ..HostSettings::default()
        };
        self.ipam
            .set_host(self.now, host, settings)
            .map_err(|e| e.to_string())
    }

    fn starts_of(&self, host: &str) -> Vec<IpAddr> {
        self.ipam
            .host_settings(host)
            .map(|s| s.starts.clone())
            .unwrap_or_default()
    }

    fn auto_assign(&mut self, op: &Value) -> Result<(), String> {
        let args = &op["args"];
        let (host, handle) = (text(&args["host"]), text(&args["handle"]));
        let want: Vec<&str> = items(&op["result"]).iter().map(text).collect();
        let addresses: Vec<IpAddr> = want
            .iter()
            .map(|w| w.split('/').next().unwrap_or(w).parse())
            .collect::<Result<_, _>>()
            .map_err(|e| format!("{want:?}: {e}"))?;
        self.start(
            host,
            &addresses,
            whole(&args["max_blocks_per_host"], 0) as u32,
        )?;
        let (mut ours, mut refused) = (Vec::new(), None);
        for (key, families) in [("num4", Families::V4), ("num6", Families::V6)] {
            for _ in 0..whole(&args[key], 0) {
                let owner = format!("{handle}#{:06}", self.next);
                self.next += 1;
                match self.ipam.claim(
                    self.now,
                    &Request::new(&owner).host(host).families(families),
                ) {
                    Ok(grant) => ours.extend(grant.address()),
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
            }
        }
        let ours: Vec<String> = ours.iter().map(|&a| self.with_mask(a)).collect();
        same(
            "result",
            ours.as_slice(),
            want.iter()
                .map(|w| (*w).to_owned())
                .collect::<Vec<_>>()
                .as_slice(),
        )?;
        // Calico tells a block limit from an exhausted pool, which is no error to it.
        match (op["error"].as_str(), refused) {
            (None, _) => Ok(()),
            (Some(_), Some(ClaimError::Exhausted { considered, .. })) => {
                let limited = considered
                    .iter()
                    .any(|c| matches!(c.reason, PoolReason::Blocks { .. }));
                same("a block limit was named", limited, true)
            }
            (Some(error), other) => Err(format!("want the error `{error}`, got {other:?}")),
        }
    }

    fn with_mask(&self, address: IpAddr) -> String {
        format!(
            "{address}/{}",
            self.block_sizes[Family::of(address) as usize]
        )
    }

    fn assign_ip(&mut self, op: &Value) -> Result<(), String> {
        let args = &op["args"];
        let asked: Vec<IpAddr> = text(&args["ip"]).parse().into_iter().collect();
        let owner = format!("{}#{:06}", text(&args["handle"]), self.next);
        self.next += 1;
        let families = match asked.first().map(|&a| Family::of(a)) {
            Some(Family::V6) => Families::V6,
            _ => Families::V4,
        };
        let host = text(&args["host"]);
        let request = Request::new(&owner)
            .host(host)
            .families(families)
            .addresses(&asked);
        let outcome = self.ipam.claim(self.now, &request);
        match (outcome, op["error"].as_str()) {
            (Ok(_), None) | (Err(_), Some(_)) => Ok(()),
            (Ok(_), Some(error)) => Err(format!("want the error `{error}`")),
            (Err(error), None) => Err(error.to_string()),
        }
    }

    /// A handle's claims, in the order in which they were made.
    fn claims_of(&self, handle: &str) -> Vec<(String, u64, Vec<IpAddr>)> {
        let mine = format!("{handle}#");
        let mut claims: Vec<_> = self
            .ipam
            .claims()
            .filter(|c| c.owner().starts_with(&mine))
            .map(|c| (c.owner().to_owned(), c.sequence(), c.addresses().collect()))
            .collect();
        claims.sort();
        claims
    }

    fn release_by_handle(&mut self, op: &Value) -> Result<(), String> {
        let claims = self.claims_of(text(&op["args"]["handle"]));
        if !op["error"].is_null() {
            return same("claims of an unknown handle", claims.len(), 0);
        }
        for (owner, sequence, _) in claims {
            self.ipam
                .release(self.now, &owner, sequence)
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn release_ips(&mut self, args: &Value) -> Result<(), String> {
        let list = match &args["ips"] {
            Value::Null => vec![args["ip"].clone()],
            list => items(list).to_vec(),
        };
        for ip in list.iter().map(parsed).collect::<Result<Vec<_>, _>>()? {
            let holder = match self.ipam.holder(ip) {
                Some(Holder::Held(claim)) => Some((claim.owner().to_owned(), claim.sequence())),
                _ => None,
            };
            if let Some((owner, sequence)) = holder {
                self.ipam
                    .release(self.now, &owner, sequence)
                    .map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// Calico answers for a handle that was released with an error or with nothing: either is nothing.
    fn ips_by_handle(&mut self, op: &Value) -> Result<(), String> {
        let claims = self.claims_of(text(&op["args"]["handle"]));
        let mut ours: Vec<IpAddr> = claims.into_iter().flat_map(|(_, _, a)| a).collect();
        ours.sort();
        let mut want = items(&op["result"])
            .iter()
            .map(parsed)
            .collect::<Result<Vec<_>, _>>()?;
        want.sort();
        same("addresses of the handle", ours, want)
    }

    fn check_blocks(&self, want: &Value) -> Result<(), String> {
        let mut wanted: Vec<&Value> = items(want).iter().collect();
        let ours: Vec<(Cidr, Option<String>)> = self
            .ipam
            .pools()
            .flat_map(|p| self.ipam.blocks(&p.spec().name).collect::<Vec<_>>())
            .map(|b| (b.cidr, b.host.map(|(h, _)| format!("host:{h}"))))
            .collect();
        wanted.retain(|w| !w["cidr"].is_null());
        same("number of blocks", ours.len(), wanted.len())?;
        for want in wanted {
            let cidr = network(text(&want["cidr"]))?;
            let found = ours
                .iter()
                .find(|(c, _)| *c == cidr)
                .ok_or(format!("no block {cidr}"))?;
            let affinity = want["affinity"].as_str().map(ToOwned::to_owned);
            same(
                "affinity",
                found.1.clone().unwrap_or_default(),
                affinity.unwrap_or_default(),
            )?;
            let list = |key: &str| -> Vec<u64> {
                let ordinal = |n: &Value| n.as_u64().unwrap_or_else(|| panic!("{key}: {n}"));
                items(&want[key]).iter().map(ordinal).collect()
            };
            same(
                "allocated",
                self.allocated(cidr),
                list("allocated_ordinals"),
            )?;
            let free = self.free_order(cidr, found.1.as_deref());
            // What is reserved stays on Calico's list and is passed over; here it is on none.
            let open: Vec<u64> = list("unallocated_fifo")
                .into_iter()
                .filter(|&o| !matches!(self.ipam.holder(at(cidr, o)), Some(Holder::SetAside)))
                .collect();
            same("unallocated", free, open)?;
        }
        Ok(())
    }

    /// The ordinals of a block that are held or cool down.
    fn allocated(&self, cidr: Cidr) -> Vec<u64> {
        let range = 0..cidr.range().count() as u64;
        let taken = |o: &u64| {
            matches!(
                self.ipam.holder(at(cidr, *o)),
                Some(Holder::Held(_) | Holder::Quarantined(_))
            )
        };
        range.filter(taken).collect()
    }

    /// The order in which a block's free ordinals would be given to its host: tried out on a copy.
    fn free_order(&self, cidr: Cidr, affinity: Option<&str>) -> Vec<u64> {
        let mut copy = self.ipam.clone();
        let host = affinity
            .and_then(|a| a.strip_prefix("host:"))
            .unwrap_or("nobody");
        let mut order = Vec::new();
        let families = match cidr.family() {
            Family::V4 => Families::V4,
            Family::V6 => Families::V6,
        };
        let others: Vec<PoolSpec> = copy.pools().map(|p| p.spec().clone()).collect();
        for mut spec in others {
            // Only blocks that are there already, none taken or borrowed.
            spec.affinity = Affinity::Strict;
            spec.block_limit = Some(0);
            let _ = copy.change_pool(self.now, spec);
        }
        for i in 0.. {
            let owner = format!("probe#{i}");
            let request = Request::new(&owner).host(host).families(families);
            let Ok(grant) = copy.claim(self.now, &request) else {
                break;
            };
            let address = grant.address().expect("a grant has an address");
            if cidr.contains(address) {
                order.push((number(address) - number(cidr.first())) as u64);
            }
        }
        order
    }
}

fn at(cidr: Cidr, ordinal: u64) -> IpAddr {
    cidr.family()
        .address(number(cidr.first()) + u128::from(ordinal))
}
