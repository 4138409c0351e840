//! `discovery-core`: picking beside plain EDF, pingora and tower's balance, admission, the engine at size; and the
//! adapters between real proxies.

mod admission;
mod choices;
mod deviation;
mod engine;
mod live;
mod picks;
mod pingora;
mod threads;
mod tower;

use crate::Figure;
use discovery_core::rng;
use rand::RngExt as _;

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
    all.extend(live::figures());
    all
}

/// `n` weights from 1 to 100, the same for everybody.
fn weights(n: usize) -> Vec<u32> {
    let mut rng = rng::stream(11, "bench weights");
    (0..n)
        .map(|_| 1 + rng.random_range(0..100) as u32)
        .collect()
}
