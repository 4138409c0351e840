//! Our smooth picker beside pingora's weighted round robin: nanoseconds a pick and the largest deviation from the
//! exact shares, in one process, over the same endpoints and weights (1 to 100). One line of JSON a size:
//!
//! | key | what |
//! | --- | --- |
//! | `ours_ns`, `peer_ns` | thread CPU time a pick, weights at rest; of pingora its bare selection, an iterator a pick |
//! | `peer_select_ns` | the same through `LoadBalancer::select`, as its users call it (health looked up, backend cloned) |
//! | `ours_churn_ns`, `peer_churn_ns` | 1 % of the weights (at least one) changing a second at 100,000 picks a second; of pingora its bare selection, built anew at each change |
//! | `ours_deviation`, `peer_deviation` | the largest absolute difference between picks and exact share over 10^6 picks |
//!
//! Needs cmake and a C compiler for pingora's native parts: `apt-get install cmake g++`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::Picker;
use discovery_core::pick::{LowDiscrepancy, Request};
use discovery_core::rng;
use pingora_load_balancing::selection::weighted::Weighted;
use pingora_load_balancing::selection::{BackendIter, BackendSelection, RoundRobin};
use pingora_load_balancing::{Backend, Backends, LoadBalancer, discovery::Static};
use rand::RngExt as _;
use serde_json::json;

type Failure = Box<dyn std::error::Error>;
type PingoraRoundRobin = Arc<Weighted<pingora_load_balancing::selection::algorithms::RoundRobin>>;

const SIZES: [usize; 3] = [10, 1_000, 10_000];
const PICKS: u32 = 1_000_000;
const ROUNDS: usize = 7;

fn main() -> Result<(), Failure> {
    for n in SIZES {
        let weights = weights(n);
        let backends = backends(&weights)?;
        let row = json!({
            "endpoints": n,
            "picks": PICKS,
            "ours_ns": ours(&weights, false)?,
            "peer_ns": peer(&backends)?,
            "peer_select_ns": select(&backends)?,
            "ours_churn_ns": ours(&weights, true)?,
            "peer_churn_ns": peer_churn(&weights)?,
            "ours_deviation": ours_deviation(&weights)?,
            "peer_deviation": peer_deviation(&weights, &backends)?,
        });
        println!("{row}");
    }
    Ok(())
}

/// `n` weights from 1 to 100: the scorecard's own.
fn weights(n: usize) -> Vec<u32> {
    let mut rng = rng::stream(11, "bench weights");
    (0..n)
        .map(|_| 1 + rng.random_range(0..100) as u32)
        .collect()
}

/// A slot's address tells its number.
fn backend(slot: usize, weight: u32) -> Result<Backend, Failure> {
    let address = format!(
        "10.{}.{}.{}:80",
        slot >> 16 & 255,
        slot >> 8 & 255,
        slot & 255
    );
    Ok(Backend::new_with_weight(&address, weight as usize)?)
}

fn slot(backend: &Backend) -> Result<usize, Failure> {
    match backend.as_inet() {
        Some(SocketAddr::V4(v4)) => Ok(u32::from(*v4.ip()) as usize & 0xFF_FFFF),
        other => Err(format!("not an address of ours: {other:?}").into()),
    }
}

fn backends(weights: &[u32]) -> Result<BTreeSet<Backend>, Failure> {
    weights
        .iter()
        .enumerate()
        .map(|(slot, &w)| backend(slot, w))
        .collect()
}

/// Nanoseconds of CPU time this thread has run.
fn cpu_ns() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text
        .split_whitespace()
        .next()
        .ok_or("empty schedstat")?
        .parse()?)
}

/// The least of several rounds, per call of `op`.
fn ns_per_call<T>(mut op: impl FnMut() -> T) -> Result<f64, Failure> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = cpu_ns()?;
        for _ in 0..PICKS {
            black_box(op());
        }
        best = best.min((cpu_ns()? - start) as f64 / f64::from(PICKS));
    }
    Ok(best)
}

/// Picks between two changes: 1 % of the endpoints a second at 100,000 picks a second.
fn picks_per_change(n: usize) -> u32 {
    (100_000 / (n / 100).max(1)) as u32
}

fn ours(weights: &[u32], churn: bool) -> Result<f64, Failure> {
    let mut picker = LowDiscrepancy::new(weights, 1);
    let request = Request::default();
    if !churn {
        return ns_per_call(|| picker.pick(&request));
    }
    let every = picks_per_change(weights.len());
    let (mut until, mut rng) = (every, rng::stream(5, "churn"));
    ns_per_call(|| {
        until -= 1;
        if until == 0 {
            until = every;
            let slot = rng.random_range(0..weights.len() as u64) as usize;
            picker.set_weight(slot, 1 + rng.random_range(0..100) as u32);
        }
        picker.pick(&request)
    })
}

fn peer(backends: &BTreeSet<Backend>) -> Result<f64, Failure> {
    let selection: PingoraRoundRobin = Arc::new(Weighted::build(backends));
    ns_per_call(|| {
        let mut iter = selection.iter(b"");
        black_box(iter.next());
    })
}

fn peer_churn(weights: &[u32]) -> Result<f64, Failure> {
    let mut weights = weights.to_vec();
    let mut backends = backends(&weights)?;
    let mut selection: PingoraRoundRobin = Arc::new(Weighted::build(&backends));
    let every = picks_per_change(weights.len());
    let (mut until, mut rng) = (every, rng::stream(5, "churn"));
    let mut failed = None;
    let ns = ns_per_call(|| {
        until -= 1;
        if until == 0 {
            until = every;
            let at = rng.random_range(0..weights.len() as u64) as usize;
            let new = 1 + rng.random_range(0..100) as u32;
            match (backend(at, weights[at]), backend(at, new)) {
                (Ok(old), Ok(fresh)) => {
                    backends.remove(&old);
                    backends.insert(fresh);
                    weights[at] = new;
                }
                (Err(e), _) | (_, Err(e)) => failed = Some(e),
            }
            selection = Arc::new(Weighted::build(&backends));
        }
        let mut iter = selection.iter(b"");
        black_box(iter.next());
    })?;
    failed.map_or(Ok(ns), Err)
}

fn select(backends: &BTreeSet<Backend>) -> Result<f64, Failure> {
    let discovery = Backends::new(Static::new(backends.clone()));
    let balancer = LoadBalancer::<RoundRobin>::from_backends(discovery);
    // A static discovery answers at once: one poll is enough.
    let mut update = std::pin::pin!(balancer.update());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match update.as_mut().poll(&mut context) {
        std::task::Poll::Ready(done) => done?,
        std::task::Poll::Pending => return Err("pingora's static discovery did not answer".into()),
    }
    let mut missed = 0u32;
    let ns = ns_per_call(|| {
        let found = balancer.select(b"", 16);
        missed += u32::from(found.is_none());
        found
    })?;
    if missed > 0 {
        return Err(format!("pingora selected nobody {missed} times").into());
    }
    Ok(ns)
}

fn ours_deviation(weights: &[u32]) -> Result<f64, Failure> {
    let mut picker = LowDiscrepancy::new(weights, 1);
    let request = Request::default();
    deviation(weights, || {
        picker.pick(&request).ok_or_else(|| "no pick".into())
    })
}

fn peer_deviation(weights: &[u32], backends: &BTreeSet<Backend>) -> Result<f64, Failure> {
    let selection: PingoraRoundRobin = Arc::new(Weighted::build(backends));
    deviation(weights, || {
        let mut iter = selection.iter(b"");
        slot(iter.next().ok_or("no pick")?)
    })
}

/// The largest deviation over all picks: an endpoint is furthest behind just before it is picked, furthest ahead
/// just after, and looked at once more at the end.
fn deviation(
    weights: &[u32],
    mut pick: impl FnMut() -> Result<usize, Failure>,
) -> Result<f64, Failure> {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let shares: Vec<f64> = weights.iter().map(|&w| f64::from(w) / total).collect();
    let mut counts = vec![0u32; weights.len()];
    let mut worst = 0f64;
    for n in 0..PICKS {
        let slot = pick()?;
        let (count, share) = (f64::from(counts[slot]), shares[slot]);
        worst = worst.max(f64::from(n) * share - count);
        worst = worst.max(count + 1.0 - f64::from(n + 1) * share);
        counts[slot] += 1;
    }
    let end = counts.iter().zip(&shares);
    let end = end.map(|(&count, share)| (f64::from(count) - f64::from(PICKS) * share).abs());
    Ok(end.fold(worst, f64::max))
}
