//! Brings proxies in line: at once when something changed, again when it failed, and now and then in case that somebody else
//! changed them.

use crate::assignment::Assignments;
use async_trait::async_trait;
use discovery_core::driver::Sink;
use discovery_core::rng::stream;
use discovery_core::{Effect, Engine, Timestamp};
use rand::{Rng, RngExt as _};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The first wait after a failure, and the longest; each is up to twice the one before, of which half is drawn.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// How long an engine that was just made may take to learn of its endpoints.
const SETTLES: Duration = Duration::from_secs(3);

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synced {
    /// It is in line, after so many changes.
    Done {
        /// How many; what is counted is the proxy's own.
        changes: usize,
    },
    /// More is to be done, not before this has passed unless something changes.
    Later(Duration),
}

/// Why an attempt failed, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyError(pub String);

impl std::fmt::Display for ProxyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ProxyError {}

impl From<serde_json::Error> for ProxyError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for ProxyError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A proxy, or what one reads.
#[async_trait]
pub trait Proxy: Send + 'static {
    /// How it is called where it is told of: `envoy-file /run/eds.json`.
    fn name(&self) -> String;

    /// Looks how it is, and makes it so. What can be done is done, also if something else fails.
    ///
    /// # Errors
    /// What it refused, or that it does not answer: it is tried again.
    async fn sync(&mut self, wanted: &Assignments) -> Result<Synced, ProxyError>;

    /// Waits until somebody else changed it, for ever where that can't be told. It is looked at then. Dropped when there is something
    /// else to do.
    async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }

    /// After how long it is looked at again though nothing changed.
    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// What is told of each attempt.
pub type Report = Box<dyn Fn(&str, &Result<Synced, ProxyError>) + Send>;

/// A sink that never waits for its proxy.
#[derive(Debug)]
pub struct ProxySink {
    latest: Assignments,
    tell: watch::Sender<Arc<Assignments>>,
}

impl ProxySink {
    /// Brings the proxy in line with what the engine has now, in a task of the runtime, and keeps it there. The task ends after the
    /// sink is dropped, once the proxy was told what there is or an attempt has failed.
    #[must_use]
    pub fn start(proxy: impl Proxy, engine: &Engine, report: Report) -> (Self, JoinHandle<()>) {
        let latest = Assignments::of(engine);
        let (tell, told) = watch::channel(Arc::new(latest.clone()));
        let task = tokio::spawn(keep(proxy, told, report));
        (Self { latest, tell }, task)
    }
}

#[async_trait]
impl Sink for ProxySink {
    fn take(&mut self, engine: &Engine, _: Timestamp, effects: &[Effect], lost: u64) {
        match lost {
            0 => self.latest.follow(engine, effects),
            _ => self.latest = Assignments::of(engine),
        }
    }

    async fn carry_out(&mut self) {
        self.tell.send_replace(Arc::new(self.latest.clone()));
    }
}

async fn keep(mut proxy: impl Proxy, mut told: watch::Receiver<Arc<Assignments>>, report: Report) {
    let name = proxy.name();
    settled(&mut told).await;
    let mut failures = 0;
    // Other than those of whoever else waits for the same proxy.
    let mut draws = stream(RandomState::new().hash_one(0), &name);
    loop {
        let wanted = Arc::clone(&told.borrow_and_update());
        let attempt = timeout(ATTEMPT, proxy.sync(&wanted)).await;
        let result = attempt.unwrap_or_else(|_| {
            let text = format!("no answer within {} s", ATTEMPT.as_secs());
            Err(ProxyError(text))
        });
        report(&name, &result);
        let pause = match result {
            Ok(Synced::Done { .. }) => {
                failures = 0;
                proxy.interval()
            }
            Ok(Synced::Later(pause)) => pause,
            Err(_) => {
                failures += 1;
                back_off(failures, &mut draws)
            }
        };
        tokio::select! {
            // Who tells is gone: all that was told has been tried.
            changed = told.changed() => if changed.is_err() { return },
            // Who refused, or does not answer, has its pause.
            () = proxy.changed(), if failures == 0 => {}
            () = sleep(pause) => {}
        }
    }
}

/// Waits until an engine that was just made has heard of its endpoints and checked them: what a predecessor wrote stays until
/// then.
async fn settled(told: &mut watch::Receiver<Arc<Assignments>>) {
    let settled = told.wait_for(|latest| latest.settled());
    // Who tells may be gone, and one who knows nothing for long is believed.
    let _ = timeout(SETTLES, settled).await;
}

/// The wait after so many failures in a row.
fn back_off(failures: u32, draws: &mut impl Rng) -> Duration {
    let longest = SHORTEST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    draws.random_range(longest / 2..=longest)
}
