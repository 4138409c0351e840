//! A file that a daemon includes: whole or not at all, and left as it is if nothing changed.

use crate::answer::Failure;
use crate::outputs::keep_apart;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writes the file unless it has this text; whether it was written.
pub(super) fn write(
    path: &Path,
    observed: Option<&Path>,
    store: Option<&str>,
    text: &str,
) -> Result<bool, Failure> {
    let mut inputs: Vec<(&'static str, &Path)> = Vec::new();
    inputs.extend(observed.map(|path| ("--observed", path)));
    inputs.extend(
        store
            .and_then(|store| store.strip_prefix("redb:"))
            .map(|p| ("--store", Path::new(p))),
    );
    keep_apart(&inputs, &[("--out", path)])?;
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(false);
    }
    replace(path, text).map_err(|e| Failure::io(&e, path.display().to_string()))?;
    Ok(true)
}

/// By a file beside it that takes its name once it is whole. What is no regular file (a pipe) is written to.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let there = std::fs::metadata(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return std::fs::write(path, text);
    }
    // A link stays one: what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let draft = draft(&path);
    let outcome = std::fs::File::create_new(&draft).and_then(|mut file| {
        if let Some(there) = there {
            file.set_permissions(there.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)
    });
    if outcome.is_err() {
        // The first error is the one to tell of.
        let _ = std::fs::remove_file(&draft);
    }
    outcome
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}
