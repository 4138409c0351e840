//! The first thousand addresses of a pool, beside what peers do for them.

use crate::Measured;
use crate::measure::thread_cpu_ns;
use ipam::{
    Ipam, PoolSpec, Request, Timestamp,
    pool::{Affinity, Order},
};
use std::collections::HashMap;
use std::hint::black_box;

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

pub(super) fn beside_go_ipam() -> Result<Measured, String> {
    Ok(Measured::beside(thousand(None)?, go_ipam_thousand()?))
}

pub(super) fn beside_anchor(peer: f64, blocks: bool) -> Result<Measured, String> {
    Ok(Measured::beside(
        thousand(blocks.then_some("node-a"))?,
        peer,
    ))
}
