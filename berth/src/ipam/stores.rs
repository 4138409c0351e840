//! The stores that `--store` names.

use super::args::{Action, IpamArgs};
use crate::answer::Failure;
use crate::service;
use ipam::store::{MemoryStore, StoreError, ready};
use ipam::{Store, Timestamp};
use ipam_redb::{RedbStore, TokioStore};
use std::time::{SystemTime, UNIX_EPOCH};

/// A store, and what carries out its operations.
pub(super) struct Opened {
    pub(super) store: Box<dyn Store>,
    pub(super) runner: Runner,
    pub(super) now: Timestamp,
    pub(super) time: Time,
    /// What a new store is given: it need not be told from another's, only be another.
    pub(super) seed: u64,
    pub(super) place: String,
}

impl Opened {
    fn new(store: impl Store + 'static, runner: Runner, args: &IpamArgs, place: String) -> Self {
        let now = clock();
        let other = now.as_nanos() ^ u64::from(std::process::id()) << 32;
        Self {
            store: Box::new(store),
            runner,
            now,
            time: Time::Machine,
            seed: args.seed.unwrap_or(other),
            place,
        }
    }
}

/// Whose time claims in a store go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// The machine's, which all have who can open the store.
    Machine,
    /// The store's own: hosts' clocks do not agree.
    #[cfg_attr(
        not(feature = "etcd"),
        expect(dead_code, reason = "no other store has many hosts")
    )]
    Shared,
}

/// What carries out a store's operations.
pub(super) enum Runner {
    /// They never wait but by sleeping.
    AtOnce,
    /// They wait for the network, or for threads that work meanwhile.
    Tokio(tokio::runtime::Runtime),
}

impl Runner {
    pub(super) fn tokio(place: &str) -> Result<Self, Failure> {
        service::runtime(place).map(Self::Tokio)
    }

    /// Carries out an operation on the store at `place`.
    pub(super) fn run<T>(
        &self,
        operation: impl Future<Output = T>,
        place: &str,
    ) -> Result<T, Failure> {
        match self {
            Self::AtOnce => {
                let waits = || std::io::Error::other("the store waits for what never comes");
                ready(operation).ok_or_else(|| Failure::io(&waits(), place))
            }
            Self::Tokio(runtime) => Ok(runtime.block_on(operation)),
        }
    }
}

/// Opens the store that the command is told, waiting for its turn.
pub(super) fn open(args: &IpamArgs) -> Result<Opened, Failure> {
    let name = match &args.store {
        Some(name) => &**name,
        None if args.action.writes() => {
            let message = "what this command writes must be kept somewhere: --store redb:PATH or etcd:URL[,URL] (or memory, which is gone at the end)";
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
    let kind = name.split_once(':');
    if let (Some(option), false) = (args.etcd.first_given(), matches!(kind, Some(("etcd", _)))) {
        let message = format!("{option} is for --store etcd:URL[,URL]");
        return Err(Failure::input(message, option));
    }
    match kind {
        None if name == "memory" => {
            let store = MemoryStore::default();
            Ok(Opened::new(store, Runner::AtOnce, args, place))
        }
        Some(("redb", path)) if !path.is_empty() => {
            ipam_redb::set_last_resort(last_words);
            let mut store = RedbStore::new(path, args.lock_wait);
            let serves = matches!(args.action, Action::Serve(_) | Action::Kube(_));
            // A Docker plugin makes pools by itself.
            let makes = match &args.action {
                Action::Serve(serve) => serve.docker.docker.is_some(),
                action => action.writes() && !serves,
            };
            if !makes && !store.is_there() {
                return Err(nothing_there(&place));
            }
            // Who serves shares the file with others.
            if serves {
                let runner = Runner::tokio(&place)?;
                return Ok(Opened::new(TokioStore::new(store), runner, args, place));
            }
            store.hold().map_err(|e| failure(&e, &place))?;
            Ok(Opened::new(store, Runner::AtOnce, args, place))
        }
        Some(("etcd", urls)) if !urls.is_empty() => etcd(args, urls, place),
        _ => {
            let message = format!("`{name}` is no store: use redb:PATH, etcd:URL[,URL] or memory");
            Err(Failure::input(message, "--store"))
        }
    }
}

#[cfg(not(feature = "etcd"))]
fn etcd(_: &IpamArgs, _: &str, _: String) -> Result<Opened, Failure> {
    let message = "this berth was built without etcd: build it with `--features etcd` (or `full`)";
    Err(Failure::input(message, "--store"))
}

#[cfg(feature = "etcd")]
fn etcd(args: &IpamArgs, urls: &str, place: String) -> Result<Opened, Failure> {
    let config = args.etcd.config(urls, args.lock_wait)?;
    let store = ipam_etcd::EtcdStore::new(config)
        .map_err(|e| Failure::input(e.to_string(), option_of(&e)))?;
    let mut opened = Opened::new(store, Runner::tokio(&place)?, args, place);
    opened.time = Time::Shared;
    let Opened {
        store,
        runner,
        place,
        ..
    } = &mut opened;
    let acts = args.action.writes();
    let now = runner.run(shared_time(store, acts), place)?;
    opened.now = now.map_err(|e| failure(&e, place))?;
    Ok(opened)
}

/// Now by the store's own clock, whoever runs or ran; who does something by it writes down how far it has come. The wall clock has a say
/// only where no time is known at all. One that is behind by the time that it took to come ends nothing early.
#[cfg(feature = "etcd")]
pub(super) async fn shared_time(
    store: &mut Box<dyn Store>,
    acts: bool,
) -> Result<Timestamp, StoreError> {
    let start = std::time::Instant::now();
    let mut shared = ipam::store::StoreClock::default();
    let mut monotonic = || Timestamp::ZERO.after(start.elapsed());
    let mut look = async |monotonic: &mut dyn FnMut() -> Timestamp| match acts {
        true => shared.serve(store, clock(), monotonic).await,
        false => {
            let seen = shared.read(store, monotonic).await?;
            Ok(seen.unwrap_or_else(clock))
        }
    };
    match look(&mut monotonic).await {
        Ok(now) => Ok(now),
        // The first look may find a member down, and be too late for a margin.
        Err(_) => look(&mut || Timestamp::ZERO).await,
    }
}

/// The option that a mistake is in.
#[cfg(feature = "etcd")]
fn option_of(error: &ipam_etcd::ConfigError) -> &'static str {
    use ipam_etcd::ConfigError;
    match error {
        ConfigError::NoCa | ConfigError::BadTls(_) => "--etcd-ca",
        _ => "--store",
    }
}

/// Who only looks, or serves, makes no store: one that is missing may be a slip in its name.
fn nothing_there(place: &str) -> Failure {
    let message = "there is no such file: the first command that writes (pool add, say) makes it";
    let missing = std::io::Error::new(std::io::ErrorKind::NotFound, message);
    Failure::io(&missing, place)
}

/// A store's error as the command's.
pub(super) fn failure(error: &StoreError, place: &str) -> Failure {
    if let StoreError::Contended { .. } = error {
        return Failure::no("contended", error.to_string(), place);
    }
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
pub(super) fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::ZERO.after(since)
}
