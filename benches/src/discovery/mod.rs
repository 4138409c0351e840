//! `discovery-core`: picking beside plain EDF, pingora and tower's balance, admission, the engine at size.

mod admission;
mod choices;
mod deviation;
mod engine;
mod picks;
mod pingora;
mod threads;
mod tower;

use discovery_core::Rng;

use crate::Figure;

/// Every row of this area.
#[must_use]
pub fn figures() -> Vec<Figure> {
    let mut all = picks::figures();
    all.extend(deviation::figures());
    all.extend(choices::figures());
    all.extend(threads::figures());
    all.extend(admission::figures());
    all.extend(engine::figures());
    all.extend(tower::figures());
    all.extend(pingora::figures());
    all
}

/// `n` weights from 1 to 100, the same for everybody.
fn weights(n: usize) -> Vec<u32> {
    let mut rng = Rng::new(11, "bench weights");
    (0..n).map(|_| 1 + rng.below(100) as u32).collect()
}
