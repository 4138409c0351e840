//! The seam's methods, each on a thread of its own.

use crate::error::Error;
use crate::links::{create_ifb, links, remove, set_alias};
use crate::netns::{Visitor, is_gone, on_thread};
use crate::probe::{Probed, probe};
use crate::read::{NamespaceDump, counters, namespaces};
use crate::socket::Unanswered;
use async_trait::async_trait;
use netshape::kernel::{Applied, Kernel, Request};
use netshape::netlink::{Counters, ObjectKind, TcMessage, Verb};
use netshape::{DevName, Netns, ObservedState};
use std::time::Duration;

/// The kernel that this process runs on, by netlink sockets: one for each network namespace that is visited.
///
/// It keeps nothing between two calls: a socket that stayed open would keep a container's namespace, and its devices, alive. Each call
/// runs on a thread of its own, in any runtime or none, and ends its work even where its future is dropped. It takes `CAP_NET_ADMIN`, and
/// `CAP_SYS_ADMIN` for namespaces other than [`Netns::Host`], which is the one that the calling thread is in.
///
/// ```no_run
/// use netshape::kernel::{Driver, Kernel as _};
/// use netshape::{Capabilities, Container, Direction, Host, Netns, Rate, Shape};
/// use netshape_netlink::NetlinkKernel;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut kernel = NetlinkKernel::new();
/// let seen = kernel.observe(&[Netns::Host]).await?;
/// println!("{} devices", seen.len());
///
/// let mut host = Host::new(None, Vec::new(), kernel.probe().await?.capabilities())?;
/// let shape = Shape::new(Rate::ZERO, Rate::mbit(50))?;
/// host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
/// let mut driver = Driver::new(kernel); // observes, plans and carries out
/// driver.reconcile();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NetlinkKernel {}

impl NetlinkKernel {
    /// The kernel that this process runs on.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }

    /// Reads namespaces whole, with counters. Those that do not exist, or no longer, are left out.
    ///
    /// # Errors
    /// A namespace can't be entered, or a socket does not work.
    pub async fn dump(&self, wanted: &[Netns]) -> Result<Vec<NamespaceDump>, Error> {
        let wanted = wanted.to_vec();
        on_thread(move |visitor| namespaces(visitor, &wanted)).await
    }

    /// What the qdiscs of all devices of one namespace have counted, by one dump.
    ///
    /// # Errors
    /// The namespace can't be entered, or a socket does not work.
    pub async fn qdisc_counters(&self, netns: &Netns) -> Result<Counters, Error> {
        let netns = netns.clone();
        on_thread(move |visitor| counters(visitor, &netns)).await
    }

    /// Tries in a namespace made for it, and gone afterwards, what this kernel can do.
    ///
    /// # Errors
    /// No namespace can be made (it takes `CAP_SYS_ADMIN`), or a socket does not work.
    pub async fn probe(&self) -> Result<Probed, Error> {
        on_thread(probe).await
    }

    /// Writes an alias on a device ([`Link::alias`](crate::Link)), by which somebody knows it later: 255 bytes at the most.
    ///
    /// # Errors
    /// It is not there, or the kernel does not take it.
    pub async fn set_alias(&self, device: &DevName, alias: &str) -> Result<(), Error> {
        let (device, alias) = (device.clone(), alias.to_owned());
        on_thread(move |visitor| {
            let ifindex = number(visitor, &device)?;
            let set = set_alias(visitor.connection(&device.netns)?, ifindex, &alias);
            set.map_err(|why| answered(&device, || "set the alias".to_owned(), why))
        })
        .await
    }

    /// Removes ifbs ([`netshape::plan::idle_ifbs`]). One that has gone already is no error; a device of another kind with the name of
    /// one is, and stays.
    ///
    /// # Errors
    /// One could not be removed; those before it are.
    pub async fn remove_ifbs(&self, devices: &[DevName]) -> Result<(), Error> {
        let devices = devices.to_vec();
        let work = move |visitor: &mut Visitor| {
            devices
                .iter()
                .try_for_each(|device| remove_ifb(visitor, device))
        };
        on_thread(work).await
    }
}

#[async_trait]
impl Kernel for NetlinkKernel {
    type Error = Error;

    async fn observe(&mut self, wanted: &[Netns]) -> Result<ObservedState, Error> {
        let mut state = ObservedState::new();
        for dump in self.dump(wanted).await? {
            dump.put_into(&mut state);
        }
        Ok(state)
    }

    async fn create_ifbs(&mut self, devices: &[DevName]) -> Result<(), Error> {
        let devices = devices.to_vec();
        let create = |visitor: &mut Visitor, device: &DevName| {
            let made = create_ifb(visitor.connection(&device.netns)?, &device.dev);
            made.map_err(|why| answered(device, || "make the ifb".to_owned(), why))
        };
        on_thread(move |visitor| {
            devices
                .iter()
                .try_for_each(|device| create(visitor, device))
        })
        .await
    }

    async fn apply(&mut self, requests: &[Request]) -> Applied<Error> {
        let requests = requests.to_vec();
        let work = move |visitor: &mut Visitor| {
            for (
                done,
                Request {
                    device, message, ..
                },
            ) in requests.iter().enumerate()
            {
                if let Err(error) = carry_out(visitor, device, message) {
                    return Ok(Applied::failed(done, error));
                }
            }
            Ok(Applied::all(requests.len()))
        };
        on_thread(work)
            .await
            .unwrap_or_else(|error| Applied::failed(0, error))
    }

    fn is_gone(&self, error: &Error) -> bool {
        matches!(error, Error::NoDevice(_)) || is_gone(error)
    }

    fn is_absent(&self, error: &Error) -> bool {
        matches!(
            error,
            Error::Refused {
                errno: nix::libc::ENOENT,
                ..
            }
        )
    }
}

/// How often, and how far apart, the removal of a hash table is tried that is still in use: 2 s in all, far more than a grace period takes.
const TABLE_ATTEMPTS: u32 = 400;
const TABLE_PAUSE: Duration = Duration::from_millis(5);

/// Whether a u32 hash table could not be removed since something led to it.
fn is_table_in_use(message: &TcMessage<'_>, answer: &Result<(), Unanswered>) -> bool {
    let table = message.object == ObjectKind::Filter
        && message.verb == Verb::Del
        && message.handle.raw() != 0
        && message.handle.raw() & 0xf_ffff == 0;
    let busy =
        matches!(answer, Err(Unanswered::Refused { errno, .. }) if *errno == nix::libc::EBUSY);
    table && busy
}

/// Sends one request and waits for its answer.
fn carry_out(
    visitor: &mut Visitor,
    device: &DevName,
    message: &TcMessage<'static>,
) -> Result<(), Error> {
    let ifindex = match message.ifindex {
        0 => number(visitor, device)?,
        ifindex => ifindex,
    };
    let connection = visitor.connection(&device.netns)?;
    let mut message = message.clone();
    (message.ifindex, message.seq) = (ifindex, connection.next_sequence());
    let mut asked = connection.request(&message.to_bytes(), message.seq);
    // The kernel frees a hash table only some time after the last link to it went (an RCU grace period): that is waited for.
    for _ in 0..TABLE_ATTEMPTS {
        if !is_table_in_use(&message, &asked) {
            break;
        }
        std::thread::sleep(TABLE_PAUSE);
        asked = connection.request(&message.to_bytes(), message.seq);
    }
    asked.map_err(|why| answered(device, || action(&message), why))
}

/// A device's number by its name.
fn number(visitor: &mut Visitor, device: &DevName) -> Result<i32, Error> {
    let found = links(visitor.connection(&device.netns)?);
    let found = found.map_err(|why| answered(device, || "list devices".to_owned(), why))?;
    let mut numbers = found.iter().filter(|l| *l.name == *device.dev);
    let found = numbers.next().map(|l| l.ifindex);
    found.ok_or_else(|| Error::NoDevice(device.clone()))
}

fn remove_ifb(visitor: &mut Visitor, device: &DevName) -> Result<(), Error> {
    let connection = visitor.connection(&device.netns)?;
    let refused = |why| answered(device, || "remove the ifb".to_owned(), why);
    let found = links(connection).map_err(refused)?;
    let Some(link) = found.iter().find(|l| *l.name == *device.dev) else {
        return Ok(());
    };
    if link.kind.as_deref() != Some("ifb") {
        return Err(Error::NotOurs(device.clone()));
    }
    match remove(connection, link.ifindex) {
        Err(Unanswered::Refused { errno, .. }) if errno == nix::libc::ENODEV => Ok(()),
        answer => answer.map_err(refused),
    }
}

fn answered(device: &DevName, action: impl FnOnce() -> String, why: Unanswered) -> Error {
    match why {
        Unanswered::Refused { errno, .. } if errno == nix::libc::ENODEV => {
            Error::NoDevice(device.clone())
        }
        Unanswered::Refused { errno, text } => Error::Refused {
            device: device.clone(),
            action: action(),
            errno,
            text,
        },
        Unanswered::Socket(source) => Error::Socket {
            netns: device.netns.clone(),
            source,
        },
    }
}

/// A request in words: `change class 1:10`.
fn action(message: &TcMessage<'_>) -> String {
    let verb = match (message.verb, message.flags & netshape::netlink::CREATE) {
        (Verb::New, 0) => "change",
        (Verb::New, _) => "add",
        (Verb::Del, _) => "delete",
        (Verb::Get, _) => "get",
    };
    format!("{verb} {} {}", message.object, message.handle)
}
