//! Life signs of hosts.

use crate::client::Client;
use crate::failure::Failure;
use crate::keys::{after_prefix, next_start};
use crate::proto::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    path, signed,
};
use crate::store::EtcdStore;
use ipam::store::StoreError;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::codegen::tokio_stream;

/// A host's lease of etcd's: while it is kept alive, the host is among [`EtcdStore::live_hosts`]. It ends by itself when nobody keeps it
/// alive, and the life sign with it, by etcd's clock and no other.
///
/// A lease is on a connection of its own. Dropping it sends nothing: it ends after [`HostLease::ttl`].
#[derive(Debug)]
pub struct HostLease {
    client: Client,
    id: i64,
    host: String,
    ttl: Duration,
}

/// Why a lease was not kept alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseError {
    /// It had ended: others have taken the host for dead, and may have taken what it had.
    Ended,
    /// etcd gave no answer; the lease may have been prolonged or not.
    Store(StoreError),
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the host's lease has ended: others take it for dead"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LeaseError {}

impl From<Failure> for LeaseError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

/// Hosts of one request.
const PAGE: i64 = 1000;
/// Pause before another member is asked.
const PAUSE: Duration = Duration::from_millis(50);

impl EtcdStore {
    /// Says that a host lives, for `ttl` (whole seconds, rounded up) from now and from each [`HostLease::keep_alive`]. A lease of the
    /// same host's that somebody else still keeps alive is no longer its life sign: the last process of a name stands for it.
    ///
    /// # Errors
    /// etcd failed; a lease that may have been granted then ends by itself.
    pub async fn grant_host_lease(
        &mut self,
        host: &str,
        ttl: Duration,
    ) -> Result<HostLease, StoreError> {
        let mut client = self.client.another();
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let request = LeaseGrantRequest {
            ttl: signed(seconds.max(1)),
            id: 0,
        };
        let granted: LeaseGrantResponse = client.write(path::LEASE_GRANT, &request).await?;
        let put = PutRequest {
            key: self.keys.life_sign(host),
            value: Vec::new(),
            lease: granted.id,
        };
        let _: PutResponse = client.write(path::PUT, &put).await?;
        Ok(HostLease {
            client,
            id: granted.id,
            host: host.to_owned(),
            ttl: seconds_of(granted.ttl),
        })
    }

    /// The hosts whose leases have not ended, in order.
    ///
    /// # Errors
    /// etcd failed.
    pub async fn live_hosts(&mut self) -> Result<Vec<String>, StoreError> {
        let mut hosts = Vec::new();
        let first = self.keys.life_sign("");
        let range_end = after_prefix(&first);
        let mut key = first;
        loop {
            let request = RangeRequest {
                key: key.clone(),
                range_end: range_end.clone(),
                limit: PAGE,
                keys_only: true,
                ..RangeRequest::default()
            };
            let answer: RangeResponse = self.client.read(path::RANGE, &request).await?;
            for kv in &answer.kvs {
                hosts.push(self.keys.host_of(kv)?);
            }
            if !answer.more {
                return Ok(hosts);
            }
            let next = next_start(&key, &range_end, &answer.kvs);
            key = next.ok_or_else(|| self.client.odd("a page of other keys"))?;
        }
    }
}

impl HostLease {
    /// The host that it is a life sign of.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For how long it lasts from each renewal, as etcd granted it: at least as long as was asked for. Renew it several times within.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Prolongs it: it lasts for the time returned, from the moment at which this was called.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub async fn keep_alive(&mut self) -> Result<Duration, LeaseError> {
        let until = Instant::now() + self.client.config.timeout;
        loop {
            match self.prolong(until).await {
                Ok(0) => return Err(LeaseError::Ended),
                Ok(seconds) => return Ok(seconds_of(seconds)),
                Err(failure) if failure.rejects_token() && Instant::now() < until => {
                    self.client.forget_token();
                }
                // To prolong it twice does no harm.
                Err(failure) if failure.is_passing() && Instant::now() < until => {
                    self.client.next_member();
                    sleep(PAUSE).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn prolong(&mut self, until: Instant) -> Result<i64, Failure> {
        let request = LeaseKeepAliveRequest { id: self.id };
        let requests = tokio_stream::once(request);
        let until = until.min(Instant::now() + self.client.config.attempt_timeout);
        let mut answers = self.client.stream(path::LEASE_KEEP_ALIVE, requests).await?;
        let answer: LeaseKeepAliveResponse = match timeout_at(until, answers.message()).await {
            Ok(Ok(Some(answer))) => answer,
            Ok(Ok(None)) => return Err(self.client.unknown("ended the stream without an answer")),
            Ok(Err(status)) => return Err(self.client.failure_of(&status)),
            Err(_) => return Err(self.client.unknown("gave no answer in time")),
        };
        Ok(answer.ttl)
    }

    /// Ends it now, and the life sign with it.
    ///
    /// # Errors
    /// etcd failed; it ends by itself then.
    pub async fn revoke(mut self) -> Result<(), StoreError> {
        let request = LeaseRevokeRequest { id: self.id };
        let answer: Result<LeaseRevokeResponse, _> =
            self.client.write(path::LEASE_REVOKE, &request).await;
        match answer {
            // It had ended already.
            Err(failure) if failure.is_no_lease() => Ok(()),
            answer => answer.map(drop).map_err(Into::into),
        }
    }
}

fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}
