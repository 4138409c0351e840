//! One probe.

use crate::counts::{Counts, Local};
use crate::limits::Limits;
use crate::{exec, grpc, http};
use discovery_core::health::{CheckKind, ProbeOutcome};
use nix::errno::Errno;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// A deadline that is noticed later than this was missed by this thread, not by the endpoint. Chosen beside the 20 ms that the latest
/// of 10,000 probes a second is behind its time here.
const LATE: Duration = Duration::from_millis(100);

pub(crate) struct Probe {
    pub(crate) kind: CheckKind,
    pub(crate) address: SocketAddr,
    pub(crate) name: Box<str>,
    pub(crate) service: Box<str>,
    pub(crate) deadline: Instant,
}

/// Whoever wants to be under way waits for a permit.
#[derive(Clone)]
pub(crate) struct Permits {
    connections: Arc<Semaphore>,
    programs: Arc<Semaphore>,
}

impl Permits {
    pub(crate) fn new(limits: Limits) -> Self {
        let permits = |most: usize| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            connections: permits(limits.connections),
            programs: permits(limits.programs),
        }
    }
}

/// Why a probe gave no answer.
pub(crate) enum Trouble {
    /// The endpoint's.
    Endpoint,
    /// Ours.
    Local(Local, String),
}

impl From<io::Error> for Trouble {
    /// Ours are those that no endpoint can cause.
    fn from(error: io::Error) -> Self {
        let why = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                Local::Resources
            }
            Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE | Errno::EAGAIN) => Local::Ports,
            _ => return Self::Endpoint,
        };
        Self::Local(why, error.to_string())
    }
}

impl Probe {
    /// What it gave; what went wrong here is counted.
    pub(crate) async fn carry_out(&self, permits: &Permits, counts: &Counts) -> ProbeOutcome {
        let permit = match &self.kind {
            CheckKind::Exec { .. } => &permits.programs,
            _ => &permits.connections,
        };
        let unprobed = |why, text: &str| {
            counts.local(why, format!("{}: {text}", self.name));
            ProbeOutcome::Unprobed
        };
        // With less than half of its time left an endpoint has no fair chance; and the engine must be told before it takes the
        // missing answer for a failure.
        let now = Instant::now();
        let fair = now + self.deadline.saturating_duration_since(now) / 2;
        let Ok(permit) = timeout_at(fair, permit.acquire()).await else {
            return unprobed(Local::Late, "no permit came in time");
        };
        let outcome = timeout_at(self.deadline, self.once(permit.ok())).await;
        match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Trouble::Endpoint)) => ProbeOutcome::Fail,
            Ok(Err(Trouble::Local(why, text))) => unprobed(why, &text),
            Err(_) if self.deadline.elapsed() > LATE => {
                unprobed(Local::Late, "its deadline was noticed too late")
            }
            Err(_) => ProbeOutcome::Fail,
        }
    }

    async fn once(&self, _turn: Option<SemaphorePermit<'_>>) -> Result<ProbeOutcome, Trouble> {
        match &self.kind {
            CheckKind::Tcp => self.connect().await.map(|_| ProbeOutcome::Pass),
            CheckKind::Http { path } => http::get(self.connect().await?, self.address, path).await,
            CheckKind::Grpc { service } => {
                grpc::check(self.connect().await?, self.address, service).await
            }
            CheckKind::Exec { command } => exec::run(self, command).await,
            kind => {
                let text = format!("a check that is not carried out here: {kind:?}");
                Err(Trouble::Local(Local::Check, text))
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, Trouble> {
        let stream = TcpStream::connect(self.address).await?;
        // Its end leaves no port in TIME_WAIT.
        stream.set_zero_linger()?;
        Ok(stream)
    }
}
