//! Messages as objects of a device.

use super::message::{Options, TcMessage};
use crate::object::{Extras, Filter, FilterKind, Htb, Other, Qdisc, QdiscKind};
use alloc::boxed::Box;

/// A qdisc of a request or dump.
#[must_use]
pub(crate) fn qdisc_of(message: &TcMessage<'_>) -> Qdisc {
    let name = message.kind.as_deref().unwrap_or("");
    let kind = match (name, &message.options) {
        // What was counted is no part of what is there.
        ("htb", Some(Options::Htb(htb))) => QdiscKind::Htb(Htb {
            direct_packets: 0,
            ..*htb
        }),
        ("htb", None) => QdiscKind::Htb(Htb::with_default_class(0)),
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
                Some(Options::Raw(bytes)) => Some(bytes.to_vec()),
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
pub(crate) fn filter_of(message: &TcMessage<'_>) -> Filter {
    let kind = match &message.options {
        Some(Options::U32(u32)) => FilterKind::U32(u32.clone()),
        None if message.kind.as_deref() == Some("u32") => FilterKind::U32(Box::default()),
        _ => FilterKind::Other(message.kind.as_deref().unwrap_or_default().into()),
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
