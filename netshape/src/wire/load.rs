//! A dump as the state of devices, without a detour over messages: this is what runs each second on a busy host.

use super::attr::{Attr, Attrs, Fields};
use super::decode::decode;
use super::{Message, Options, TcMessage, What, WireError, queue};
use crate::device::{Device, Objects};
use crate::handle::Handle;
use crate::object::{Class, Extras, Filter, FilterKind, Htb, Other, Qdisc, QdiscKind};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// The number of `RTM_NEWTCLASS`.
const NEW_CLASS: u16 = 40;

/// Reads dumps of qdiscs, classes and filters into devices by interface index, on top of what is there. O(n log n), and O(n) for
/// a dump in order of handles.
///
/// # Errors
/// Bytes that are no messages; the devices then hold what came before.
pub fn load(bytes: &[u8], into: &mut BTreeMap<i32, Device>) -> Result<(), WireError> {
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
    fn read(&mut self, bytes: &[u8]) -> Result<(), WireError> {
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
fn class(body: &[u8]) -> Result<Option<(i32, Class)>, WireError> {
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
fn put(message: &TcMessage, objects: &mut Objects) {
    match message.what {
        What::Qdisc => objects.qdiscs.push(qdisc_of(message)),
        What::Filter => objects.filters.push(filter_of(message)),
        What::Class => {}
    }
}

/// A qdisc of a request or dump.
#[must_use]
pub(crate) fn qdisc_of(message: &TcMessage) -> Qdisc {
    let name = message.kind.as_deref().unwrap_or("");
    let kind = match (name, &message.options) {
        // What was counted is no part of what is there.
        ("htb", Some(Options::Htb(htb))) => QdiscKind::Htb(Htb {
            direct_packets: 0,
            ..*htb
        }),
        ("htb", None) => QdiscKind::Htb(Htb::to_default(0)),
        ("tbf", Some(Options::Tbf(tbf))) => QdiscKind::Tbf(tbf.clone()),
        ("bfifo", Some(Options::Fifo(limit))) => QdiscKind::Bfifo(Some(*limit)),
        ("bfifo", None) => QdiscKind::Bfifo(None),
        ("pfifo", Some(Options::Fifo(limit))) => QdiscKind::Pfifo(Some(*limit)),
        ("pfifo", None) => QdiscKind::Pfifo(None),
        ("fq_codel", Some(Options::FqCodel(f))) => QdiscKind::FqCodel(f.clone()),
        ("fq_codel", None) => QdiscKind::FqCodel(Box::default()),
        ("ingress", _) => QdiscKind::Ingress,
        ("clsact", _) => QdiscKind::Clsact,
        ("mq", _) => QdiscKind::Mq,
        (_, options) => {
            let options = match options {
                Some(Options::Raw(bytes)) => Some(bytes.clone()),
                _ => None,
            };
            QdiscKind::Other(Box::new(Other {
                kind: name.into(),
                options,
            }))
        }
    };
    let extras = Extras {
        stab: message.stab.as_deref().cloned(),
        estimator: message.estimator,
        ingress_block: message.ingress_block,
        egress_block: message.egress_block,
    };
    let extras = (extras != Extras::default()).then(|| Box::new(extras));
    Qdisc {
        handle: message.handle,
        parent: message.parent,
        kind,
        extras,
    }
}

/// A filter of a request or dump.
#[must_use]
pub(crate) fn filter_of(message: &TcMessage) -> Filter {
    let kind = match &message.options {
        Some(Options::U32(u32)) => FilterKind::U32(u32.clone()),
        None if message.kind.as_deref() == Some("u32") => FilterKind::U32(Box::default()),
        _ => FilterKind::Other(message.kind.clone().unwrap_or_default()),
    };
    Filter {
        parent: message.parent,
        chain: message.chain.unwrap_or(0),
        prio: message.prio(),
        protocol: message.protocol(),
        handle: message.handle.raw(),
        kind,
    }
}
