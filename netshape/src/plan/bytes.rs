//! A step as the netlink message that carries it out.

use super::filter_words::made_as;
use super::op::{Object, Op};
use super::reason::Action;
use super::steps::Plan;
use crate::netlink::{ACK, CREATE, EXCL, Options, REQUEST, TcMessage, Verb};
use crate::object::{Class, Handle, Htb, HtbClass, Qdisc, QdiscKind};
use alloc::boxed::Box;
use alloc::string::String;

impl Plan {
    /// The netlink message of a step, on the device with this number. Rate tables are left out.
    ///
    /// ```
    /// # use netshape::{Capabilities, Container, Direction, Host, ObservedState, Rate, Shape};
    /// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
    /// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
    /// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
    /// # let plan = netshape::plan::diff(&ObservedState::new(), &host);
    /// let message = plan.message(&plan.ops()[0], 7); // on the device with number 7
    /// assert_eq!((message.ifindex, message.kind.as_deref()), (7, Some("htb")));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn message(&self, op: &Op, ifindex: i32) -> TcMessage<'static> {
        message(op, ifindex)
    }
}

fn message(op: &Op, ifindex: i32) -> TcMessage<'static> {
    let (verb, flags) = match op.action {
        Action::Add => (Verb::New, EXCL | CREATE),
        Action::Change => (Verb::New, 0),
        Action::Delete => (Verb::Del, 0),
    };
    let mut message = TcMessage::new(op.object.kind(), verb, REQUEST | ACK | flags);
    message.ifindex = ifindex;
    let whole = op.action != Action::Delete;
    match &op.object {
        Object::Qdisc(q) => qdisc(&mut message, q, whole),
        Object::Class(c) => class(&mut message, c, whole),
        Object::Redirect(r) => {
            message.set_filter(&r.filter());
            filter_handle(&mut message, whole);
        }
        Object::Filter(f) => {
            message.set_filter(f);
            filter_handle(&mut message, whole);
        }
    }
    message
}

/// As in the words: made by number alone, taken off by the whole handle where that is known.
fn filter_handle(message: &mut TcMessage<'_>, whole: bool) {
    let handle = message.handle.raw();
    let said = match whole {
        true => made_as(handle),
        false if handle >> 20 == 0 => 0,
        false => handle,
    };
    message.handle = Handle::from_raw(said);
    if !whole {
        message.options = None;
    }
}

fn qdisc(message: &mut TcMessage<'_>, q: &Qdisc, whole: bool) {
    (message.handle, message.parent) = (q.handle, q.parent);
    let hook = q.parent == Handle::INGRESS;
    if !whole && !hook {
        return;
    }
    message.kind = Some(String::from(q.kind.name()).into());
    if !whole {
        return;
    }
    message.options = match &q.kind {
        // What was counted is not sent back.
        QdiscKind::Htb(htb) => Some(Options::Htb(Htb {
            direct_packets: 0,
            ..*htb
        })),
        QdiscKind::Tbf(tbf) => Some(Options::Tbf(tbf.clone())),
        QdiscKind::Bfifo(limit) | QdiscKind::Pfifo(limit) => limit.map(Options::Fifo),
        QdiscKind::FqCodel(f) => Some(Options::FqCodel(f.clone())),
        QdiscKind::Ingress | QdiscKind::Clsact | QdiscKind::Mq => None,
        QdiscKind::Other(other) => other.options.clone().map(|o| Options::Raw(o.into())),
    };
    if let Some(extras) = &q.extras {
        message.stab = extras.stab.clone().map(Box::new);
        message.estimator = extras.estimator;
        message.ingress_block = extras.ingress_block;
        message.egress_block = extras.egress_block;
    }
}

fn class(message: &mut TcMessage<'_>, c: &Class, whole: bool) {
    message.handle = c.id;
    if whole {
        message.parent = c.parent;
        message.kind = Some("htb".into());
        // The level is the kernel's to say.
        message.options = Some(Options::HtbClass(HtbClass { level: 0, ..c.htb }));
    }
}
