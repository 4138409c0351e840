//! The store that a configuration names.

use crate::ReadReserved;
use ipam::store::{MemoryStore, ready};
use ipam::{Store, Timestamp};
use ipam_cni::{Allocator, Code, Config, Cursors, Refusal, Reserved, StoreName};
use ipam_redb::RedbStore;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a store that something else than this plugin has open is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// The store's file in a network's folder.
const FILE: &str = "berth.redb";
/// The file by which host-local keeps its calls apart, and this plugin its own: who waits is served in turn.
const LOCK: &str = "lock";

/// A store with what carries out its operations.
pub(crate) struct Opened {
    allocator: Allocator<Box<dyn Store>>,
    runner: Runner,
    /// Now, by the store's clock where it has one.
    now: Timestamp,
    /// Whether host-local's files are this store's forerunner.
    local: bool,
    /// Held until the end.
    _turn: Option<File>,
}

enum Runner {
    /// Files never leave an operation waiting.
    AtOnce,
    #[cfg(feature = "etcd")]
    Tokio(tokio::runtime::Runtime),
}

/// Where a store in a file is: the file and the lock beside it.
fn place(config: &Config) -> Option<(PathBuf, PathBuf)> {
    match &config.settings().store {
        None => Some((config.folder().join(FILE), config.folder().join(LOCK))),
        Some(StoreName::Redb(path)) => Some((path.into(), format!("{path}.lock").into())),
        Some(_) => None,
    }
}

fn failed(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::Io, format!("{what} {}: {error}", path.display()))
}

impl Opened {
    /// Whether anything can be held: there is a store, or host-local left files. A DEL makes no store.
    pub(crate) fn is_there(config: &Config) -> Result<bool, Refusal> {
        let Some((path, _)) = place(config) else {
            return Ok(true);
        };
        let known = RedbStore::new(&path, LOCK_WAIT).is_there();
        Ok(known || !read(&config.folder())?.is_empty())
    }

    /// Opens the store; made where it is missing.
    pub(crate) fn new(config: &Config) -> Result<Self, Refusal> {
        match (&config.settings().store, place(config)) {
            (Some(StoreName::Etcd(urls)), _) => etcd(config, urls),
            (store, Some((path, lock))) => in_file(config, store.is_none(), &path, &lock),
            _ => Err(Refusal::new(Code::InvalidConfig, "no such store")),
        }
    }

    /// A store in which nothing is held.
    pub(crate) fn empty() -> Self {
        Self {
            allocator: Allocator::new(Box::new(MemoryStore::default()), 0, Cursors::new(None)),
            runner: Runner::AtOnce,
            now: crate::clock(),
            local: false,
            _turn: None,
        }
    }

    /// When the command is carried out.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Reads what host-local gave, when asked.
    pub(crate) fn reserved(&self, config: &Config) -> ReadReserved {
        let (local, folder) = (self.local, config.folder());
        Box::new(move || match local {
            true => read(&folder),
            false => Ok(Reserved::default()),
        })
    }

    /// Carries out a command.
    pub(crate) fn run<T>(
        &mut self,
        command: impl AsyncFnOnce(&mut Allocator<Box<dyn Store>>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let operation = command(&mut self.allocator);
        match &self.runner {
            Runner::AtOnce => {
                let waits = || Refusal::new(Code::Io, "the store waits for what never comes");
                ready(operation).ok_or_else(waits)?
            }
            #[cfg(feature = "etcd")]
            Runner::Tokio(runtime) => runtime.block_on(operation),
        }
    }
}

fn read(folder: &Path) -> Result<Reserved, Refusal> {
    Reserved::read(folder).map_err(|e| failed("reading host-local's files in", folder, &e))
}

/// What a new store is given: it need not be told from another's, only be another.
fn seed() -> u64 {
    crate::clock().as_nanos() ^ u64::from(std::process::id()) << 32
}

fn in_file(config: &Config, own: bool, path: &Path, lock: &Path) -> Result<Opened, Refusal> {
    ipam_redb::set_last_resort(last_words);
    if let Some(folder) = path.parent().filter(|_| own) {
        std::fs::create_dir_all(folder).map_err(|e| failed("mkdir", folder, &e))?;
    }
    let options = OpenOptions::new().create(true).append(true).open(lock);
    let turn = options.map_err(|e| failed("open", lock, &e))?;
    turn.lock().map_err(|e| failed("lock", lock, &e))?;
    let mut store = RedbStore::new(path, LOCK_WAIT).brief();
    store.hold().map_err(|e| {
        let busy = matches!(e, ipam::store::StoreError::Busy { .. });
        let code = if busy { Code::TryAgainLater } else { Code::Io };
        Refusal::new(code, e.to_string())
    })?;
    let cursors = Cursors::new(own.then(|| config.folder()));
    Ok(Opened {
        allocator: Allocator::new(Box::new(store), seed(), cursors),
        runner: Runner::AtOnce,
        now: crate::clock(),
        local: true,
        _turn: Some(turn),
    })
}

/// The store is so damaged that the process is about to abort: says so as a refusal.
fn last_words(why: &str) {
    let refusal = Refusal::new(Code::Io, why);
    println!("{:#}", refusal.to_json(None));
    std::process::exit(1);
}

#[cfg(not(feature = "etcd"))]
fn etcd(_: &Config, _: &str) -> Result<Opened, Refusal> {
    let message = "this berth-cni was built without etcd";
    Err(Refusal::new(Code::InvalidConfig, message)
        .details("build berth-cli with `--features etcd` (or `full`)"))
}

#[cfg(feature = "etcd")]
fn etcd(config: &Config, urls: &str) -> Result<Opened, Refusal> {
    let settings = config.settings();
    let store = ipam_etcd::EtcdStore::new(etcd_config(urls, &settings.etcd)?);
    let invalid = |message: String| Refusal::new(Code::InvalidConfig, message);
    let store = store.map_err(|e| invalid(format!("\"store\": {e}")))?;
    let mut store = Box::new(store) as Box<dyn Store>;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| Refusal::new(Code::Io, e.to_string()))?;
    let host = match &settings.host {
        Some(host) => host.clone(),
        None => own_name()?,
    };
    let now = runtime.block_on(shared_time(&mut store));
    let now = now.map_err(|e| Refusal::new(Code::Io, e.to_string()))?;
    Ok(Opened {
        allocator: Allocator::new(store, seed(), Cursors::new(None)).on_host(host),
        runner: Runner::Tokio(runtime),
        now,
        local: false,
        _turn: None,
    })
}

/// Now by etcd's clock: hosts' do not agree. The first look may find a member down, and be too late for a margin: one that is behind ends
/// nothing early.
#[cfg(feature = "etcd")]
async fn shared_time(store: &mut Box<dyn Store>) -> Result<Timestamp, ipam::store::StoreError> {
    let start = std::time::Instant::now();
    let mut shared = ipam::store::StoreClock::default();
    let monotonic = || Timestamp::ZERO.after(start.elapsed());
    match shared.serve(store, crate::clock(), monotonic).await {
        Ok(now) => Ok(now),
        Err(_) => {
            let still = || Timestamp::ZERO;
            shared.serve(store, crate::clock(), still).await
        }
    }
}

/// The host's name, as the kernel has it.
#[cfg(feature = "etcd")]
fn own_name() -> Result<String, Refusal> {
    let path = Path::new("/proc/sys/kernel/hostname");
    let name = std::fs::read_to_string(path).map_err(|e| failed("read", path, &e))?;
    Ok(name.trim().to_owned())
}

#[cfg(feature = "etcd")]
fn etcd_config(
    urls: &str,
    settings: &ipam_cni::EtcdSettings,
) -> Result<ipam_etcd::EtcdConfig, Refusal> {
    let read = |path: &String| {
        let path = Path::new(path);
        std::fs::read(path).map_err(|e| failed("read", path, &e))
    };
    let mut config = ipam_etcd::EtcdConfig::new(urls.split(',')).timeout(LOCK_WAIT);
    if let Some(prefix) = &settings.prefix {
        config = config.prefix(prefix);
    }
    if let (Some(user), Some(file)) = (&settings.user, &settings.password_file) {
        let password = String::from_utf8_lossy(&read(file)?).trim().to_owned();
        config = config.user(user, password);
    }
    if let Some(ca) = &settings.ca {
        config = config.ca(read(ca)?);
    }
    if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
        config = config.client_certificate(read(certificate)?, read(key)?);
    }
    Ok(config)
}
