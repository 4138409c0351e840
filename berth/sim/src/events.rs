//! `events.jsonl`: every decision of a run with its reason, one JSON object a line.
//!
//! Each line has `run` (`protected` or `unprotected`), `second`, `core` (whose decision it was), `what`,
//! `subject`, `reason`, and what else belongs to it under `data`. Baselines write none.

use crate::error::Error;
use crate::policy::Policy;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Which decisions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Detail {
    /// No file at all.
    None,
    /// Placement, overload, moves and addresses: what happened to each container, a few thousand lines a day.
    #[default]
    Moves,
    /// Every decision of all four cores, weights and shares of bandwidth included: hundreds of megabytes a day.
    All,
}

impl Detail {
    /// Whether decisions of `core` are written.
    fn covers(self, core: &str) -> bool {
        match self {
            Self::None => false,
            Self::Moves => matches!(core, "scheduler-core" | "ipam"),
            Self::All => true,
        }
    }
}

/// Where a run's decisions are written, if anywhere.
#[derive(Debug)]
pub(crate) struct Events {
    run: &'static str,
    detail: Detail,
    file: Option<(PathBuf, BufWriter<File>)>,
    failed: Option<io::Error>,
}

/// What a run's lines are marked with.
fn mark(policy: Policy) -> &'static str {
    match policy {
        Policy::Protected => "protected",
        _ => "unprotected",
    }
}

fn part(dir: &Path, policy: Policy) -> PathBuf {
    dir.join(format!("events.{}.part", mark(policy)))
}

impl Events {
    /// Opens the run's part below `dir`; without a folder nothing is kept.
    ///
    /// # Errors
    /// When the file can't be made.
    pub(crate) fn open(dir: Option<&Path>, detail: Detail, policy: Policy) -> Result<Self, Error> {
        let run = mark(policy);
        let dir = dir.filter(|_| detail != Detail::None);
        let file = match dir.map(|d| part(d, policy)) {
            None => None,
            Some(path) => match File::create(&path) {
                Ok(file) => Some((path, BufWriter::new(file))),
                Err(e) => return Err(Error::io(&e, path.display().to_string())),
            },
        };
        Ok(Self {
            run,
            detail,
            file,
            failed: None,
        })
    }

    /// Whether decisions of `core` are written: where not, nothing needs to be put together.
    pub(crate) fn wants(&self, core: &str) -> bool {
        self.file.is_some() && self.detail.covers(core)
    }

    /// Writes one decision; a failing disk is reported by [`Events::close`].
    pub(crate) fn say(
        &mut self,
        second: u64,
        core: &str,
        what: &str,
        subject: &str,
        reason: &str,
        data: Value,
    ) {
        if !self.wants(core) {
            return;
        }
        let Some((_, file)) = &mut self.file else {
            return;
        };
        let mut line = json!({
            "run": self.run, "second": second, "core": core, "what": what, "subject": subject, "reason": reason,
        });
        if !data.is_null() {
            line["data"] = data;
        }
        if let Err(e) = writeln!(file, "{line}") {
            self.failed.get_or_insert(e);
        }
    }

    /// Flushes, and says whether everything was written.
    ///
    /// # Errors
    /// The first failure of this run's writes.
    pub(crate) fn close(self) -> Result<(), Error> {
        let Some((path, mut file)) = self.file else {
            return Ok(());
        };
        let flushed = file.flush();
        match self.failed.map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(e) => Err(Error::io(&e, path.display().to_string())),
        }
    }
}

/// Joins the runs' parts into `events.jsonl`, in the order of `runs`; the size of the file, in bytes.
///
/// # Errors
/// When a file can't be read or written.
pub(super) fn join(dir: &Path, runs: &[Policy]) -> Result<u64, Error> {
    let target = dir.join(crate::run::EVENTS);
    let io = |e: io::Error| Error::io(&e, target.display().to_string());
    let mut out = BufWriter::new(File::create(&target).map_err(io)?);
    let mut bytes = 0;
    for &policy in runs {
        let path = part(dir, policy);
        let mut file = File::open(&path).map_err(io)?;
        bytes += io::copy(&mut file, &mut out).map_err(io)?;
        fs::remove_file(&path).map_err(io)?;
    }
    out.flush().map_err(io)?;
    Ok(bytes)
}
