//! Why something could not be read or done, with the place.

use netshape::{DevName, Netns};
use std::io;

/// Why a kernel could not be read, or did not do as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A network namespace that can't be entered: it takes `CAP_SYS_ADMIN`, and the namespace must be there.
    #[error("network namespace {netns}: {source}")]
    Namespace {
        /// The namespace.
        netns: Netns,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel says no to one request.
    #[error("{device}: the kernel refuses to {action}: {} (errno {errno})", text.as_deref().unwrap_or(&said(*errno)))]
    Refused {
        /// The device.
        device: DevName,
        /// What was asked for, such as `add class 1:10`.
        action: String,
        /// The errno, positive, as in `errno.h`.
        errno: i32,
        /// The kernel's own words, where it has some (extended acknowledgements, Linux 4.12).
        text: Option<String>,
    },
    /// A device that has gone, or was never there.
    #[error("{0}: no such device in its network namespace")]
    NoDevice(DevName),
    /// Not a kind of device that may be removed here: it has the name of one of ours, and is none.
    #[error("{0}: has the name of an ifb of ours and is no ifb; it stays")]
    NotOurs(DevName),
    /// A socket does not work, or what it says makes no sense.
    #[error("netlink socket of network namespace {netns}: {source}")]
    Socket {
        /// The namespace.
        netns: Netns,
        /// The system's answer.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("a thread for netlink: {0}")]
    Thread(io::Error),
}

/// An errno in the C library's words.
fn said(errno: i32) -> String {
    nix::errno::Errno::from_raw(errno).desc().to_owned()
}
