//! pingora-load-balancing's weighted round robin beside our smooth picker: nanoseconds a pick and the largest
//! deviation from exact shares, 1,000 endpoints of weights 1 to 100, without changes of weight.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use discovery_core::{Golden, Picker, Request, Rng};
use futures::FutureExt as _;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer, discovery};

const ENDPOINTS: usize = 1_000;
const PICKS: u32 = 1_000_000;

fn weights() -> Vec<u32> {
    let mut rng = Rng::new(11, "bench weights");
    (0..ENDPOINTS).map(|_| 1 + rng.below(100) as u32).collect()
}

/// CPU nanoseconds of this thread so far.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    text.split_whitespace().next().and_then(|f| f.parse().ok()).expect("a number")
}

/// The best of five rounds of a million picks each, in nanoseconds a pick.
fn cost(mut pick: impl FnMut() -> usize) -> f64 {
    let round = |pick: &mut dyn FnMut() -> usize| {
        let start = cpu_ns();
        for _ in 0..5 * PICKS {
            black_box(pick());
        }
        (cpu_ns() - start) as f64 / f64::from(5 * PICKS)
    };
    (0..5).map(|_| round(&mut pick)).fold(f64::INFINITY, f64::min)
}

/// The largest |count - N p|, looked at just before and after each pick of an endpoint.
fn deviation(weights: &[u32], mut pick: impl FnMut() -> usize) -> f64 {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let mut counts = vec![0u32; weights.len()];
    let mut worst = 0f64;
    for n in 0..PICKS {
        let slot = pick();
        let share = f64::from(weights[slot]) / total;
        let before = f64::from(counts[slot]);
        worst = worst.max(f64::from(n) * share - before);
        worst = worst.max(before + 1.0 - f64::from(n + 1) * share);
        counts[slot] += 1;
    }
    worst
}

fn main() {
    let weights = weights();
    let mut slots = BTreeMap::new();
    let mut backends = BTreeSet::new();
    for (slot, &weight) in weights.iter().enumerate() {
        let address = format!("10.0.{}.{}:80", slot / 250, slot % 250);
        let backend = Backend::new_with_weight(&address, weight as usize).expect("an address");
        slots.insert(backend.addr.to_string(), slot);
        backends.insert(backend);
    }
    let pingora: LoadBalancer<RoundRobin> =
        LoadBalancer::from_backends(Backends::new(discovery::Static::new(backends)));
    pingora.update().now_or_never().expect("static discovery is at once").expect("an update");
    let mut golden = Golden::new(&weights, 1);
    let request = Request::default();
    let ours = cost(|| golden.pick(&request).expect("a pick"));
    let theirs = cost(|| pingora.select(b"", 1).map_or(0, |b| usize::from(b.weight > 0)));
    let our_deviation = deviation(&weights, || golden.pick(&request).expect("a pick"));
    let their_deviation = deviation(&weights, || {
        let backend = pingora.select(b"", 1).expect("a backend");
        slots[&backend.addr.to_string()]
    });
    let json = format!(
        "{{\"ns\": {{\"ours\": {ours:.2}, \"pingora\": {theirs:.2}}}, \
         \"deviation\": {{\"ours\": {our_deviation:.3}, \"pingora\": {their_deviation:.3}}}}}\n"
    );
    print!("{json}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/pingora.json");
    std::fs::write(path, json).expect("writing pingora.json");
}
