//! What is in a namespace: its devices, and a dump of what is on them.

use crate::error::Error;
use crate::links::{Link, links};
use crate::netns::{Visitor, is_gone};
use crate::socket::{Connection, Unanswered};
use netshape::netlink::{Counters, ObjectKind, REQUEST, TcMessage, Verb, load};
use netshape::object::{Handle, QdiscKind};
use netshape::{DevName, Device, Netns, ObservedState};
use std::collections::BTreeMap;
use std::io;

/// `NLM_F_DUMP`.
const DUMP: u16 = 0x300;

/// One network namespace as it was read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NamespaceDump {
    /// The namespace.
    pub netns: Netns,
    /// Its devices.
    pub links: Vec<Link>,
    /// Messages about their qdiscs, classes and filters, as the kernel wrote them, counters included: read them by
    /// [`netshape::netlink::decode`], or the objects alone by [`load`].
    pub messages: Vec<u8>,
    /// Other names of the namespace among those that were asked for: it was read once, under the first.
    pub aliases: Vec<Netns>,
    devices: BTreeMap<i32, Device>,
}

impl NamespaceDump {
    /// Puts the devices into a state, with their numbers.
    pub fn put_into(self, state: &mut ObservedState) {
        let mut devices = self.devices;
        for link in self.links {
            let mut device = devices.remove(&link.ifindex).unwrap_or_default();
            device.ifindex = Some(link.ifindex);
            device.gso_max_size = link.gso_max_size;
            let name = DevName {
                netns: self.netns.clone(),
                dev: link.name.into(),
            };
            state.put_device(name, device);
        }
    }
}

/// Reads namespaces one after another, each once; those that do not exist, or no longer, are left out.
pub(crate) fn namespaces(
    visitor: &mut Visitor,
    wanted: &[Netns],
) -> Result<Vec<NamespaceDump>, Error> {
    let mut found: Vec<NamespaceDump> = Vec::new();
    let mut places = BTreeMap::new();
    for netns in wanted {
        let entered = visitor
            .identity(netns)
            .and_then(|identity| Ok((identity, visitor.connection(netns)?)));
        let (identity, connection) = match entered {
            Ok(entered) => entered,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        if let Some(first) = places
            .get(&identity)
            .and_then(|at: &usize| found.get_mut(*at))
        {
            if first.netns != *netns {
                first.aliases.push(netns.clone());
            }
            continue;
        }
        places.insert(identity, found.len());
        let read = namespace(connection, netns);
        found.push(read.map_err(|why| failed(netns, why))?);
    }
    Ok(found)
}

/// What the qdiscs of a namespace have counted.
pub(crate) fn counters(visitor: &mut Visitor, netns: &Netns) -> Result<Counters, Error> {
    let connection = visitor.connection(netns)?;
    let dump = connection.dump(|sequence| request(ObjectKind::Qdisc, 0, Handle::NONE, sequence));
    let dump = dump.map_err(|why| failed(netns, why))?;
    Counters::read(&dump).map_err(|why| failed(netns, io::Error::other(why).into()))
}

fn failed(netns: &Netns, why: Unanswered) -> Error {
    let source = match why {
        Unanswered::Socket(source) => source,
        Unanswered::Refused { errno, .. } => io::Error::from_raw_os_error(errno),
    };
    Error::Socket {
        netns: netns.clone(),
        source,
    }
}

fn namespace(connection: &mut Connection, netns: &Netns) -> Result<NamespaceDump, Unanswered> {
    let mut dump = NamespaceDump {
        netns: netns.clone(),
        links: links(connection)?,
        ..NamespaceDump::default()
    };
    // One dump has the qdiscs of all devices; classes and filters are asked for where there can be some.
    let mut seen =
        connection.dump(|sequence| request(ObjectKind::Qdisc, 0, Handle::NONE, sequence))?;
    absorb(&mut dump, &seen)?;
    for (ifindex, wanted) in asked(&dump.devices) {
        for (object, parent) in wanted {
            seen.clear();
            match connection.dump(|sequence| request(object, ifindex, parent, sequence)) {
                Ok(bytes) => seen = bytes,
                // The device, or the qdisc, has gone since.
                Err(Unanswered::Refused { .. }) => continue,
                Err(error) => return Err(error),
            }
            absorb(&mut dump, &seen)?;
        }
        // Filters may hang at inner classes too, past which ours would never be asked.
        for parent in inner(dump.devices.get(&ifindex)) {
            if let Ok(bytes) =
                connection.dump(|sequence| request(ObjectKind::Filter, ifindex, parent, sequence))
            {
                absorb(&mut dump, &bytes)?;
            }
        }
    }
    Ok(dump)
}

/// The dumps to ask for by device: classes of a qdisc that has some, filters at each qdisc that may have some.
fn asked(devices: &BTreeMap<i32, Device>) -> Vec<(i32, Vec<(ObjectKind, Handle)>)> {
    let of = |device: &Device| {
        let mut wanted = Vec::new();
        for qdisc in device.qdiscs() {
            match &qdisc.kind {
                QdiscKind::Htb(_) => {
                    wanted.push((ObjectKind::Class, Handle::NONE));
                    wanted.push((ObjectKind::Filter, qdisc.handle));
                }
                _ if qdisc.parent == Handle::INGRESS => {
                    let major = Handle::INGRESS_QDISC.major();
                    wanted
                        .extend(HOOKS.map(|minor| (ObjectKind::Filter, Handle::new(major, minor))));
                }
                QdiscKind::Bfifo(_) | QdiscKind::Tbf(_) => {}
                _ if qdisc.handle.is_none() => {}
                _ => wanted.push((ObjectKind::Filter, qdisc.handle)),
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    };
    let devices = devices
        .iter()
        .map(|(ifindex, device)| (*ifindex, of(device)));
    devices.filter(|(_, wanted)| !wanted.is_empty()).collect()
}

/// `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
const HOOKS: [u16; 2] = [0xfff2, 0xfff3];

/// Classes that have children.
fn inner(device: Option<&Device>) -> Vec<Handle> {
    let classes = device.map(Device::classes).unwrap_or_default();
    let parents = classes.iter().map(|c| c.parent).filter(|p| p.minor() != 0);
    let mut parents: Vec<Handle> = parents.filter(|p| *p != Handle::ROOT).collect();
    parents.sort_unstable();
    parents.dedup();
    parents
}

fn absorb(dump: &mut NamespaceDump, bytes: &[u8]) -> io::Result<()> {
    load(bytes, &mut dump.devices).map_err(io::Error::other)?;
    dump.messages.extend_from_slice(bytes);
    Ok(())
}

fn request(object: ObjectKind, ifindex: i32, parent: Handle, sequence: u32) -> Vec<u8> {
    let mut message = TcMessage::new(object, Verb::Get, REQUEST | DUMP);
    (message.ifindex, message.parent, message.seq) = (ifindex, parent, sequence);
    message.to_bytes()
}
