//! An engine's calls, decided on the state of a store.

use crate::auto::AutoRange;
use crate::message::{Call, Reply};
use crate::refusal::Refusal;
use ipam::{Change, Ipam, Replica, Store, Timestamp};
use std::time::Duration;

/// What an engine on a host asks, decided.
///
/// It keeps nothing: whatever an answer depends on is in the store, so that a plugin that was killed goes on as if it never was.
///
/// ```
/// use ipam::store::{MemoryStore, ready};
/// use ipam::{Replica, Timestamp};
/// use ipam_docker::{Call, Driver};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
/// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
/// let driver = Driver::new("h1");
/// let mut answer = async |path: &str, body: &str| {
///     let call = Call::read(path, body.as_bytes())?;
///     driver.answer(&mut replica, now, &call, sleep).await.map(|reply| reply.to_json())
/// };
/// let request = r#"{"AddressSpace": "berth-local", "Pool": "10.9.0.0/24"}"#;
/// let pool = answer("/IpamDriver.RequestPool", request).await?;
/// assert_eq!(pool["PoolID"], "docker/10.9.0.0/24");
/// let request = r#"{"PoolID": "docker/10.9.0.0/24", "Address": "", "Options": null}"#;
/// let address = answer("/IpamDriver.RequestAddress", request).await?;
/// assert_eq!(address["Address"], "10.9.0.1/24");
/// # Ok(())
/// # }
/// # ready(run()).ok_or("a store in memory never waits")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Driver {
    pub(crate) host: String,
    pub(crate) auto: Vec<AutoRange>,
}

/// A decision: the answer, and the changes after which it is true.
pub(crate) type Decided = Result<(Reply, Vec<Change<'static>>), Refusal>;

impl Driver {
    /// For the engine of a host, by the host's name in the store.
    pub fn new(host: impl Into<String>) -> Self {
        let (host, auto) = (host.into(), Vec::new());
        Self { host, auto }
    }

    /// With a range of which networks that name no pool are given parts.
    #[must_use]
    pub fn auto(mut self, range: AutoRange) -> Self {
        self.auto.push(range);
        self
    }

    /// Decides a call and alters nothing. The answer is true once the changes are carried out, in order.
    ///
    /// A call that names an address is decided in constant time, but for a range (`--ip-range`), which is searched for its first
    /// free address among its first 65,536; others are linear in the claims of the host and in what is retained.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn decide(&self, ipam: &Ipam, call: &Call) -> Decided {
        match call {
            Call::Activate => Ok((Reply::Implements, Vec::new())),
            Call::Capabilities => Ok((Reply::Capabilities, Vec::new())),
            Call::AddressSpaces => Ok((Reply::AddressSpaces, Vec::new())),
            Call::RequestPool(request) => self.request_pool(ipam, request),
            Call::ReleasePool(release) => self.release_pool(ipam, release),
            Call::RequestAddress(request) => self.request_address(ipam, request),
            Call::ReleaseAddress(release) => self.release_address(ipam, release),
        }
    }

    /// Answers a call: decided on the state at `now`, and committed. `wait` sleeps between attempts.
    ///
    /// # Errors
    /// [`Refusal`]; the store is as it was then, unless it failed in a way that leaves that open.
    pub async fn answer<S: Store, W: Future<Output = ()>>(
        &self,
        replica: &mut Replica<S>,
        now: Timestamp,
        call: &Call,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Reply, Refusal> {
        let done = replica
            .transact(now, |ipam| self.decide(ipam, call), wait)
            .await;
        done.map_err(Refusal::from)
    }
}
