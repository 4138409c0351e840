//! One command's hold on the store: read, decide, commit.

use super::args::IpamArgs;
use crate::answer::Failure;
use ipam::{
    Change, Ipam, MemoryStore, Misfit, Replica, Store, StoreError, Timestamp, TransactError, ready,
};
use ipam_redb::RedbStore;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a command works with.
pub(super) struct Session {
    replica: Replica<Box<dyn Store>>,
    now: Timestamp,
    place: String,
}

impl Session {
    /// Opens the store, waiting for its turn, and reads it.
    pub(super) fn open(args: &IpamArgs) -> Result<Self, Failure> {
        let place = format!("--store {}", args.store);
        let store: Box<dyn Store> = match args.store.split_once(':') {
            None if args.store == "memory" => Box::new(MemoryStore::default()),
            Some(("redb", path)) if !path.is_empty() => {
                let mut store = RedbStore::new(path, args.lock_wait);
                store.hold().map_err(|e| store_failure(&e, &place))?;
                Box::new(store)
            }
            _ => {
                let message = format!("`{}` is no store: use memory or redb:PATH", args.store);
                return Err(Failure::input(message, "--store"));
            }
        };
        let now = clock();
        // A new store's seed need not be told from another's, only be another.
        let seed = args
            .seed
            .unwrap_or(now.as_nanos() ^ u64::from(std::process::id()) << 32);
        let opened = at_once(Replica::open(store, now, seed), &place)?;
        let replica = opened.map_err(|e| store_failure(&e, &place))?;
        Ok(Self {
            replica,
            now,
            place,
        })
    }

    pub(super) fn ipam(&self) -> &Ipam {
        self.replica.ipam()
    }

    pub(super) fn misfits(&self) -> &[Misfit] {
        self.replica.misfits()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Decides and commits; `refused` says what a refusal is to the caller.
    pub(super) fn transact<T, E: std::fmt::Display>(
        &mut self,
        decide: impl FnMut(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
        refused: impl FnOnce(E) -> Failure,
    ) -> Result<T, Failure> {
        let wait = |pause| {
            std::thread::sleep(pause);
            std::future::ready(())
        };
        let future = self.replica.transact(self.now, decide, wait);
        match at_once(future, &self.place)? {
            Ok(answer) => Ok(answer),
            Err(TransactError::Refused(error)) => Err(refused(error)),
            Err(TransactError::Store(error)) => Err(store_failure(&error, &self.place)),
            Err(error @ TransactError::Contended { .. }) => {
                Err(Failure::no("contended", error.to_string(), &*self.place))
            }
        }
    }

    pub(super) fn drop_misfits(&mut self) -> Result<usize, Failure> {
        let dropped = at_once(self.replica.drop_misfits(self.now), &self.place)?;
        dropped.map_err(|e| store_failure(&e, &self.place))
    }

    pub(super) fn replace(&mut self, ipam: &Ipam) -> Result<(), Failure> {
        let replaced = at_once(self.replica.replace(self.now, ipam), &self.place)?;
        replaced.map_err(|e| store_failure(&e, &self.place))
    }
}

/// These stores never wait but by sleeping.
fn at_once<T>(future: impl Future<Output = T>, place: &str) -> Result<T, Failure> {
    let waits = || std::io::Error::other("the store waits for what never comes");
    ready(future).ok_or_else(|| Failure::io(&waits(), place))
}

fn store_failure(error: &StoreError, place: &str) -> Failure {
    let mut failure = Failure::io(&std::io::Error::other(error.to_string()), place);
    if matches!(error, StoreError::Busy { .. }) {
        failure.kind = "busy".into();
    }
    failure
}

/// Since the Unix epoch: leases outlive the process.
fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::ZERO.after(since)
}
