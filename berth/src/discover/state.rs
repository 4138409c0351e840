//! The engine's state in a file, so that a restart goes on where its predecessor was.

use crate::answer::Failure;
use discovery_core::engine::Snapshot;
use discovery_core::{Engine, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The format's number; another one is not read.
const VERSION: u32 = 1;
/// How long a predecessor may take to be gone.
const PREDECESSOR: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    engine: &'a Snapshot,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    engine: Snapshot,
}

/// A state file that no other driver has.
#[derive(Clone, Debug)]
pub(super) struct State {
    path: PathBuf,
    /// Snapshots are written in their order, and an older one never over a newer.
    written: Arc<Mutex<Progress>>,
    _lock: Arc<File>,
}

#[derive(Debug, Default)]
struct Progress {
    last: u64,
}

/// A file that could not be used, and what became of it.
pub(super) struct Unread(pub(super) String);

impl State {
    /// Takes the file: it, or the lock beside it, may not be another driver's.
    pub(super) fn take(path: &Path) -> Result<Self, Failure> {
        let place = format!("--state {}", path.display());
        let failed = |error: Error| Failure::io(&error, &*place);
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = super::args::added(path, ".lock");
        let mut options = OpenOptions::new();
        let lock = options.create(true).append(true).mode(0o600).open(&lock);
        let lock = lock.map_err(failed)?;
        // One that was just killed may not be gone yet.
        let begun = Instant::now();
        while lock.try_lock().is_err() {
            if begun.elapsed() > PREDECESSOR {
                let message = "another driver has it";
                return Err(failed(Error::new(ErrorKind::ResourceBusy, message)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            path: path.to_owned(),
            written: Arc::default(),
            _lock: Arc::new(lock),
        })
    }

    /// The engine that it holds, if there is one. What cannot be used is put aside: its drains are lost, and whoever runs this is
    /// told.
    pub(super) fn engine(&self, now: Timestamp) -> Result<Option<Engine>, Unread> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.aside(&error.to_string())),
        };
        let read: Read = serde_json::from_slice(&bytes).map_err(|e| self.aside(&e.to_string()))?;
        if read.version != VERSION {
            let problem = format!("version {}, not {VERSION}", read.version);
            return Err(self.aside(&problem));
        }
        Engine::restore(&read.engine, now)
            .map(Some)
            .map_err(|e| self.aside(&e.to_string()))
    }

    fn aside(&self, problem: &str) -> Unread {
        let aside = super::args::added(&self.path, ".unread");
        let path = self.path.display();
        Unread(match std::fs::rename(&self.path, &aside) {
            Ok(()) => format!("{path}: {problem}; it is now {}", aside.display()),
            Err(error) => format!("{path}: {problem}; {error}"),
        })
    }

    /// Writes a snapshot, on disk when it returns, unless a newer one stands there. `number` counts them.
    pub(super) async fn save(&self, number: u64, snapshot: Snapshot) -> std::io::Result<()> {
        let mut written = self.written.lock().await;
        if written.last >= number {
            return Ok(());
        }
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || write(&path, &snapshot));
        task.await.map_err(Error::other)??;
        written.last = number;
        Ok(())
    }
}

fn write(path: &Path, snapshot: &Snapshot) -> std::io::Result<()> {
    let state = Written {
        version: VERSION,
        engine: snapshot,
    };
    let text = serde_json::to_vec(&state)?;
    let made = super::args::added(path, ".new");
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(&made)?;
    file.write_all(&text)?;
    file.sync_data()?;
    std::fs::rename(&made, path)
}
