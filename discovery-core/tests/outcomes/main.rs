//! What a caller tells a picker beside weights: how calls ended, what a retry has tried, that a slot's endpoint is gone.

mod failures;
mod retries;
mod reuse;

use core::time::Duration;

use discovery_core::health::CallOutcome;
use discovery_core::pick::{
    Edf, Follower, LowDiscrepancy, Maglev, P2c, PeakEwma, Request, SharedWeights, SmoothRoundRobin,
    StaticStride, WeightedRandom,
};
use discovery_core::{Picker, Timestamp};

pub(crate) type Boxed = Box<dyn Picker>;

pub(crate) fn named(weights: &[u32]) -> Vec<(u64, u32)> {
    (0..)
        .map(|i| i * 77 + 5)
        .zip(weights.iter().copied())
        .collect()
}

pub(crate) fn all(weights: &[u32]) -> Vec<(&'static str, Boxed)> {
    let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let mut shared = SharedWeights::new(weights.len());
    for (slot, &w) in weights.iter().enumerate() {
        shared.set_weight(slot, w);
    }
    let follower: Follower<Boxed> = shared.follow(|w| Box::new(LowDiscrepancy::new(w, 4)) as Boxed);
    vec![
        ("edf", Box::new(Edf::new(&real))),
        ("edf seeded", Box::new(Edf::seeded(&real, 4))),
        ("low discrepancy", Box::new(LowDiscrepancy::new(weights, 4))),
        ("smooth", Box::new(SmoothRoundRobin::new(weights))),
        ("stride", Box::new(StaticStride::new(&real, 3))),
        ("alias", Box::new(WeightedRandom::new(weights, 4))),
        ("p2c", Box::new(P2c::new(weights, PeakEwma::default(), 4))),
        ("maglev", Box::new(Maglev::new(&named(weights)))),
        (
            "bounded",
            Box::new(Maglev::new(&named(weights)).bounded(125)),
        ),
        ("follower", Box::new(follower)),
    ]
}

pub(crate) fn at(ms: u64) -> Request {
    Request::new(Timestamp::from_millis(1_000 + ms))
        .with_key(ms.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

pub(crate) const MS: Duration = Duration::from_millis(1);
