//! What may happen, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use discovery_core::engine::DrainTarget;
use discovery_core::health::{CallOutcome, ProbeOutcome};
use discovery_core::registry::Op;
use discovery_core::{EndpointId, EndpointSpec};

/// Something that happens at some millisecond.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The world does something to itself.
    Chaos,
    /// A message from the source reaches the engine.
    Upsert(String, EndpointSpec),
    Remove(String),
    Relist(Vec<(String, EndpointSpec)>),
    /// The source lists everything.
    List,
    /// A pod that is on its way out is gone.
    Gone(String, u64),
    Probed(EndpointId, u32, ProbeOutcome),
    Called(String, CallOutcome),
    /// The syncer compares and begins to write.
    Sync,
    /// A transaction reaches the registry: of which sync, and its place in it.
    Write(u64, Vec<Op>),
    /// Its answer reaches the syncer.
    Written(u64, bool),
    /// A proxy reads the registry.
    Poll(usize),
    /// Somebody calls through a proxy.
    Call,
    /// The engine's state is saved, the engine crashes, comes back.
    Save,
    Crash,
    Restart,
    /// The engine's clock is set by so many milliseconds.
    Jump(i64),
    RegistryBack,
    SourceBack,
    ProxyCrash(usize),
    /// Callers that were down call, and report, again.
    CallersBack,
    /// The operator looks at what is held and what should be drained.
    Operator,
    Undrain(DrainTarget),
}

/// Events by time, then by order of mention.
#[derive(Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: std::collections::BTreeMap<u64, Event>,
    count: u64,
}

impl Agenda {
    pub(crate) fn push(&mut self, at: u64, event: Event) {
        self.heap.push(Reverse((at, self.count)));
        self.events.insert(self.count, event);
        self.count += 1;
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Event)> {
        let Reverse((at, id)) = self.heap.pop()?;
        Some((at, self.events.remove(&id)?))
    }
}
