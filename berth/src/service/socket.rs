//! Local sockets.

use crate::answer::Failure;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// Listens; only the user that runs this may connect. A socket that another process left behind is replaced, one that is
/// answered is not. `option` is where the path was given.
pub(crate) async fn listen(path: &Path, option: &str) -> Result<UnixListener, Failure> {
    let place = format!("{option} {}", path.display());
    let failed = |error: Error| Failure::io(&error, &*place);
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let message = "there is a file that is no socket";
            return Err(failed(Error::new(ErrorKind::AlreadyExists, message)));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            let message = "another process answers there";
            return Err(failed(Error::new(ErrorKind::AddrInUse, message)));
        }
        _ => {}
    }
    // Made under another name, so that nobody connects before only this user may.
    let mut made = path.as_os_str().to_owned();
    made.push(format!(".{}", std::process::id()));
    let made = PathBuf::from(made);
    let _ = std::fs::remove_file(&made);
    let listener = UnixListener::bind(&made).map_err(failed)?;
    let owner_only = std::fs::Permissions::from_mode(0o600);
    let placed =
        std::fs::set_permissions(&made, owner_only).and_then(|()| std::fs::rename(&made, path));
    placed.map_err(|e| {
        let _ = std::fs::remove_file(&made);
        failed(e)
    })?;
    Ok(listener)
}
