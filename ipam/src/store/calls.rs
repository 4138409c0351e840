//! Single calls of a [`Replica`]: what most callers do in a transaction of its own.

use super::record::{claim_key, workload_key};
use super::replica::{Replica, TransactError};
use super::seam::Store;
use crate::apply::ApplyError;
use crate::change::Change;
use crate::cidr::{AddressRange, Cidr};
use crate::claim::{ClaimError, Grant, MoveError, ReleaseError, RenewError, Request, ReserveError};
use crate::collect::{Census, Collection};
use crate::decide::Decision;
use crate::identity::Identity;
use crate::pool::{PoolError, PoolSpec};
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::time::Duration;

impl<S: Store> Replica<S> {
    /// A decision of one change.
    async fn one<'a, E, W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        decide: impl Fn(&Ipam) -> Result<Change<'a>, E>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<E>> {
        let decide = |ipam: &Ipam| Ok(((), Vec::from([decide(ipam)?.into_owned()])));
        self.transact(now, decide, wait).await
    }

    /// A decision that gives addresses.
    async fn granted<'a, E, W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        decide: impl Fn(&Ipam) -> Result<Decision<'a>, E>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Grant, TransactError<E>> {
        let decide = |ipam: &Ipam| {
            let Decision { grant, changes } = decide(ipam)?;
            Ok((grant, owned(changes)))
        };
        self.transact(now, decide, wait).await
    }
}

pub(super) fn owned(changes: Vec<Change<'_>>) -> Vec<Change<'static>> {
    changes.into_iter().map(Change::into_owned).collect()
}

/// Each is [`Replica::transact`] with one decision: refused, committed, or decided again where others were quicker.
/// `wait` is awaited between attempts for the duration given; the errors are [`TransactError`]s around those of the
/// decision.
///
/// ```
/// use ipam::store::{MemoryStore, ready};
/// use ipam::{PoolSpec, Replica, Request, Timestamp};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
/// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
/// replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/22".parse()?), sleep).await?;
/// let grant = replica.claim(now, &Request::new("container-1/eth0"), sleep).await?;
/// replica.release(now, "container-1/eth0", grant.sequence, sleep).await?;
/// assert!(replica.release(now, "container-1/eth0", grant.sequence, sleep).await.is_err());
/// # Ok(())
/// # }
/// # ready(run()).expect("a store in memory never waits")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<S: Store> Replica<S> {
    /// [`Ipam::claim`](crate::Ipam::claim) in the store.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # ready(async {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// let grant = replica.claim(now, &Request::new("container-1/eth0"), sleep).await?;
    /// assert_eq!(replica.ipam().sequence(), grant.sequence);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError`] of [`ClaimError`].
    pub async fn claim<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Grant, TransactError<ClaimError>> {
        let identity = request
            .workload
            .map(|w| Identity::from((w, request.interface)));
        let keys = identity.map(workload_key).into_iter();
        let decide = |ipam: &Ipam| ipam.decide_claim(request);
        let answer = self.granted(now, decide, wait).await;
        let answer = self.known(answer, keys.chain([claim_key(request.owner)]));
        self.known_exhausted(answer)
    }

    /// [`Ipam::release`](crate::Ipam::release) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`ReleaseError`].
    pub async fn release<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<ReleaseError>> {
        let decide = |ipam: &Ipam| ipam.decide_release(owner, sequence);
        let answer = self.one(now, decide, wait).await;
        self.known(answer, [claim_key(owner)])
    }

    /// [`Ipam::renew`](crate::Ipam::renew) in the store.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # ready(async {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// let hour = std::time::Duration::from_secs(3600);
    /// let grant = replica.claim(now, &Request::new("c1/eth0").lease(hour), sleep).await?;
    /// replica.renew(now, "c1/eth0", grant.sequence, Some(hour), sleep).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError`] of [`RenewError`]; one that is [refused](TransactError::Refused) means: stop using the address.
    pub async fn renew<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
        lease: Option<Duration>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<RenewError>> {
        let decide = |ipam: &Ipam| ipam.decide_renew(owner, sequence, lease);
        let answer = self.one(now, decide, wait).await;
        self.known(answer, [claim_key(owner)])
    }

    /// [`Ipam::begin_move`](crate::Ipam::begin_move) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`MoveError`].
    pub async fn begin_move<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        workload: Identity<'_>,
        (from, to): (&str, &str),
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<MoveError>> {
        let decide = |ipam: &Ipam| ipam.decide_begin_move(workload, from, to);
        let answer = self.one(now, decide, wait).await;
        self.known(answer, [workload_key(workload)])
    }

    /// [`Ipam::finish_move`](crate::Ipam::finish_move) in the store.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # ready(async {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// let request = Request::new("c1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// let first = replica.claim(now, &request, sleep).await?;
    /// replica.begin_move(now, "shop/web-0".into(), ("h1", "h2"), sleep).await?;
    /// replica.release(now, "c1/eth0", first.sequence, sleep).await?;
    /// let second = replica.finish_move(now, "shop/web-0".into(), "c2/eth0", sleep).await?;
    /// assert_eq!(second.address(), first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError`] of [`MoveError`].
    pub async fn finish_move<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        workload: Identity<'_>,
        owner: &str,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Grant, TransactError<MoveError>> {
        let decide = |ipam: &Ipam| ipam.decide_finish_move(workload, owner);
        let answer = self.granted(now, decide, wait).await;
        self.known(answer, [workload_key(workload), claim_key(owner)])
    }

    /// [`Ipam::abort_move`](crate::Ipam::abort_move) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`MoveError`].
    pub async fn abort_move<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        workload: Identity<'_>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<MoveError>> {
        let decide = |ipam: &Ipam| ipam.decide_abort_move(workload);
        let answer = self.one(now, decide, wait).await;
        self.known(answer, [workload_key(workload)])
    }

    /// [`Ipam::reserve`](crate::Ipam::reserve) in the store.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # ready(async {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// let range = "10.9.0.10-10.9.0.12".parse()?;
    /// replica.reserve(now, "shop/db-0".into(), &[range], sleep).await?;
    /// assert!(replica.ipam().is_reserved("shop/db-0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError`] of [`ReserveError`].
    pub async fn reserve<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        workload: Identity<'_>,
        ranges: &[AddressRange],
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<ReserveError>> {
        let decide = |ipam: &Ipam| ipam.decide_reserve(workload, ranges);
        let answer = self.one(now, decide, wait).await;
        self.known(answer, [workload_key(workload)])
    }

    /// [`Ipam::replace_reservation`](crate::Ipam::replace_reservation) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`ReserveError`].
    pub async fn replace_reservation<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        workload: Identity<'_>,
        ranges: &[AddressRange],
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<ReserveError>> {
        let decide = |ipam: &Ipam| {
            let changes = ipam.decide_replace_reservation(workload, ranges)?;
            Ok(((), owned(changes)))
        };
        let answer = self.transact(now, decide, wait).await;
        self.known(answer, [workload_key(workload)])
    }

    /// [`Ipam::unreserve_ranges`](crate::Ipam::unreserve_ranges) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`ApplyError`].
    pub async fn unreserve<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        workload: Identity<'_>,
        ranges: &[AddressRange],
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<ApplyError>> {
        let decide = |ipam: &Ipam| ipam.decide_unreserve(workload, ranges);
        let answer = self.one(now, decide, wait).await;
        self.known(answer, [workload_key(workload)])
    }

    /// One pass of collection ([`Ipam::decide_collection`](crate::Ipam::decide_collection)) in the store. Its changes
    /// are committed; what is given back has them to look at.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # ready(async {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// let pass = replica.collect(now, None, sleep).await?; // leases and blocks only
    /// assert!(pass.released.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError`]; nothing is refused.
    pub async fn collect<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        census: Option<Census<'_>>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Collection, TransactError<Infallible>> {
        let rejected = self.rejected().to_vec();
        let decide = |ipam: &Ipam| {
            let pass = ipam.decide_collection(&rejected, census);
            let changes = pass.changes.clone();
            Ok((pass, changes))
        };
        self.transact(now, decide, wait).await
    }
}

/// Pools.
impl<S: Store> Replica<S> {
    /// [`Ipam::add_pool`](crate::Ipam::add_pool) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`PoolError`].
    pub async fn add_pool<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        spec: PoolSpec,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<PoolError>> {
        self.one(now, |ipam| ipam.decide_add_pool(spec.clone()), wait)
            .await
    }

    /// [`Ipam::change_pool`](crate::Ipam::change_pool) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`PoolError`].
    pub async fn change_pool<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        spec: PoolSpec,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<PoolError>> {
        self.one(now, |ipam| ipam.decide_change_pool(spec.clone()), wait)
            .await
    }

    /// [`Ipam::grow_pool`](crate::Ipam::grow_pool) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`PoolError`].
    pub async fn grow_pool<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        name: &str,
        cidr: Cidr,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<PoolError>> {
        self.one(now, |ipam| ipam.decide_grow_pool(name, cidr), wait)
            .await
    }

    /// [`Ipam::drain_pool`](crate::Ipam::drain_pool) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`PoolError`].
    pub async fn drain_pool<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        name: &str,
        on: bool,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<PoolError>> {
        self.one(now, |ipam| ipam.decide_drain_pool(name, on), wait)
            .await
    }

    /// [`Ipam::remove_pool`](crate::Ipam::remove_pool) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`PoolError`].
    pub async fn remove_pool<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        name: &str,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<PoolError>> {
        self.one(now, |ipam| ipam.decide_remove_pool(name), wait)
            .await
    }
}
