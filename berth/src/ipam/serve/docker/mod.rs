//! A Docker engine of this host, served with addresses.

mod engine;
mod host;
mod socket;

pub(super) use engine::Viewer;
pub(super) use socket::{Socket, write_spec};

use super::super::args::ServeArgs;
use super::metrics::Metrics;
use ipam::Timestamp;
use ipam_docker::{Call, Driver, EngineView, Excess, Refusal, Reply};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Most pools whose last call is remembered; of others, the engine was called about lately for all that is known.
const MOST_POOLS: usize = 4096;

/// A call that waits for its answer.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) answer: oneshot::Sender<Result<Reply, Refusal>>,
}

/// What the engine was found to run.
pub(super) struct Looked {
    /// When the look began, by the store's time, and how many calls had been answered by then.
    pub(super) began: Timestamp,
    pub(super) calls: u64,
    pub(super) view: Result<EngineView, String>,
}

/// The engine's side of a host.
pub(super) struct Docker {
    pub(super) driver: Driver,
    pub(super) excess: Excess,
    pub(super) viewer: Option<Viewer>,
    /// How many calls were answered, and the number of each pool's last one.
    pub(super) calls: u64,
    last: BTreeMap<String, u64>,
    forgotten: u64,
}

impl Docker {
    pub(super) fn new(args: &ServeArgs, viewer: Option<Viewer>) -> Option<Self> {
        args.docker.docker.as_ref()?;
        let ranges = args.docker.docker_auto.iter().copied();
        let driver = ranges.fold(Driver::new(&args.host), Driver::auto);
        Some(Self {
            driver,
            excess: Excess::default(),
            viewer,
            calls: 0,
            last: BTreeMap::new(),
            forgotten: 0,
        })
    }

    /// Notes what a call was about; what is known of it while a look at the engine was under way may be too old.
    pub(super) fn note(&mut self, call: &Call, answer: &Result<Reply, Refusal>) {
        self.calls += 1;
        let id = match (call, answer) {
            (Call::RequestPool(_), Ok(Reply::Pool { id, .. })) => id,
            (Call::ReleasePool(release), _) => &release.pool_id,
            (Call::RequestAddress(request), _) => &request.pool_id,
            (Call::ReleaseAddress(release), _) => &release.pool_id,
            _ => return,
        };
        if self.last.len() >= MOST_POOLS {
            self.last.clear();
            self.forgotten = self.calls;
        }
        self.last.insert(id.clone(), self.calls);
    }

    /// The pools that were called about since that many calls.
    pub(super) fn busy_since(&self, calls: u64) -> impl Fn(&str) -> bool + use<> {
        let all = self.forgotten > calls;
        let last = self.last.iter().filter(|(_, last)| **last > calls);
        // An id is a pool's name, or begins with it.
        let busy: Vec<String> = last.map(|(id, _)| id.clone()).collect();
        move |pool| all || busy.iter().any(|id| id.starts_with(pool))
    }

    /// Whether an owner is of this host's engine.
    pub(super) fn owns(&self, owner: &str) -> bool {
        self.driver.owns(owner)
    }
}

/// The name by which an engine knows the plugin: of its specification, or of its socket.
pub(super) fn name(args: &ServeArgs) -> Option<String> {
    let socket = args.docker.docker.as_deref()?;
    let file: &Path = args.docker.docker_spec.as_deref().unwrap_or(socket);
    Some(file.file_stem()?.to_string_lossy().into_owned())
}

/// Who lives on a host.
pub(super) struct Living<'a> {
    /// Owners that somebody listed.
    pub(super) live: Option<BTreeSet<String>>,
    /// What the engine runs.
    pub(super) view: Option<&'a EngineView>,
}

impl Living<'_> {
    /// Whether an owner is among them, or nobody can say of it that it is not.
    pub(super) fn has(&self, driver: Option<&Driver>, owner: &str) -> bool {
        if let Some(driver) = driver.filter(|driver| driver.owns(owner)) {
            let view = self.view.and_then(|view| driver.lives(view, owner));
            return view.unwrap_or(true);
        }
        self.live.as_ref().is_none_or(|live| live.contains(owner))
    }
}

/// Counts a call and what became of it.
fn count(metrics: &Arc<Metrics>, kind: &'static str, answer: &Result<Reply, Refusal>) {
    let result = match answer {
        Ok(_) => "done",
        Err(refusal) => refusal.kind.name(),
    };
    metrics.docker(kind, result);
}
