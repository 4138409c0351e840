//! How far counts stray from exact shares: the largest |count - N p| over all endpoints and many prefixes.

use discovery_core::Picker;
use discovery_core::pick::{Edf, LowDiscrepancy, Request};

use super::weights;
use crate::{Figure, Judge, Limit, Measured};

/// The largest deviation from the shares of `weights` over 10^6 picks, looked at each time an endpoint is picked
/// (before and after, where it is extreme for that endpoint) and for all at the end; infinite without a pick.
pub(super) fn deviation(weights: &[u32], mut pick: impl FnMut() -> Option<usize>) -> f64 {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let shares: Vec<f64> = weights.iter().map(|&w| f64::from(w) / total).collect();
    let mut counts = vec![0u32; weights.len()];
    let mut worst = 0f64;
    for n in 0..1_000_000u32 {
        let Some(slot) = pick() else {
            return f64::INFINITY;
        };
        let (count, share) = (f64::from(counts[slot]), shares[slot]);
        // An endpoint is furthest behind just before it is picked and furthest ahead just after.
        worst = worst.max(f64::from(n) * share - count);
        worst = worst.max(count + 1.0 - f64::from(n + 1) * share);
        counts[slot] += 1;
    }
    let end = counts
        .iter()
        .zip(&shares)
        .map(|(&c, p)| (f64::from(c) - 1e6 * p).abs());
    end.fold(worst, f64::max)
}

fn of(mut picker: impl Picker, weights: &[u32]) -> f64 {
    let request = Request::default();
    deviation(weights, || picker.pick(&request))
}

fn low_discrepancy() -> Result<Measured, String> {
    let mut worst = 0f64;
    for n in [10, 1_000, 10_000] {
        let weights = weights(n);
        let starts = 100u64;
        for seed in 0..starts {
            worst = worst.max(of(LowDiscrepancy::new(&weights, seed), &weights));
        }
    }
    Ok(Measured::alone(worst))
}

fn edf() -> Result<Measured, String> {
    let (mut ours, mut plain) = (0f64, 0f64);
    for n in [10, 1_000, 10_000] {
        let weights = weights(n);
        let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        plain = plain.max(of(Edf::new(&real), &weights));
        for seed in 0..20 {
            ours = ours.max(of(Edf::seeded(&real, seed), &weights));
        }
    }
    Ok(Measured::beside(ours, plain))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let row = |id, what, must, aim, run| Figure {
        id,
        what,
        unit: "picks",
        judge: Judge::Ours,
        must: Limit::AtMost(must),
        aim: Limit::AtMost(aim),
        long: false,
        run,
    };
    vec![
        row(
            "discovery/golden-deviation",
            "smooth picker's largest deviation over 10^6 picks; 10, 1,000 and 10,000 endpoints, 100 starts each",
            5.0,
            3.0,
            low_discrepancy,
        ),
        row(
            "discovery/edf-deviation",
            "EDF's largest deviation over 10^6 picks, 20 seeded starts each; peer a cold start",
            2.0,
            1.5,
            edf,
        ),
    ]
}
