//! One command's hold on the store: read, decide, commit.

use super::stores::{self, Opened, Runner, Time};
use crate::answer::{Class, Failure};
use ipam::{
    Change, Ipam, PoolSpec, Replica, Store, Timestamp,
    store::{Frozen, RejectedRecord, TransactError},
};

/// What a command works with.
pub(super) struct Session {
    /// Before the runner, so that it is dropped while that still runs.
    replica: Replica<Box<dyn Store>>,
    runner: Runner,
    now: Timestamp,
    time: Time,
    place: String,
}

/// What a session was made of.
pub(super) struct Parts {
    pub(super) replica: Replica<Box<dyn Store>>,
    pub(super) runner: Runner,
    pub(super) time: Time,
    pub(super) place: String,
}

impl Session {
    /// Reads a store whole.
    pub(super) fn read(opened: Opened) -> Result<Self, Failure> {
        let Opened {
            store,
            runner,
            now,
            time,
            seed,
            place,
        } = opened;
        let opened = runner.run(Replica::open(store, now, seed), &place)?;
        let replica = opened.map_err(|e| stores::failure(&e, &place))?;
        Ok(Self {
            replica,
            runner,
            now,
            time,
            place,
        })
    }

    /// For who goes on with the store.
    pub(super) fn into_parts(self) -> Parts {
        Parts {
            replica: self.replica,
            runner: self.runner,
            time: self.time,
            place: self.place,
        }
    }

    pub(super) fn ipam(&self) -> &Ipam {
        self.replica.ipam()
    }

    /// The pools as they were asked for.
    pub(super) fn pools(&self) -> impl Iterator<Item = &PoolSpec> {
        self.ipam().pools().map(ipam::pool::PoolRef::spec)
    }

    pub(super) fn rejected(&self) -> &[RejectedRecord] {
        self.replica.rejected()
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
        match self.runner.run(future, &self.place)? {
            Ok(answer) => Ok(answer),
            Err(TransactError::Refused(error)) => Err(self.perhaps_damaged(refused(error))),
            Err(TransactError::Damaged(rejected)) => {
                let message = TransactError::<E>::Damaged(rejected).to_string();
                Err(self.damaged(message))
            }
            Err(TransactError::Store(error)) => Err(stores::failure(&error, &self.place)),
            Err(error @ TransactError::Contended { .. }) => {
                Err(Failure::no("contended", error.to_string(), &*self.place))
            }
        }
    }

    /// Looks for damage that reading everything does not show.
    pub(super) fn inspect(&mut self) -> Result<(), Failure> {
        let inspected = self.runner.run(self.replica.inspect(), &self.place)?;
        inspected.map_err(|e| stores::failure(&e, &self.place))
    }

    /// Rebuilds what is damaged, as far as it stands elsewhere.
    pub(super) fn rebuild(&mut self) -> Result<usize, Failure> {
        let rebuilt = self
            .runner
            .run(self.replica.rebuild(self.now), &self.place)?;
        rebuilt.map_err(|e| stores::failure(&e, &self.place))
    }

    /// Drops damaged records: those named, or all.
    pub(super) fn discard(&mut self, keys: Option<&[String]>) -> Result<usize, Failure> {
        let dropped = self
            .runner
            .run(self.replica.discard(self.now, keys), &self.place)?;
        dropped.map_err(|e| stores::failure(&e, &self.place))
    }

    /// Exit 3: what was asked needs what is damaged.
    pub(super) fn damaged(&self, message: String) -> Failure {
        Failure {
            class: Class::Io,
            kind: "damaged".into(),
            message,
            place: self.place.clone(),
        }
    }

    /// A no that rests on something not being there is none while records are damaged that may say
    /// otherwise.
    pub(super) fn perhaps_damaged(&self, no: Failure) -> Failure {
        let absent = [
            "exhausted",
            "unavailable",
            "not_held",
            "gone",
            "unknown_pool",
            "no_pool",
            "unknown_host",
            "not_reserved",
            "cannot_move",
            "not_moving",
        ];
        let holds = |m: &&RejectedRecord| m.frozen != Frozen::Nothing || m.key.starts_with("h/");
        match self.rejected().iter().find(holds) {
            Some(rejected) if absent.contains(&&*no.kind) => self.damaged(format!(
                "{}; but {rejected}, which may be why: see fsck",
                no.message
            )),
            _ => no,
        }
    }

    /// Says on standard error that records are damaged, where the command goes on all the same.
    pub(super) fn warn_of_damage(&self) {
        let Some(first) = self.rejected().first() else {
            return;
        };
        let (count, frozen) = (self.rejected().len(), &first.frozen);
        let more = match count {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        eprintln!("berth: warning: {first}; {frozen}{more}: see `berth ipam fsck`");
    }

    pub(super) fn replace(&mut self, ipam: &Ipam) -> Result<(), Failure> {
        let replaced = self
            .runner
            .run(self.replica.replace(self.now, ipam), &self.place)?;
        replaced.map_err(|e| stores::failure(&e, &self.place))
    }
}
