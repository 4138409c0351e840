//! Files that others read at any moment.

use std::io;
use std::path::{Path, PathBuf};

/// Replaces a file by one with these contents: whoever reads it finds the old ones or the new ones whole. Not synced: what it
/// says is written anew after a crash. Whether they were other ones.
pub(crate) async fn replace(path: &Path, contents: &str) -> io::Result<bool> {
    match tokio::task::spawn_blocking({
        let (path, contents) = (path.to_owned(), contents.to_owned());
        move || replaced(&path, &contents)
    })
    .await
    {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}

fn replaced(path: &Path, contents: &str) -> io::Result<bool> {
    if std::fs::read(path).is_ok_and(|there| there == contents.as_bytes()) {
        return Ok(false);
    }
    let temporary = temporary(path);
    let done =
        std::fs::write(&temporary, contents).and_then(|()| std::fs::rename(&temporary, path));
    if done.is_err() {
        // What was written of it is of no use.
        let _ = std::fs::remove_file(&temporary);
    }
    done.map(|()| true)
}

/// Beside it: a rename across file systems is none.
fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}
