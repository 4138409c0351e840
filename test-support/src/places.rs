//! Where shared data is.

use std::path::{Path, PathBuf};

/// Relative paths in the variables are taken from the workspace's root, since `cargo test` runs each
/// package's tests in that package's own folder.
fn from_root(value: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    root.join(value)
}

/// The folder of shared data: `$BERTH_SHARED`, or `../shared` beside the checkout.
#[must_use]
pub fn shared() -> PathBuf {
    from_root(&std::env::var("BERTH_SHARED").unwrap_or_else(|_| "../shared".to_owned()))
}

/// The folder of recorded vectors: `$BERTH_VECTORS`, or `vectors` below [`shared`].
#[must_use]
pub fn vectors() -> PathBuf {
    match std::env::var("BERTH_VECTORS") {
        Ok(dir) => from_root(&dir),
        Err(_) => shared().join("vectors"),
    }
}

/// A data set: a path below the shared folder's `data`, or else below the shared folder itself; `None` when it is
/// in neither.
#[must_use]
pub fn data(relative: &str) -> Option<PathBuf> {
    [
        shared().join("data").join(relative),
        shared().join(relative),
    ]
    .into_iter()
    .find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_workspace() {
        assert!(from_root("test-support/Cargo.toml").exists());
    }

    #[test]
    fn absent_data_is_none() {
        assert_eq!(data("no/such/data-set"), None);
    }
}
