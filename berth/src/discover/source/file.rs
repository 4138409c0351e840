//! A file as a source.

use super::document::Document;
use super::follow::follow;
use super::watch::Watch;
use crate::answer::Failure;
use async_trait::async_trait;
use discovery_core::driver::Source;
use discovery_core::{Effect, Engine, InputError, Timestamp};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// The longest file that is read, 256 MiB.
const LONGEST: u64 = 256 << 20;
/// How soon a file that could not be read is read again, though it is the same.
const AGAIN: Duration = Duration::from_secs(1);

/// What came of reading, for whoever tells of it.
#[derive(Debug, Default)]
pub(in crate::discover) struct Told {
    pub(in crate::discover) reads: u64,
    pub(in crate::discover) failures: u64,
    /// Since they were taken last.
    pub(in crate::discover) problems: Vec<String>,
}

/// Follows a file.
#[derive(Debug)]
pub(in crate::discover) struct FileSource {
    path: PathBuf,
    watch: Watch,
    /// What is to be told next.
    news: Option<Document>,
    failed: bool,
    told: Arc<Mutex<Told>>,
}

impl FileSource {
    /// Reads it for the first time; a runtime must be there. With `needed`, a file that cannot be read is an error; without, it is
    /// waited for.
    pub(in crate::discover) fn open(path: &Path, needed: bool) -> Result<Self, Failure> {
        let mut source = Self {
            path: path.to_owned(),
            watch: Watch::new(path),
            news: None,
            failed: false,
            told: Arc::default(),
        };
        let place = format!("--source file:{}", path.display());
        match source.read() {
            Err(error) if needed => Err(Failure::io(&error, place)),
            Ok(Err(problem)) if needed => Err(Failure::input(problem, place)),
            read => {
                source.take(read);
                Ok(source)
            }
        }
    }

    /// Where it tells of what it reads.
    pub(in crate::discover) fn told(&self) -> Arc<Mutex<Told>> {
        Arc::clone(&self.told)
    }

    fn read(&mut self) -> std::io::Result<Result<Document, String>> {
        self.watch.looked();
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&self.path)?;
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Ok(Err(format!("over {LONGEST} bytes")));
        }
        Ok(String::from_utf8(bytes)
            .map_err(|e| e.to_string())
            .and_then(|text| Document::read(&text)))
    }

    /// A file that is not whole, or not there, changes nothing.
    fn take(&mut self, read: std::io::Result<Result<Document, String>>) {
        let read = read.map_err(|e| e.to_string()).and_then(|read| read);
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        told.reads += 1;
        self.failed = read.is_err();
        match read {
            Ok(document) => {
                let problems = document.problems.iter().cloned();
                told.problems.extend(problems);
                self.news = Some(document);
            }
            Err(problem) => {
                told.failures += 1;
                told.problems
                    .push(format!("{}: {problem}", self.path.display()));
            }
        }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn wait(&mut self) {
        while self.news.is_none() {
            tokio::select! {
                () = self.watch.changed() => {}
                () = sleep(AGAIN), if self.failed => {}
            }
            let read = self.read();
            self.take(read);
        }
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        if let Some(document) = self.news.take() {
            let refused = follow(&document, engine, now, out);
            if let Ok(mut told) = self.told.lock() {
                told.problems.extend(refused);
            }
        }
        Vec::new()
    }
}
