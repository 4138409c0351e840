//! A dump as the state of devices, without a detour over messages: this is what runs each second on a busy host.

use super::attr::{Attr, Attrs, Fields};
use super::decode::decode;
use super::error::DecodeError;
use super::kind::ObjectKind;
use super::message::{Message, TcMessage};
use super::objects::filter_of;
use super::objects::qdisc_of;
use super::queue;
use crate::object::device::Objects;
use crate::object::{Class, Device, Handle};
use alloc::collections::BTreeMap;

/// The number of `RTM_NEWTCLASS`.
const NEW_CLASS: u16 = 40;

/// Reads dumps of qdiscs, classes and filters into devices by interface index, on top of what is there. O(n log n), and O(n) for
/// a dump in order of handles.
///
/// ```
/// use netshape::netlink::load;
/// use netshape::object::Handle;
/// use netshape::tc::{IfIndexes, TickRounding, parse_line};
/// use std::collections::BTreeMap;
///
/// // A dump has the same messages as requests do.
/// let devices = IfIndexes::from([("eth0".to_owned(), 2)]);
/// let mut dump = Vec::new();
/// for line in ["qdisc add dev eth0 root handle 1: htb", "class add dev eth0 parent 1: classid 1:10 htb rate 1mbit"] {
///     parse_line(line, TickRounding::Ceil, &devices)?.unwrap().encode(&mut dump)?;
/// }
/// let mut found = BTreeMap::new();
/// load(&dump, &mut found)?;
/// assert!(found[&2].class(Handle::new(1, 0x10)).is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`DecodeError`] says where the bytes are not a message; the devices then hold what came before.
#[doc(alias = "dump")]
pub fn load(bytes: &[u8], into: &mut BTreeMap<i32, Device>) -> Result<(), DecodeError> {
    let mut gathered = Gathered::default();
    let outcome = gathered.read(bytes);
    for (ifindex, objects) in gathered.done() {
        into.entry(ifindex).or_default().absorb(objects);
    }
    outcome
}

/// What was read so far, by device; the one at hand is kept apart, since dumps go device by device.
#[derive(Default)]
struct Gathered {
    by_index: BTreeMap<i32, Objects>,
    at: Option<(i32, Objects)>,
}

impl Gathered {
    fn read(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut messages = decode(bytes);
        let mut classes = messages.clone();
        while let Some(raw) = classes.raw() {
            let raw = raw?;
            if raw.number == NEW_CLASS {
                if let Some((ifindex, class)) = class(raw.body)? {
                    self.of(ifindex).classes.push(class);
                }
                // What was read is not read again as a message.
                continue;
            }
            messages.seek(raw.at);
            if let Some(message) = messages.next()
                && let Message::Tc(message) = message?
            {
                put(&message, self.of(message.ifindex));
            }
        }
        Ok(())
    }

    fn of(&mut self, ifindex: i32) -> &mut Objects {
        if self.at.as_ref().is_some_and(|(at, _)| *at != ifindex) {
            self.by_index.extend(self.at.take());
        }
        let by_index = &mut self.by_index;
        let new = || (ifindex, by_index.remove(&ifindex).unwrap_or_default());
        &mut self.at.get_or_insert_with(new).1
    }

    fn done(mut self) -> BTreeMap<i32, Objects> {
        self.by_index.extend(self.at);
        self.by_index
    }
}

/// An HTB class straight from its bytes; others have no options worth keeping.
fn class(body: &[u8]) -> Result<Option<(i32, Class)>, DecodeError> {
    let mut fields = Fields(body);
    let _family = fields.u32();
    let ifindex = fields.i32();
    let id = Handle::from_raw(fields.u32());
    let parent = Handle::from_raw(fields.u32());
    let (mut htb, mut options): (bool, Option<Attr<'_>>) = (false, None);
    for attr in Attrs::new(body.get(20..).unwrap_or(&[])) {
        let attr = attr?;
        match attr.kind {
            1 => htb = attr.data == b"htb\0",
            2 => options = Some(attr),
            _ => {}
        }
    }
    let Some(options) = options.filter(|_| htb) else {
        return Ok(None);
    };
    let Some(htb) = queue::read_class(options.nest())? else {
        return Ok(None);
    };
    // A dump calls the qdisc "root" where a request names it.
    let parent = if parent == Handle::ROOT {
        id.of_qdisc()
    } else {
        parent
    };
    Ok(Some((ifindex, Class { id, parent, htb })))
}

/// One dumped qdisc or filter.
fn put(message: &TcMessage<'_>, objects: &mut Objects) {
    match message.object {
        ObjectKind::Qdisc => objects.qdiscs.push(qdisc_of(message)),
        ObjectKind::Filter => objects.filters.push(filter_of(message)),
        ObjectKind::Class => {}
    }
}
