//! Nanoseconds a pick while weights change: 1 % of the endpoints (at least one) each second, one at a time, at
//! 100,000 picks a second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use discovery_core::Picker;
use discovery_core::pick::{LowDiscrepancy, Request};
use discovery_core::rng;
use rand::RngExt as _;

use super::weights;
use crate::measure::ns_per_call;
use crate::{Figure, Judge, Limit, Measured};

/// Picks between two changes of weight with `n` endpoints.
fn picks_per_change(n: usize) -> usize {
    100_000 / (n / 100).max(1)
}

/// Thread CPU time a pick, the changes included.
fn churned(picker: &mut dyn Picker, n: usize) -> Result<f64, String> {
    let every = picks_per_change(n);
    let mut rng = rng::stream(5, "churn");
    let request = Request::default();
    let mut until = every;
    ns_per_call(25, 1_200_000, |_| {
        until -= 1;
        if until == 0 {
            until = every;
            picker.set_weight(
                rng.random_range(0..n as u64) as usize,
                1 + rng.random_range(0..100) as u32,
            );
        }
        picker.pick(&request)
    })
}

/// Plain EDF as Envoy has it: a binary heap, a weight read when its entry is put back, nothing done on a
/// change.
struct PlainEdf {
    heap: BinaryHeap<Reverse<(Deadline, u64, usize)>>,
    weights: Vec<u32>,
    order: u64,
}

/// A deadline that is never NaN.
#[derive(PartialEq, PartialOrd)]
struct Deadline(f64);

impl Eq for Deadline {}

#[allow(clippy::derive_ord_xor_partial_ord)]
impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PlainEdf {
    fn new(weights: &[u32]) -> Self {
        let entry =
            |(slot, &w): (usize, &u32)| Reverse((Deadline(1.0 / f64::from(w)), slot as u64, slot));
        let heap = weights.iter().enumerate().map(entry).collect();
        Self {
            heap,
            weights: weights.to_vec(),
            order: weights.len() as u64,
        }
    }
}

impl Picker for PlainEdf {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        let mut first = self.heap.peek_mut()?;
        let Reverse((deadline, order, slot)) = &mut *first;
        deadline.0 += 1.0 / f64::from(self.weights[*slot]);
        *order = self.order;
        self.order += 1;
        Some(*slot)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        self.weights[slot] = weight;
    }

    fn weight(&self, slot: usize) -> u32 {
        self.weights[slot]
    }

    fn slots(&self) -> usize {
        self.weights.len()
    }
}

fn smooth(n: usize) -> Result<Measured, String> {
    let weights = weights(n);
    let ours = churned(&mut LowDiscrepancy::new(&weights, 1), n)?;
    Ok(Measured::beside(
        ours,
        churned(&mut PlainEdf::new(&weights), n)?,
    ))
}

fn one_change() -> Result<Measured, String> {
    let n = 10_000;
    let weights = weights(n);
    let mut picker = LowDiscrepancy::new(&weights, 1);
    let mut rng = rng::stream(6, "changes");
    let moves: Vec<(usize, u32)> = (0..n)
        .map(|_| {
            (
                rng.random_range(0..n as u64) as usize,
                1 + rng.random_range(0..100) as u32,
            )
        })
        .collect();
    let ns = ns_per_call(5, n * 100, |i| {
        let (slot, weight) = moves[i % n];
        picker.set_weight(slot, weight);
    })?;
    Ok(Measured::alone(ns / 1000.0))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let row = |id, what, must, aim, run| Figure {
        id,
        what,
        unit: "ns",
        judge: Judge::Ours,
        must: Limit::AtMost(must),
        aim: Limit::AtMost(aim),
        long: false,
        run,
    };
    vec![
        row(
            "discovery/pick-10",
            "smooth weighted pick, 10 endpoints under churn; peer plain EDF",
            20.0,
            10.0,
            || smooth(10),
        ),
        row(
            "discovery/pick-1000",
            "the same, 1,000 endpoints",
            30.0,
            15.0,
            || smooth(1000),
        ),
        row(
            "discovery/pick-10000",
            "the same, 10,000 endpoints",
            40.0,
            20.0,
            || smooth(10_000),
        ),
        Figure {
            unit: "us",
            ..row(
                "discovery/change-10000",
                "one weight change at 10,000 endpoints",
                2.0,
                0.3,
                one_change,
            )
        },
    ]
}
