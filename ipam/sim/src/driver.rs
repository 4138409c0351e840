//! The ways in which a host talks to the store: the library's own drivers, as whoever embeds them would call them.

use crate::net::{SimStore, sleep};
use crate::view::{CensusTaken, DriverKind};
use crate::world::Shared;
use ipam::change::Change;
use ipam::claim::MoveError;
use ipam::collect::Census;
use ipam::pool::PoolRef;
use ipam::store::{HostReplica, PartialReplica, StoreError, TransactError};
use ipam::{Grant, Ipam, Replica, Request, Timestamp};
use std::time::Duration;

use crate::setup::GRACE;

/// Why something did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The answer is no.
    Refused(String),
    /// Whether it took place is not known.
    Unknown(String),
}

impl<E: std::fmt::Display> From<TransactError<E>> for Failure {
    fn from(error: TransactError<E>) -> Self {
        match error {
            TransactError::Refused(error) => Self::Refused(error.to_string()),
            error => Self::Unknown(error.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// A driver over the simulated store.
#[derive(Debug)]
pub(crate) enum Driver {
    Whole(Box<Replica<SimStore>>),
    Part(Box<PartialReplica<SimStore>>),
    Host(Box<HostReplica<SimStore>>),
}

type Pause<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What it takes to call one: who calls, and what that one's clock says.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) world: Shared,
    pub(crate) host: usize,
    pub(crate) now: Timestamp,
}

impl Caller {
    fn store(&self) -> SimStore {
        SimStore {
            world: self.world.clone(),
            host: self.host,
        }
    }

    fn seed(&self) -> u64 {
        let seed = self.world.with(|world| world.setup.seed);
        seed.wrapping_mul(64).wrapping_add(self.host as u64)
    }

    fn wait<'a>(&'a self) -> impl FnMut(Duration) -> Pause<'a> {
        move |pause| Box::pin(sleep(&self.world, self.host, pause))
    }

    /// The whole state, read anew.
    pub(crate) async fn whole(&self) -> Result<Replica<SimStore>, Failure> {
        Ok(Replica::open(self.store(), self.now, self.seed()).await?)
    }

    pub(crate) async fn open(&self, kind: DriverKind) -> Result<Driver, Failure> {
        Ok(match kind {
            DriverKind::Whole => Driver::Whole(Box::new(self.whole().await?)),
            DriverKind::Part => {
                Driver::Part(Box::new(PartialReplica::new(self.store(), self.seed())))
            }
            DriverKind::Host => {
                let name = self.world.with(|world| world.hosts[self.host].name.clone());
                Driver::Host(Box::new(HostReplica::new(self.store(), &name, self.seed())))
            }
        })
    }
}

impl Driver {
    /// Learns what others did, where that is asked for by itself.
    pub(crate) async fn refresh(&mut self, by: &Caller) -> Result<(), Failure> {
        let done = match self {
            Self::Whole(replica) => replica.catch_up(by.now).await,
            Self::Host(replica) => replica.refresh().await,
            Self::Part(_) => Ok(()),
        };
        done.map_err(Failure::from)
    }

    pub(crate) async fn claim(
        &mut self,
        by: &Caller,
        request: &Request<'_>,
    ) -> Result<Grant, Failure> {
        Ok(match self {
            Self::Whole(replica) => replica.claim(by.now, request, by.wait()).await?,
            Self::Part(replica) => replica.claim(by.now, request, by.wait()).await?,
            Self::Host(replica) => replica.claim(by.now, request, by.wait()).await?,
        })
    }

    pub(crate) async fn release(
        &mut self,
        by: &Caller,
        owner: &str,
        sequence: u64,
    ) -> Result<(), Failure> {
        let done = match self {
            Self::Whole(replica) => replica.release(by.now, owner, sequence, by.wait()).await,
            Self::Part(replica) => replica.release(by.now, owner, sequence, by.wait()).await,
            Self::Host(replica) => replica.release(by.now, owner, sequence, by.wait()).await,
        };
        done.map_err(Failure::from)
    }

    pub(crate) async fn renew(
        &mut self,
        by: &Caller,
        owner: &str,
        sequence: u64,
        lease: Option<Duration>,
    ) -> Result<(), Failure> {
        let done = match self {
            Self::Whole(replica) => {
                let wait = by.wait();
                replica.renew(by.now, owner, sequence, lease, wait).await
            }
            Self::Part(replica) => {
                let wait = by.wait();
                replica.renew(by.now, owner, sequence, lease, wait).await
            }
            Self::Host(replica) => {
                let wait = by.wait();
                replica.renew(by.now, owner, sequence, lease, wait).await
            }
        };
        done.map_err(Failure::from)
    }

    pub(crate) async fn begin_move(
        &mut self,
        by: &Caller,
        workload: &str,
        hosts: (&str, &str),
    ) -> Result<(), Failure> {
        let (now, workload) = (by.now, workload.into());
        let done = match self {
            Self::Whole(r) => r.begin_move(now, workload, hosts, by.wait()).await,
            Self::Part(_) | Self::Host(_) => {
                let mut r = by.whole().await?;
                r.begin_move(now, workload, hosts, by.wait()).await
            }
        };
        done.map_err(Failure::from)
    }

    /// Finishes a move to the calling host, and no other.
    pub(crate) async fn finish_move(
        &mut self,
        by: &Caller,
        workload: &str,
        owner: &str,
    ) -> Result<Grant, Failure> {
        let host = by.world.with(|world| world.hosts[by.host].name.clone());
        let decide = |ipam: &Ipam| {
            let to = ipam.move_of(workload).map(|(_, to, _)| to);
            if to.is_some_and(|to| to != host) {
                let workload = workload.to_owned();
                return Err(MoveError::NotMoving { workload });
            }
            let decision = ipam.decide_finish_move(workload, owner)?;
            let changes = decision.changes.into_iter().map(Change::into_owned);
            Ok((decision.grant, changes.collect()))
        };
        Ok(match self {
            Self::Whole(r) => r.transact(by.now, decide, by.wait()).await?,
            Self::Part(_) | Self::Host(_) => {
                let mut r = by.whole().await?;
                r.transact(by.now, decide, by.wait()).await?
            }
        })
    }

    pub(crate) async fn abort_move(&mut self, by: &Caller, workload: &str) -> Result<(), Failure> {
        let (now, workload) = (by.now, workload.into());
        let done = match self {
            Self::Whole(r) => r.abort_move(now, workload, by.wait()).await,
            Self::Part(_) | Self::Host(_) => {
                let mut r = by.whole().await?;
                r.abort_move(now, workload, by.wait()).await
            }
        };
        done.map_err(Failure::from)
    }

    /// One pass of collection; the owners whose claims ended.
    pub(crate) async fn collect(
        &mut self,
        by: &Caller,
        census: Option<&CensusTaken>,
    ) -> Result<Vec<String>, Failure> {
        let lives = |owner: &str| census.is_some_and(|c| c.living.contains(owner));
        let census = census.map(|census| Census {
            began: census.began,
            grace: GRACE,
            lives: &lives,
        });
        let pass = match self {
            Self::Whole(r) => r.collect(by.now, census, by.wait()).await?,
            Self::Host(r) => r.collect(by.now, census, by.wait()).await?,
            Self::Part(_) => {
                let mut r = by.whole().await?;
                r.collect(by.now, census, by.wait()).await?
            }
        };
        Ok(pass.released)
    }
}

/// `fsck --repair`.
pub(crate) async fn repair(by: &Caller) -> Result<usize, Failure> {
    let mut replica = by.whole().await?;
    let found = replica.rejected().iter().map(ToString::to_string);
    let found: Vec<String> = found.collect();
    by.world
        .with(|world| world.note(by.host, || format!("  fsck finds {found:?}")));
    Ok(replica.rebuild(by.now).await?)
}

/// The pool that passes comes, is drained, or goes.
pub(crate) async fn pass_pool(by: &Caller) -> Result<(), Failure> {
    let Some(spec) = by.world.with(|world| world.setup.passing.clone()) else {
        return Ok(());
    };
    let mut replica = by.whole().await?;
    let name = spec.name.clone();
    let done = match replica.ipam().pool(&name).map(PoolRef::draining) {
        None => replica.add_pool(by.now, spec, by.wait()).await,
        Some(false) => replica.drain_pool(by.now, &name, true, by.wait()).await,
        Some(true) => replica.remove_pool(by.now, &name, by.wait()).await,
    };
    done.map_err(Failure::from)
}
