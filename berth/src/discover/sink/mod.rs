//! Where effects go: the state's file first, then proxies, then whoever watches.

mod named;

pub(super) use named::{Named, open};

use super::metrics::Metrics;
use super::report::Report;
use super::state::State;
use async_trait::async_trait;
use discovery_core::driver::Sink;
use discovery_core::engine::Snapshot;
use discovery_core::{Effect, Engine, Timestamp};
use discovery_proxy::ProxySink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers snapshots, so that the newest is known.
pub(super) type Numbers = Arc<AtomicU64>;

/// All sinks as one.
pub(super) struct Sinks {
    pub(super) state: Option<State>,
    pub(super) numbers: Numbers,
    pub(super) snapshot: Option<(u64, Snapshot)>,
    pub(super) proxies: Vec<ProxySink>,
    pub(super) report: Report,
    pub(super) metrics: Metrics,
}

/// The next snapshot with its number.
pub(super) fn snapshot(engine: &Engine, numbers: &Numbers) -> (u64, Snapshot) {
    (
        numbers.fetch_add(1, Ordering::Relaxed) + 1,
        engine.snapshot(),
    )
}

#[async_trait]
impl Sink for Sinks {
    fn take(&mut self, engine: &Engine, now: Timestamp, effects: &[Effect], lost: u64) {
        if self.state.is_some() {
            self.snapshot = Some(snapshot(engine, &self.numbers));
        }
        for proxy in &mut self.proxies {
            proxy.take(engine, now, effects, lost);
        }
        self.report.effects(engine, now, effects);
        self.metrics.count(effects);
    }

    async fn carry_out(&mut self) {
        if let (Some(state), Some((number, snapshot))) = (&self.state, self.snapshot.take()) {
            let saved = state.save(number, snapshot).await;
            // Traffic does not wait for a full disk.
            self.metrics.saved(saved.as_ref().err());
        }
        for proxy in &mut self.proxies {
            proxy.carry_out().await;
        }
    }
}
