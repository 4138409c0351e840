//! `events.jsonl`: every decision of a run with its reason, one JSON object a line.
//!
//! Each line has `run` (`protected` or `unprotected`), `second`, `core` (whose decision it was), `what`,
//! `subject`, `reason`, and what else belongs to it under `data`.

use crate::answer::Failure;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Where a run's decisions are written, if anywhere.
#[derive(Debug)]
pub struct Events {
    run: &'static str,
    file: Option<(PathBuf, BufWriter<File>)>,
    failed: Option<io::Error>,
}

fn part(dir: &Path, protect: bool) -> PathBuf {
    dir.join(if protect {
        "events.protected.part"
    } else {
        "events.unprotected.part"
    })
}

impl Events {
    /// Opens the run's part below `dir`; without a folder nothing is kept.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn open(dir: Option<&Path>, protect: bool) -> Result<Self, Failure> {
        let run = if protect { "protected" } else { "unprotected" };
        let file = match dir.map(|d| part(d, protect)) {
            None => None,
            Some(path) => match File::create(&path) {
                Ok(file) => Some((path, BufWriter::new(file))),
                Err(e) => return Err(Failure::io(&e, path.display().to_string())),
            },
        };
        Ok(Self {
            run,
            file,
            failed: None,
        })
    }

    /// Whether anybody reads: where not, nothing needs to be put together.
    #[must_use]
    pub fn on(&self) -> bool {
        self.file.is_some()
    }

    /// Writes one decision; a failing disk is reported by [`Events::close`].
    pub fn say(
        &mut self,
        second: u64,
        core: &str,
        what: &str,
        subject: &str,
        reason: &str,
        data: Value,
    ) {
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
    pub fn close(self) -> Result<(), Failure> {
        let Some((path, mut file)) = self.file else {
            return Ok(());
        };
        let flushed = file.flush();
        match self.failed.map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(e) => Err(Failure::io(&e, path.display().to_string())),
        }
    }
}

/// Joins the runs' parts into `events.jsonl`, in the order of `modes`.
///
/// # Errors
/// When a file can't be read or written.
pub(super) fn join(dir: &Path, modes: &[bool]) -> Result<(), Failure> {
    let target = dir.join("events.jsonl");
    let io = |e: io::Error| Failure::io(&e, target.display().to_string());
    let mut out = BufWriter::new(File::create(&target).map_err(io)?);
    for &protect in modes {
        let path = part(dir, protect);
        let mut file = File::open(&path).map_err(io)?;
        io::copy(&mut file, &mut out).map_err(io)?;
        fs::remove_file(&path).map_err(io)?;
    }
    out.flush().map_err(io)
}
