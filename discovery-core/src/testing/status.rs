//! Rise and fall, naively: from the whole history each time.

use crate::health::{ProbeOutcome, Status};

/// Passes in a row that a failing endpoint needs.
pub(super) const RISE: usize = 2;
/// Failures in a row that a passing one needs.
pub(super) const FALL: usize = 3;

/// The status after some results: the first decides, then runs of the needed length do.
pub(super) fn status(results: &[ProbeOutcome]) -> Status {
    let says = |o: &ProbeOutcome| match o {
        ProbeOutcome::Pass => Status::Passing,
        ProbeOutcome::Degraded => Status::Degraded,
        ProbeOutcome::Fail | ProbeOutcome::FailAtOnce => Status::Failing,
        ProbeOutcome::Unprobed => Status::Unknown,
    };
    let mut results = results.iter().filter(|o| says(o) != Status::Unknown);
    let Some(first) = results.next() else {
        return Status::Unknown;
    };
    let (mut status, mut run) = (says(first), 0);
    for result in results {
        let new = says(result);
        if new == status {
            run = 0;
            continue;
        }
        run += 1;
        let needed = match (status, new) {
            (Status::Failing, _) => RISE,
            (_, Status::Failing) if *result == ProbeOutcome::FailAtOnce => 1,
            (_, Status::Failing) => FALL,
            _ => 1,
        };
        if run >= needed {
            (status, run) = (new, 0);
        }
    }
    status
}
