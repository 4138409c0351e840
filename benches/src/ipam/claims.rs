//! Whole claims: a million of them, released and made anew, and what they weigh.

use super::MILLION;
use crate::Measured;
use crate::measure::thread_cpu_ns;
use ipam::{Grant, Ipam, PoolSpec, Request, Timestamp};
use std::collections::HashMap;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

/// The hosts that claims are for.
pub(super) struct Load {
    hosts: Vec<String>,
}

/// The names of one claim.
#[derive(Default)]
struct Names {
    owner: String,
    workload: String,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            hosts: (0..2000).map(|i| format!("host-{i:04}")).collect(),
        }
    }

    /// The n-th claim's request: every third workload finds its address again.
    fn request<'a>(&'a self, n: u64, names: &'a Names) -> Request<'a> {
        let request = Request::new(&names.owner).workload(&names.workload);
        let request = request.host(&self.hosts[n as usize % self.hosts.len()]);
        match n.is_multiple_of(3) {
            true => request.sticky(Duration::from_secs(3600)),
            false => request,
        }
    }
}

impl Names {
    /// Makes these the n-th claim's: `4f2a00000000002a/eth0` and `shop/web-42`, as of the 42nd.
    fn set(&mut self, n: u64) {
        self.owner.clear();
        self.workload.clear();
        // A String takes every text.
        let _ = write!(self.owner, "4f2a{n:012x}/eth0");
        let _ = write!(self.workload, "shop/web-{n}");
    }
}

/// One claim that goes, and the one in its stead.
#[derive(Default)]
struct Turn {
    gone: u64,
    leaver: Names,
    made: u64,
    comer: Names,
}

fn empty() -> Result<Ipam, String> {
    let mut ipam = Ipam::new(7);
    let cidr = "10.0.0.0/8".parse().map_err(|e| format!("{e}"))?;
    ipam.add_pool(Timestamp::from_secs(1), PoolSpec::new("p", cidr))
        .map_err(|e| e.to_string())?;
    Ok(ipam)
}

/// An allocator with as many claims, the n-th of which has sequence n + 1.
pub(super) fn filled(load: &Load, claims: u64) -> Result<Ipam, String> {
    let (mut ipam, mut names) = (empty()?, Names::default());
    for n in 0..claims {
        names.set(n);
        claimed(&mut ipam, Timestamp::from_secs(1), load, n, &names)?;
    }
    Ok(ipam)
}

fn claimed(
    ipam: &mut Ipam,
    now: Timestamp,
    load: &Load,
    n: u64,
    names: &Names,
) -> Result<(), String> {
    match &ipam.claim(now, &load.request(n, names)) {
        Ok(grant) => as_expected(grant, n),
        Err(error) => Err(error.to_string()),
    }
}

fn as_expected(grant: &Grant, n: u64) -> Result<(), String> {
    match grant.sequence == n + 1 {
        true => Ok(()),
        false => Err(format!("claim {n} has sequence {}", grant.sequence)),
    }
}

/// The i-th of the numbers below a million in an order that shows no pattern: a Feistel network over 20 bits,
/// passed again while it leads beyond the million.
pub(super) fn scattered(i: u64) -> u64 {
    let mut x = i;
    loop {
        let (mut left, mut right) = (x >> 10, x & 1023);
        for round in 1..=4u64 {
            let mixed = (right ^ round << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            (left, right) = (right, left ^ (mixed & 1023));
        }
        x = left << 10 | right;
        if x < MILLION {
            return x;
        }
    }
}

/// Releases and claims, at times a thousandth of a second apart: 60,000 addresses rest at a time.
fn take_turns(
    ipam: &mut Ipam,
    now: &mut Timestamp,
    load: &Load,
    turns: &[Turn],
) -> Result<(), String> {
    for turn in turns {
        *now = now.after(Duration::from_millis(1));
        ipam.release(*now, &turn.leaver.owner, turn.gone + 1)
            .map_err(|e| e.to_string())?;
        claimed(ipam, *now, load, turn.made, &turn.comer)?;
    }
    Ok(())
}

/// The same by way of changes, as whoever keeps a store in step does it: decided, then applied.
fn decide_turns(
    ipam: &mut Ipam,
    now: &mut Timestamp,
    load: &Load,
    turns: &[Turn],
) -> Result<(), String> {
    for turn in turns {
        *now = now.after(Duration::from_millis(1));
        ipam.advance(*now);
        let released = ipam.decide_release(&turn.leaver.owner, turn.gone + 1);
        let released = released.map_err(|e| e.to_string())?;
        ipam.apply(&released).map_err(|e| e.to_string())?;
        let decided = ipam.decide_claim(&load.request(turn.made, &turn.comer));
        let decided = decided.map_err(|e| e.to_string())?;
        ipam.apply_all(&decided.changes)
            .map_err(|e| e.to_string())?;
        as_expected(&decided.grant, turn.made)?;
    }
    Ok(())
}

/// How a turn is taken.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// By `release` and `claim`.
    AtOnce,
    /// By changes that are decided and then applied.
    ByChanges,
}

/// What no allocator could do without: two maps, by owner and by workload.
#[derive(Default)]
struct Bare {
    owners: HashMap<String, u64>,
    workloads: HashMap<String, u64>,
}

impl Bare {
    fn insert(&mut self, n: u64, names: &Names) {
        self.owners.insert(names.owner.clone(), n);
        self.workloads.insert(names.workload.clone(), n);
    }

    fn filled(claims: u64) -> Self {
        let (mut bare, mut names) = (Self::default(), Names::default());
        for n in 0..claims {
            names.set(n);
            bare.insert(n, &names);
        }
        bare
    }

    fn take_turns(&mut self, turns: &[Turn]) -> Result<(), String> {
        for turn in turns {
            let owner = self.owners.remove(&turn.leaver.owner);
            let workload = self.workloads.remove(&turn.leaver.workload);
            if owner.is_none() || owner != workload {
                return Err(format!("claim {} is {owner:?}", turn.gone));
            }
            self.insert(turn.made, &turn.comer);
        }
        Ok(())
    }
}

/// Parts of a million turns, and turns whose names are written at a time.
const PARTS: u64 = 20;
const BATCH: u64 = 1000;

/// Nanoseconds a turn of one part. Names are written while the clock stands, so that neither a list of a million
/// texts nor their making is part of the figure.
fn timed(
    part: u64,
    order: fn(u64) -> u64,
    turns: &mut [Turn],
    mut take: impl FnMut(&[Turn]) -> Result<(), String>,
) -> Result<f64, String> {
    let mut spent = 0;
    for batch in 0..MILLION / PARTS / BATCH {
        let first = (part * MILLION / PARTS) + batch * BATCH;
        for (turn, i) in turns.iter_mut().zip(first..) {
            (turn.gone, turn.made) = (order(i), MILLION + i);
            turn.leaver.set(turn.gone);
            turn.comer.set(turn.made);
        }
        let start = thread_cpu_ns()?;
        take(turns)?;
        spent += thread_cpu_ns()?.saturating_sub(start);
    }
    Ok(spent as f64 / (MILLION / PARTS) as f64)
}

/// Each of a million claims is released once, in this order, and another made in its stead, in twenty parts: nanoseconds of
/// release and claim together; beside each, of two bare maps that forget the same names and learn the same, which tell how
/// quick the machine's memory is at the time.
fn parts_of_claims(order: fn(u64) -> u64, how: How) -> Result<Vec<(f64, f64)>, String> {
    let load = Load::new();
    let mut ipam = filled(&load, MILLION)?;
    let mut bare = Bare::filled(MILLION);
    let mut now = Timestamp::from_secs(2);
    let mut turns = Vec::new();
    turns.resize_with(BATCH as usize, Turn::default);
    let mut parts = Vec::new();
    for part in 0..PARTS {
        let ours = timed(part, order, &mut turns, |turns| match how {
            How::AtOnce => take_turns(&mut ipam, &mut now, &load, turns),
            How::ByChanges => decide_turns(&mut ipam, &mut now, &load, turns),
        })?;
        let floor = timed(part, order, &mut turns, |turns| bare.take_turns(turns))?;
        parts.push((ours, floor));
    }
    if ipam.claim_count() as u64 != MILLION || bare.owners.len() as u64 != MILLION {
        return Err(format!("{} claims are live", ipam.claim_count()));
    }
    ipam.check_invariants().map_err(|e| e.to_string())?;
    Ok(parts)
}

/// The least of the parts, ours and the maps'.
pub(super) fn whole_claim(order: fn(u64) -> u64, how: How) -> Result<Measured, String> {
    let parts = parts_of_claims(order, how)?;
    let least = |values: Vec<f64>| values.into_iter().fold(f64::INFINITY, f64::min);
    let (ours, floor) = parts.into_iter().unzip();
    Ok(Measured::beside(least(ours), least(floor)))
}

/// The part whose ratio is the median of all parts' ratios: what was measured side by side is compared.
pub(super) fn claim_ratio() -> Result<Measured, String> {
    let mut parts = parts_of_claims(scattered, How::ByChanges)?;
    parts.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let middle = parts.get(parts.len() / 2).ok_or("no part ran")?;
    Ok(Measured::beside(middle.0, middle.1))
}

/// Resident bytes of this process.
fn resident() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/statm").map_err(|e| e.to_string())?;
    let pages: f64 = text
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .ok_or("short /proc/self/statm")?;
    Ok(pages * 4096.0)
}

/// The larger of what the process grew by and what the allocator accounts for: memory that an earlier
/// figure freed would hide in the first.
fn grown(before: f64, counted: usize) -> Result<f64, String> {
    Ok((resident()? - before).max(counted as f64))
}

pub(super) fn memory_per_claim() -> Result<Measured, String> {
    let load = Load::new();
    let before = resident()?;
    let ipam = filled(&load, MILLION)?;
    let names = ipam.name_bytes() as f64;
    let bytes = grown(before, ipam.heap_bytes() + ipam.name_bytes())? - names;
    black_box(&ipam);
    Ok(Measured::alone(bytes / MILLION as f64))
}

pub(super) fn memory_empty() -> Result<Measured, String> {
    let before = resident()?;
    let ipam = empty()?;
    let bytes = grown(before, ipam.heap_bytes())?;
    black_box(&ipam);
    Ok(Measured::alone(bytes / f64::from(1 << 20)))
}
