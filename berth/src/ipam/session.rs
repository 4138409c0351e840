//! One command's hold on the store: read, decide, commit.

use super::args::IpamArgs;
use crate::answer::{Class, Failure};
use ipam::{
    Change, Ipam, Replica, Store, Timestamp,
    store::{Frozen, MemoryStore, RejectedRecord, StoreError, TransactError, ready},
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
        let name = match &args.store {
            Some(name) => &**name,
            None if args.action.writes() => {
                let message = "what this command writes must be kept somewhere: --store redb:PATH (or memory, which is gone at the end)";
                return Err(Failure::input(message, "--store"));
            }
            None => {
                eprintln!("berth: note: without --store there is nothing to look at");
                "memory"
            }
        };
        if args.store.is_some() && name == "memory" && args.action.writes() {
            eprintln!("berth: note: --store memory is gone when this command ends");
        }
        let place = format!("--store {name}");
        let store: Box<dyn Store> = match name.split_once(':') {
            None if name == "memory" => Box::new(MemoryStore::default()),
            Some(("redb", path)) if !path.is_empty() => {
                ipam_redb::set_last_resort(last_words);
                let mut store = RedbStore::new(path, args.lock_wait);
                if !args.action.writes() && !store.is_there() {
                    return Err(nothing_there(&place));
                }
                store.hold().map_err(|e| store_failure(&e, &place))?;
                Box::new(store)
            }
            _ => {
                let message = format!("`{name}` is no store: use redb:PATH or memory");
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
        match at_once(future, &self.place)? {
            Ok(answer) => Ok(answer),
            Err(TransactError::Refused(error)) => Err(self.perhaps_damaged(refused(error))),
            Err(TransactError::Damaged(rejected)) => {
                let message = TransactError::<E>::Damaged(rejected).to_string();
                Err(self.damaged(message))
            }
            Err(TransactError::Store(error)) => Err(store_failure(&error, &self.place)),
            Err(error @ TransactError::Contended { .. }) => {
                Err(Failure::no("contended", error.to_string(), &*self.place))
            }
        }
    }

    /// Looks for damage that reading everything does not show.
    pub(super) fn inspect(&mut self) -> Result<(), Failure> {
        let inspected = at_once(self.replica.inspect(), &self.place)?;
        inspected.map_err(|e| store_failure(&e, &self.place))
    }

    /// Rebuilds what is damaged, as far as it stands elsewhere.
    pub(super) fn rebuild(&mut self) -> Result<usize, Failure> {
        let rebuilt = at_once(self.replica.rebuild(self.now), &self.place)?;
        rebuilt.map_err(|e| store_failure(&e, &self.place))
    }

    /// Drops damaged records: those named, or all.
    pub(super) fn discard(&mut self, keys: Option<&[String]>) -> Result<usize, Failure> {
        let dropped = at_once(self.replica.discard(self.now, keys), &self.place)?;
        dropped.map_err(|e| store_failure(&e, &self.place))
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
        let replaced = at_once(self.replica.replace(self.now, ipam), &self.place)?;
        replaced.map_err(|e| store_failure(&e, &self.place))
    }
}

/// Who only looks makes no store: one that is missing may be a slip in its name.
fn nothing_there(place: &str) -> Failure {
    let message = "there is no such file: the first command that writes (pool add, say) makes it";
    let missing = std::io::Error::new(std::io::ErrorKind::NotFound, message);
    Failure::io(&missing, place)
}

/// These stores never wait but by sleeping.
fn at_once<T>(future: impl Future<Output = T>, place: &str) -> Result<T, Failure> {
    let waits = || std::io::Error::other("the store waits for what never comes");
    ready(future).ok_or_else(|| Failure::io(&waits(), place))
}

fn store_failure(error: &StoreError, place: &str) -> Failure {
    let mut failure = Failure::io(&std::io::Error::other(error.to_string()), place);
    failure.kind = match error {
        StoreError::Busy { .. } => "busy".into(),
        StoreError::Version { .. } => "version".into(),
        StoreError::Damaged(_) => "damaged".into(),
        _ => failure.kind,
    };
    failure
}

/// The store is so damaged that the process is about to abort: says so, and ends it as any other failure of the
/// store does.
fn last_words(why: &str) {
    let json = std::env::args_os().any(|a| a == "--json");
    let failure = Failure::io(&std::io::Error::other(why), "--store");
    std::process::exit(crate::answer::print(Err(failure), json).into());
}

/// Since the Unix epoch: leases outlive the process.
fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::ZERO.after(since)
}
