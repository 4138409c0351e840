//! How long a bench runs: all four files together stay below three minutes.

use criterion::Criterion;
use std::time::Duration;

/// A second and a half a bench. Enough to see a change of a tenth on a quiet machine; the scorecard's figures, in CPU time and
/// beside peers, are the ones to quote.
pub(crate) fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
}
