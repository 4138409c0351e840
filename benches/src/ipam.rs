//! `ipam`: slots, whole claims, memory, restoring, beside re-implementations of what go-ipam and Calico do for
//! an address.

use crate::measure::{ns_per_call, thread_cpu_ns};
use crate::{Figure, Judge, Limit, Measured};
use ipam::{Affinity, Ipam, Order, PoolSpec, Replica, Request, Rng, SlotTree, Timestamp, ready};
use ipam_redb::RedbStore;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

/// Live claims of the large figures.
const MILLION: u64 = 1_000_000;

/// The figures of this area.
#[must_use]
pub fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "",
        what: "",
        unit: "ns",
        judge: Judge::Ours,
        must: Limit::None,
        aim: Limit::None,
        long: false,
        run: || Err("no measurement".into()),
    };
    let slot = Figure {
        must: Limit::AtMost(40.0),
        aim: Limit::AtMost(20.0),
        ..base
    };
    vec![
        Figure {
            id: "ipam/slot-16-0",
            what: "slot allocate + release, lowest first, /16 empty",
            run: || slots(16, 0),
            ..slot
        },
        Figure {
            id: "ipam/slot-16-50",
            what: "the same, /16 half full",
            run: || slots(16, 50),
            ..slot
        },
        Figure {
            id: "ipam/slot-16-99",
            what: "the same, /16 99 % full",
            run: || slots(16, 99),
            ..slot
        },
        Figure {
            id: "ipam/slot-8-0",
            what: "the same, /8 empty",
            run: || slots(8, 0),
            ..slot
        },
        Figure {
            id: "ipam/slot-8-50",
            what: "the same, /8 half full",
            run: || slots(8, 50),
            ..slot
        },
        Figure {
            id: "ipam/slot-8-99",
            what: "the same, /8 99 % full",
            run: || slots(8, 99),
            ..slot
        },
        Figure {
            id: "ipam/slot-spread",
            what: "worst over best of the six above",
            unit: "ratio",
            must: Limit::AtMost(3.0),
            run: spread,
            ..base
        },
        Figure {
            id: "ipam/slot-8-random",
            what: "slot allocate lowest + release random, /8, worst of 50 and 99 % full",
            must: Limit::AtMost(80.0),
            aim: Limit::AtMost(50.0),
            run: random_release,
            ..base
        },
        Figure {
            id: "ipam/claim",
            what: "claim + release (owner, workload, host, quarantine) at 1,000,000 live claims, releases in random order",
            must: Limit::AtMost(1000.0),
            aim: Limit::AtMost(400.0),
            run: || whole_claim(scattered),
            ..base
        },
        Figure {
            id: "ipam/claim-in-order",
            what: "the same, the oldest claim released first",
            must: Limit::AtMost(1000.0),
            aim: Limit::AtMost(400.0),
            run: || whole_claim(|i| i),
            ..base
        },
        Figure {
            id: "ipam/memory-claim",
            what: "memory per live claim with owner, workload and host, besides the bytes of names",
            unit: "B",
            must: Limit::AtMost(128.0),
            aim: Limit::AtMost(80.0),
            run: memory_per_claim,
            ..base
        },
        Figure {
            id: "ipam/memory-empty-8",
            what: "memory of an empty /8",
            unit: "MiB",
            must: Limit::AtMost(4.0),
            run: memory_empty,
            ..base
        },
        Figure {
            id: "ipam/go-ipam",
            what: "an address of a /16, the first 1,000, beside go-ipam's way (two map copies and a scan; 96 us in Go)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0 / 50.0),
            aim: Limit::AtMost(1.0 / 200.0),
            run: beside_go_ipam,
            ..base
        },
        Figure {
            id: "ipam/anchor-go-ipam",
            what: "the same beside the 96 us measured of go-ipam in memory (figure from the anchors)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0 / 50.0),
            aim: Limit::AtMost(1.0 / 200.0),
            run: || beside_anchor(96_000.0, false),
            ..base
        },
        Figure {
            id: "ipam/anchor-calico",
            what: "an address in a host's block beside the 65 us measured of Calico in memory (figure from the anchors)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0 / 50.0),
            aim: Limit::AtMost(1.0 / 200.0),
            run: || beside_anchor(65_000.0, true),
            ..base
        },
        Figure {
            id: "ipam/open",
            what: "open a redb file of 1,000,000 claims and restore the allocator",
            unit: "s",
            must: Limit::AtMost(3.0),
            aim: Limit::AtMost(1.5),
            long: true,
            run: || stored(&Stored::Open),
            ..base
        },
        Figure {
            id: "ipam/open-after-kill",
            what: "the same after the writer was killed (the file copied while open, as kill -9 leaves it)",
            unit: "s",
            must: Limit::AtMost(3.0),
            aim: Limit::AtMost(1.5),
            long: true,
            run: || stored(&Stored::OpenKilled),
            ..base
        },
        Figure {
            id: "ipam/fsck",
            what: "fsck of 1,000,000 claims, restored",
            unit: "s",
            must: Limit::AtMost(5.0),
            aim: Limit::AtMost(3.0),
            long: true,
            run: || stored(&Stored::Fsck),
            ..base
        },
    ]
}

/// A tree of 2^bits slots of which the lowest per cent are taken, but for as many gaps spread over them.
fn tree(prefix: u32, full: u64, random: bool) -> (SlotTree, u32) {
    let len = 1u32 << (32 - prefix);
    let mut tree = SlotTree::from(0..len);
    let taken = (u64::from(len) * full / 100) as u32;
    let mut rng = Rng::stream(1, "fill");
    if random {
        while tree.free_count() > len - taken {
            tree.take(rng.below(u64::from(len)) as u32);
        }
    } else {
        tree.fill(0..taken, false);
    }
    (tree, len)
}

/// Takes the lowest free slot and gives it back a thousand takes later: each call is one pair.
fn pairs(prefix: u32, full: u64) -> Result<f64, String> {
    let (mut tree, _) = tree(prefix, full, false);
    const LAG: usize = 512;
    let mut ring = [0u32; LAG];
    for slot in &mut ring {
        *slot = tree.take_first().ok_or("the tree is full")?;
    }
    ns_per_call(7, 1_000_000, |i| {
        let slot = &mut ring[i % LAG];
        tree.release(*slot);
        *slot = tree.take_first().unwrap_or_default();
        *slot
    })
}

fn slots(prefix: u32, full: u64) -> Result<Measured, String> {
    pairs(prefix, full).map(Measured::alone)
}

fn spread() -> Result<Measured, String> {
    let mut all = Vec::new();
    for prefix in [16, 8] {
        for full in [0, 50, 99] {
            all.push(pairs(prefix, full)?);
        }
    }
    let (worst, best) = all
        .iter()
        .fold((0.0f64, f64::INFINITY), |(w, b), &n| (w.max(n), b.min(n)));
    Ok(Measured::alone(worst / best))
}

/// Gives a random taken slot back and takes the lowest free one: each random slot once, in an order made
/// beforehand.
fn random_release() -> Result<Measured, String> {
    const OPS: usize = 1_000_000;
    let mut worst = 0.0f64;
    for full in [50, 99] {
        let (mut tree, len) = tree(8, full, true);
        let mut rng = Rng::stream(2, "release");
        let mut held: Vec<u32> = (0..len).filter(|&s| !tree.is_free(s)).collect();
        for i in 0..held.len() {
            let other = i + rng.below((held.len() - i) as u64) as usize;
            held.swap(i, other);
        }
        let mut next = held.into_iter();
        let ns = ns_per_call(5, OPS, |_| {
            tree.release(next.next().unwrap_or_default());
            tree.take_first()
        })?;
        worst = worst.max(ns);
    }
    Ok(Measured::alone(worst))
}

/// What an allocator is asked with: the names of the n-th claim, written when they are needed, so that no
/// list of a million texts stands between the clock and the allocator.
struct Load {
    hosts: Vec<String>,
    owner: String,
    workload: String,
}

impl Load {
    fn new() -> Self {
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
fn filled(load: &mut Load, claims: u64) -> Result<Ipam, String> {
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
fn scattered(i: u64) -> u64 {
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
fn whole_claim(order: fn(u64) -> u64) -> Result<Measured, String> {
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

fn memory_per_claim() -> Result<Measured, String> {
    let mut load = Load::new();
    let before = resident()?;
    let ipam = filled(&mut load, MILLION)?;
    let names = ipam.name_bytes() as f64;
    let bytes = grown(before, ipam.heap_bytes() + ipam.name_bytes())? - names;
    black_box(&ipam);
    Ok(Measured::alone(bytes / MILLION as f64))
}

fn memory_empty() -> Result<Measured, String> {
    let before = resident()?;
    let ipam = empty()?;
    let bytes = grown(before, ipam.heap_bytes())?;
    black_box(&ipam);
    Ok(Measured::alone(bytes / f64::from(1 << 20)))
}

/// The first thousand addresses of a /16, nanoseconds each: over many new pools, since the clock of CPU time
/// ticks in milliseconds.
fn thousand(host: Option<&str>) -> Result<f64, String> {
    const POOLS: usize = 200;
    let owners: Vec<String> = (0..1000).map(|i| format!("c{i}")).collect();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = thread_cpu_ns()?;
        for _ in 0..POOLS {
            let mut ipam = Ipam::new(7);
            let cidr = "10.0.0.0/16".parse().map_err(|e| format!("{e}"))?;
            let mut spec = PoolSpec::new("p", cidr).order(Order::Lowest);
            if host.is_none() {
                spec = spec.affinity(Affinity::Off);
            }
            ipam.add_pool(Timestamp::ZERO, spec)
                .map_err(|e| e.to_string())?;
            for owner in &owners {
                let mut request = Request::new(owner);
                request.host = host;
                black_box(
                    ipam.claim(Timestamp::ZERO, &request)
                        .map_err(|e| e.to_string())?,
                );
            }
        }
        let spent = thread_cpu_ns()?.saturating_sub(start);
        if spent == 0 {
            return Err("the clock of CPU time stood still".into());
        }
        best = best.min(spent as f64 / (POOLS * owners.len()) as f64);
    }
    Ok(best)
}

/// go-ipam's way with a prefix: copy its addresses in use, look from the first one on for one that is not
/// among them, store a changed copy (its optimistic update).
fn go_ipam_thousand() -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let mut used: HashMap<String, bool> = HashMap::new();
        let base = u32::from_be_bytes([10, 0, 0, 0]);
        used.insert("10.0.0.0".into(), true);
        used.insert("10.0.255.255".into(), true);
        let start = thread_cpu_ns()?;
        for _ in 0..1000 {
            let read = used.clone();
            let mut ip = base;
            loop {
                let name = std::net::Ipv4Addr::from_bits(ip).to_string();
                if !read.contains_key(&name) {
                    let mut changed = read.clone();
                    changed.insert(name, true);
                    used = changed;
                    break;
                }
                ip += 1;
            }
        }
        best = best.min(thread_cpu_ns()?.saturating_sub(start) as f64 / 1000.0);
        black_box(&used);
    }
    Ok(best)
}

fn beside_go_ipam() -> Result<Measured, String> {
    Ok(Measured::beside(thousand(None)?, go_ipam_thousand()?))
}

fn beside_anchor(peer: f64, blocks: bool) -> Result<Measured, String> {
    Ok(Measured::beside(
        thousand(blocks.then_some("node-a"))?,
        peer,
    ))
}

/// What is done with the stored million.
enum Stored {
    Open,
    OpenKilled,
    Fsck,
}

fn stored(what: &Stored) -> Result<Measured, String> {
    let folder = std::env::temp_dir().join(format!("berth-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let outcome = stored_in(&folder, what);
    std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    outcome.map(Measured::alone)
}

fn stored_in(folder: &std::path::Path, what: &Stored) -> Result<f64, String> {
    let (path, copy) = (folder.join("a.redb"), folder.join("b.redb"));
    let now = Timestamp::from_secs(10);
    {
        let ipam = filled(&mut Load::new(), MILLION)?;
        let mut store = RedbStore::new(&path, Duration::ZERO);
        store.hold().map_err(|e| e.to_string())?;
        let mut replica = opened(store, now)?;
        ready(replica.replace(now, &ipam))
            .ok_or("pending")?
            .map_err(|e| e.to_string())?;
        // Copied while the writer has it open: what a kill would leave.
        std::fs::copy(&path, &copy).map_err(|e| e.to_string())?;
    }
    let path = if matches!(what, Stored::OpenKilled) {
        copy
    } else {
        path
    };
    let start = thread_cpu_ns()?;
    let mut store = RedbStore::new(&path, Duration::ZERO);
    store.hold().map_err(|e| e.to_string())?;
    let replica = opened(store, now)?;
    let spent = thread_cpu_ns()?.saturating_sub(start);
    if replica.ipam().claim_count() as u64 != MILLION || !replica.misfits().is_empty() {
        return Err("claims were lost".into());
    }
    if !matches!(what, Stored::Fsck) {
        return Ok(spent as f64 / 1e9);
    }
    let start = thread_cpu_ns()?;
    let problems = replica
        .ipam()
        .fsck(Duration::from_secs(900), replica.misfits());
    let spent = thread_cpu_ns()?.saturating_sub(start);
    if problems.is_empty() {
        Ok(spent as f64 / 1e9)
    } else {
        Err(format!("{problems:?}"))
    }
}

fn opened(store: RedbStore, now: Timestamp) -> Result<Replica<RedbStore>, String> {
    ready(Replica::open(store, now, 7))
        .ok_or("pending")?
        .map_err(|e| e.to_string())
}
