//! Whole claims: a million of them, released and made anew, and what they weigh.

use super::MILLION;
use crate::Measured;
use crate::measure::thread_cpu_ns;
use ipam::{Ipam, PoolSpec, Request, Timestamp};
use std::hint::black_box;
use std::time::Duration;

/// What an allocator is asked with: the names of the n-th claim, written when they are needed, so that no
/// list of a million texts stands between the clock and the allocator.
pub(super) struct Load {
    hosts: Vec<String>,
    owner: String,
    workload: String,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            hosts: (0..2000).map(|i| format!("host-{i:04}")).collect(),
            owner: String::new(),
            workload: String::new(),
        }
    }

    /// `4f2a00000000002a/eth0`, as of the 42nd claim.
    fn owner(&mut self, n: u64) -> &str {
        self.owner.clear();
        self.owner.push_str("4f2a");
        let digits = (0..12).rev().map(|i| (n >> (4 * i) & 15) as u32);
        self.owner
            .extend(digits.filter_map(|d| char::from_digit(d, 16)));
        self.owner.push_str("/eth0");
        &self.owner
    }

    /// The n-th claim's request: every third workload finds its address again.
    fn request(&mut self, n: u64) -> Request<'_> {
        self.owner(n);
        self.workload.clear();
        self.workload.push_str("shop/web-");
        let (mut digits, mut rest) = ([0u8; 20], n);
        let mut from = digits.len();
        while rest > 0 || from == digits.len() {
            from -= 1;
            digits[from] = (rest % 10) as u8;
            rest /= 10;
        }
        let digits = digits.iter().skip(from);
        self.workload.extend(digits.map(|d| char::from(b'0' + d)));
        let request = Request::new(&self.owner).workload(&self.workload);
        let request = request.host(&self.hosts[n as usize % self.hosts.len()]);
        match n.is_multiple_of(3) {
            true => request.sticky(Duration::from_secs(3600)),
            false => request,
        }
    }
}

fn empty() -> Result<Ipam, String> {
    let mut ipam = Ipam::new(7);
    let cidr = "10.0.0.0/8".parse().map_err(|e| format!("{e}"))?;
    ipam.add_pool(Timestamp::from_secs(1), PoolSpec::new("p", cidr))
        .map_err(|e| e.to_string())?;
    Ok(ipam)
}

/// An allocator with as many claims, the n-th of which has sequence n + 1.
pub(super) fn filled(load: &mut Load, claims: u64) -> Result<Ipam, String> {
    let mut ipam = empty()?;
    for n in 0..claims {
        claimed(&mut ipam, Timestamp::from_secs(1), load, n)?;
    }
    Ok(ipam)
}

fn claimed(ipam: &mut Ipam, now: Timestamp, load: &mut Load, n: u64) -> Result<(), String> {
    let grant = ipam.claim(now, &load.request(n));
    match grant.map_err(|e| e.to_string())?.sequence {
        sequence if sequence == n + 1 => Ok(()),
        sequence => Err(format!("claim {n} has sequence {sequence}")),
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

/// Each of a million claims is released once, in this order, and another made in its stead: nanoseconds of
/// release and claim together, the least of five parts.
pub(super) fn whole_claim(order: fn(u64) -> u64) -> Result<Measured, String> {
    const ROUNDS: u64 = 5;
    let mut load = Load::new();
    let mut ipam = filled(&mut load, MILLION)?;
    let mut best = f64::INFINITY;
    let mut now = Timestamp::from_secs(2);
    for round in 0..ROUNDS {
        let turns = MILLION / ROUNDS;
        let start = thread_cpu_ns()?;
        for i in round * turns..(round + 1) * turns {
            // A thousand turns a second: 60,000 addresses rest at a time.
            now = now.after(Duration::from_millis(1));
            let gone = order(i);
            ipam.release(now, load.owner(gone), gone + 1)
                .map_err(|e| e.to_string())?;
            claimed(&mut ipam, now, &mut load, MILLION + i)?;
        }
        let spent = thread_cpu_ns()?.saturating_sub(start);
        best = best.min(spent as f64 / turns as f64);
    }
    if ipam.claim_count() as u64 != MILLION {
        return Err(format!("{} claims are live", ipam.claim_count()));
    }
    ipam.check_invariants().map_err(|e| e.to_string())?;
    Ok(Measured::alone(best))
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
    let mut load = Load::new();
    let before = resident()?;
    let ipam = filled(&mut load, MILLION)?;
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
