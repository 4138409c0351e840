//! A thread of its own for each piece of work: it may enter network namespaces, which a thread that others share must not, and it
//! may wait for the kernel's lock on its configuration (`rtnl_mutex`), which sending a request takes whatever the socket is set to.

use crate::error::Error;
use crate::socket::Connection;
use futures_channel::oneshot;
use netshape::Netns;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// Where namespaces with names are, by iproute2's convention.
const NAMED: &str = "/run/netns";

/// Runs `work` on a new thread and waits for it. Where the caller waits no longer, the work is still done to its end.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce(&mut Visitor) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = oneshot::channel();
    // Opened by the caller's thread: `/proc/self` would be the process's first.
    let home = File::open("/proc/thread-self/ns/net");
    let thread = std::thread::Builder::new().name("netlink".to_owned());
    let run = move || {
        let done = Visitor::new(home).and_then(|mut visitor| work(&mut visitor));
        // Nobody may wait any more.
        let _ = tell.send(done);
    };
    thread.spawn(run).map_err(Error::Thread)?;
    told.await
        .unwrap_or_else(|_| Err(Error::Thread(io::Error::other("it panicked"))))
}

/// A thread that goes from namespace to namespace. It has two sockets open at the most: a socket keeps its namespace, and the devices in
/// it, alive.
#[derive(Debug)]
pub(crate) struct Visitor {
    home: File,
    here: Option<Connection>,
    away: Option<(Netns, Connection)>,
}

impl Visitor {
    fn new(home: io::Result<File>) -> Result<Self, Error> {
        let home = home.map_err(|source| entering(&Netns::Host, source))?;
        Ok(Self {
            home,
            here: None,
            away: None,
        })
    }

    /// The socket in a namespace.
    pub(crate) fn connection(&mut self, netns: &Netns) -> Result<&mut Connection, Error> {
        if *netns == Netns::Host {
            if self.here.is_none() {
                enter(&self.home).map_err(|source| entering(netns, source))?;
                self.here = Some(opened(netns)?);
            }
            return self.here.as_mut().ok_or_else(|| lost(netns));
        }
        if self.away.as_ref().is_none_or(|(at, _)| at != netns) {
            self.away = None;
            let file = path(netns).and_then(File::open);
            let entered = file.and_then(|file| enter(&file));
            entered.map_err(|source| entering(netns, source))?;
            self.away = Some((netns.clone(), opened(netns)?));
        }
        let away = self.away.as_mut().map(|(_, connection)| connection);
        away.ok_or_else(|| lost(netns))
    }

    /// Device and number of the file that a namespace is: alike for all its names.
    pub(crate) fn identity(&self, netns: &Netns) -> Result<(u64, u64), Error> {
        let data = match netns {
            Netns::Host => self.home.metadata(),
            _ => path(netns).and_then(std::fs::metadata),
        };
        let data = data.map_err(|source| entering(netns, source))?;
        Ok((data.dev(), data.ino()))
    }

    /// A socket in a namespace that has nothing in it but `lo`, and goes when the socket does.
    pub(crate) fn scratch(&mut self) -> Result<Connection, Error> {
        let left = nix::sched::unshare(CloneFlags::CLONE_NEWNET);
        left.map_err(|errno| entering(&Netns::Host, errno.into()))?;
        opened(&Netns::Host)
    }
}

fn enter(namespace: &File) -> io::Result<()> {
    Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
}

fn opened(netns: &Netns) -> Result<Connection, Error> {
    Connection::open().map_err(|source| Error::Socket {
        netns: netns.clone(),
        source,
    })
}

fn entering(netns: &Netns, source: io::Error) -> Error {
    Error::Namespace {
        netns: netns.clone(),
        source,
    }
}

fn lost(netns: &Netns) -> Error {
    entering(netns, io::ErrorKind::NotConnected.into())
}

/// The file by which a namespace is entered.
fn path(netns: &Netns) -> io::Result<PathBuf> {
    match netns {
        Netns::Host => Ok(PathBuf::from("/proc/thread-self/ns/net")),
        Netns::Pid(pid) => Ok(PathBuf::from(format!("/proc/{pid}/ns/net"))),
        Netns::Named(name) => {
            let plain = !name.is_empty() && !matches!(&**name, "." | "..");
            match plain && !name.contains(['/', '\0']) {
                true => Ok(PathBuf::from(NAMED).join(&**name)),
                false => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "not a name of a file",
                )),
            }
        }
    }
}

/// Whether a namespace can't be entered because it does not exist, or no longer: no file, no process, or a file that nothing is mounted on.
pub(crate) fn is_gone(error: &Error) -> bool {
    let Error::Namespace { netns, source } = error else {
        return false;
    };
    let gone = [nix::libc::ENOENT, nix::libc::ESRCH, nix::libc::EINVAL];
    *netns != Netns::Host
        && source
            .raw_os_error()
            .is_some_and(|errno| gone.contains(&errno))
}
