//! Tells when a file was changed or replaced: by inotify where that can be, and every half second by looking.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::sleep;

/// Between two looks.
const POLL: Duration = Duration::from_millis(500);

/// What tells one version of a file from another.
type Version = Option<(u64, u64, i64, i64, u64)>;

#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    seen: Version,
    /// Watches the folder, since a rename replaces the file.
    events: Option<Receiver<()>>,
}

impl Watch {
    /// Begins to watch; a runtime must be there.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: None,
            events: events(path),
        }
    }

    /// What is read from now on has been seen.
    pub(super) fn looked(&mut self) {
        self.seen = version(&self.path);
    }

    /// Waits until the file is another one than at the last look.
    pub(super) async fn changed(&mut self) {
        while version(&self.path) == self.seen {
            let Some(events) = &mut self.events else {
                sleep(POLL).await;
                continue;
            };
            tokio::select! {
                () = sleep(POLL) => {}
                // What happened in the folder does not matter: the file is looked at.
                event = events.recv() => if event.is_none() {
                    self.events = None;
                },
            }
        }
    }
}

/// Tells of each event in a file's folder, from a thread that waits for them.
#[cfg(target_os = "linux")]
fn events(path: &Path) -> Option<Receiver<()>> {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).ok()?;
    let flags = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO;
    inotify.add_watch(folder, flags).ok()?;
    // Two events at once are one.
    let (tell, told) = channel(1);
    std::thread::spawn(move || {
        while inotify.read_events().is_ok() && !tell.is_closed() {
            let _ = tell.try_send(());
        }
    });
    Some(told)
}

#[cfg(not(target_os = "linux"))]
fn events(_: &Path) -> Option<Receiver<()>> {
    None
}

/// Follows links: a file may be one that is replaced elsewhere (Kubernetes' config maps).
fn version(path: &Path) -> Version {
    let data = std::fs::metadata(path).ok()?;
    Some((
        data.dev(),
        data.ino(),
        data.mtime(),
        data.mtime_nsec(),
        data.size(),
    ))
}
