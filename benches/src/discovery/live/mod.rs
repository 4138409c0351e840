//! `berth discover run` as a process between a source, backends and a real Envoy: what fails, what shares come to, how soon
//! weights are there; beside what each step costs bare.

mod bare;
mod consul;
mod latency;
mod probes;
mod tower;
mod traffic;
mod world;

use crate::Figure;

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    [
        traffic::figures(),
        latency::figures(),
        consul::figures(),
        probes::figures(),
        tower::figures(),
    ]
    .concat()
}
