//! Two threads with a picker handle each, against one.

use std::sync::Barrier;
use std::thread;

use discovery_core::pick::{LowDiscrepancy, Request, SharedWeights};

use super::weights;
use crate::measure::{median, thread_cpu_ns};
use crate::{Figure, Judge, Limit, Measured};

const PICKS: u32 = 2_000_000;

/// Picks a second of CPU time of `threads` threads at once, changes of weight coming in all the while.
///
/// CPU time, so that other tenants of the machine do not count; what threads cost each other (shared cache
/// lines) does count.
fn rate(threads: u64) -> Result<f64, String> {
    let n = 1_000;
    let mut shared = SharedWeights::new(n);
    for (slot, weight) in weights(n).into_iter().enumerate() {
        shared.set_weight(slot, weight);
    }
    let start = Barrier::new(threads as usize);
    let run = |seed: u64| {
        let mut handle = shared.follow(|w| LowDiscrepancy::new(w, seed));
        start.wait();
        let begin = thread_cpu_ns()?;
        let request = Request::default();
        for _ in 0..PICKS {
            std::hint::black_box(handle.pick(&request));
        }
        Ok::<u64, String>(thread_cpu_ns()?.saturating_sub(begin))
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|seed| scope.spawn(move || run(seed)))
            .collect();
        let mut sum = 0.0;
        for handle in handles {
            let ns = handle.join().map_err(|_| "a thread failed")??;
            sum += f64::from(PICKS) * 1e9 / ns as f64;
        }
        Ok(sum)
    })
}

fn scaling() -> Result<Measured, String> {
    let mut ratios = Vec::new();
    for _ in 0..5 {
        ratios.push(rate(2)? / rate(1)?);
    }
    Ok(Measured::alone(median(ratios)))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    vec![Figure {
        id: "discovery/two-threads",
        what: "picks of 2 threads with a handle each, against one (CPU time, median of 5)",
        unit: "times",
        judge: Judge::Ours,
        must: Limit::AtLeast(1.5),
        aim: Limit::AtLeast(1.9),
        long: false,
        run: scaling,
    }]
}
