//! Whole claims: a million of them, released and made anew, and what they weigh.

use super::MILLION;
use crate::Measured;
use crate::measure::thread_cpu_ns;
use ipam::{Ipam, PoolSpec, Request, Timestamp};
use std::hint::black_box;
use std::time::Duration;

/// A name under construction. Where it is aligned, asking whether it is text goes by words.
#[repr(C, align(16))]
struct Name {
    bytes: [u8; 40],
    len: usize,
}

impl Name {
    fn new(text: &str) -> Self {
        let mut name = Self {
            bytes: [0; 40],
            len: text.len(),
        };
        name.bytes[..text.len()].copy_from_slice(text.as_bytes());
        name
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// What an allocator is asked with: the names of the n-th claim, written when they are needed, so that no
/// list of a million texts stands between the clock and the allocator.
pub(super) struct Load {
    hosts: Vec<String>,
    owner: Name,
    workload: Name,
}

const OWNER: &str = "4f2a000000000000/eth0";
const WORKLOAD: &str = "shop/web-";

impl Load {
    pub(super) fn new() -> Self {
        Self {
            hosts: (0..2000).map(|i| format!("host-{i:04}")).collect(),
            owner: Name::new(OWNER),
            workload: Name::new(WORKLOAD),
        }
    }

    /// `4f2a00000000002a/eth0`, as of the 42nd claim.
    fn owner(&mut self, n: u64) -> &str {
        self.name_owner(n);
        self.owner.text()
    }

    fn name_owner(&mut self, n: u64) {
        let mut rest = n;
        for digit in self.owner.bytes[4..16].iter_mut().rev() {
            *digit = b"0123456789abcdef"[rest as usize % 16];
            rest /= 16;
        }
    }

    /// `shop/web-42`.
    fn name_workload(&mut self, n: u64) {
        let digits = n.checked_ilog10().unwrap_or(0) as usize + 1;
        self.workload.len = WORKLOAD.len() + digits;
        let mut rest = n;
        let places = &mut self.workload.bytes[WORKLOAD.len()..][..digits];
        for digit in places.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// The n-th claim's request: every third workload finds its address again.
    fn request(&mut self, n: u64) -> Request<'_> {
        self.name_owner(n);
        self.name_workload(n);
        let request = Request::new(self.owner.text()).workload(self.workload.text());
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
