//! Files that a command writes never take the place of what it reads.

use crate::answer::Failure;
use std::path::{Path, PathBuf};

/// A file with the option that names it.
pub(crate) type Named<'a> = (&'static str, &'a Path);

/// Refuses an output that is one of the inputs or another output, whatever it is called: another spelling, a symbolic or a
/// hard link. What is no regular file (`/dev/null`, a pipe) takes nothing's place.
///
/// # Errors
/// Two options that name one file (exit 2).
pub(crate) fn keep_apart(inputs: &[Named<'_>], outputs: &[Named<'_>]) -> Result<(), Failure> {
    for (i, (option, path)) in outputs.iter().enumerate() {
        let others = inputs.iter().chain(outputs.iter().take(i));
        for (other, taken) in others {
            if is_same(path, taken) {
                let message = format!(
                    "{} is named by {other} and would be overwritten: want another file",
                    path.display()
                );
                return Err(Failure::input(message, *option));
            }
        }
    }
    Ok(())
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a_is), Ok(b_is)) => {
            a_is.is_file() && b_is.is_file() && (is_one(&a_is, &b_is) || real(a) == real(b))
        }
        // Neither is there yet: they are told by their places.
        (Err(_), Err(_)) => real(a) == real(b),
        _ => false,
    }
}

/// Whether both are there and are one folder.
pub(crate) fn is_same_folder(a: &Path, b: &Path) -> bool {
    a.is_dir() && b.is_dir() && real(a) == real(b)
}

#[cfg(unix)]
fn is_one(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    false
}

/// A path without links and dots, of a file that may not be there yet in a folder that is.
fn real(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize();
    match (parent, path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}
