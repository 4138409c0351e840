//! What a decision of a cold callee costs.

use std::time::Duration;

use discovery_core::Timestamp;
use discovery_core::warm_up::{Admission, AdmissionRules, Curve, Decision};

use crate::measure::ns_per_call;
use crate::{Figure, Judge, Limit, Measured};

/// Rate and concurrency both limited, on the ramp (its dearest part), most requests let in.
/// Their ends are not timed.
fn decision() -> Result<Measured, String> {
    let rules = AdmissionRules::new(
        Duration::from_secs(1_000),
        Curve::Linear { cold_percent: 10 },
    )
    .with_concurrency(Some(262_143))
    .with_rate(Some(1_000_000))
    .with_burst(10)
    .with_queue(Duration::from_millis(1));
    let start = Timestamp::from_secs(1);
    let fresh = || Admission::new(rules, start).map_err(|e| e.to_string());
    let mut admission = fresh()?;
    let mut now = Timestamp::from_secs(201);
    let mut let_in = 0u64;
    let (rounds, calls) = (25, 1_500_000);
    let ns = ns_per_call(rounds, calls, |i| {
        if i % 50_000 == 0
            && let Ok(fresh) = fresh()
        {
            admission = fresh;
        }
        now = now.after(Duration::from_nanos(4_000));
        let answer = admission.ask(now);
        let_in += u64::from(answer != Decision::Reject);
        answer
    })?;
    let asked = (rounds * calls) as u64;
    if let_in < asked / 10 * 9 {
        return Err(format!("only {let_in} of {asked} were let in"));
    }
    Ok(Measured::alone(ns))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    vec![Figure {
        id: "discovery/admission",
        what: "`Admission`: a decision by rate and concurrency while warming up",
        unit: "ns",
        judge: Judge::Ours,
        must: Limit::AtMost(20.0),
        aim: Limit::AtMost(8.0),
        long: false,
        run: decision,
    }]
}
