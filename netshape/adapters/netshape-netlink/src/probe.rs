//! What this kernel can do, found by trying.

use crate::error::Error;
use crate::links::create_ifb;
use crate::netns::Visitor;
use crate::socket::{Connection, Unanswered};
use netshape::netlink::{ACK, CREATE, EXCL, ObjectKind, REQUEST, TcMessage, Verb};
use netshape::object::Handle;
use netshape::tc::{IfIndexes, TickRounding, parse_line};
use netshape::{Capabilities, Netns};
use std::collections::BTreeSet;
use std::io;

/// Kinds of qdiscs that are asked for.
const QDISCS: [&str; 9] = [
    "htb", "tbf", "bfifo", "pfifo", "fq_codel", "fq", "prio", "ingress", "clsact",
];
/// Kinds of filters that are asked for.
const FILTERS: [&str; 6] = ["u32", "flower", "matchall", "bpf", "fw", "cgroup"];
/// The only device of a new namespace, whose number is 1.
const LO: i32 = 1;

/// What a kernel can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probed {
    /// Kinds of qdiscs: of htb, tbf, bfifo, pfifo, `fq_codel`, fq, prio, ingress and clsact those that there are.
    pub qdiscs: BTreeSet<&'static str>,
    /// Kinds of filters: of u32, flower, matchall, bpf, fw and cgroup those that there are.
    pub filters: BTreeSet<&'static str>,
    /// Whether a u32 filter may redirect (the action mirred).
    pub mirred: bool,
    /// Whether ifb devices can be made.
    pub ifb: bool,
}

impl Probed {
    /// What a plan asks for, the rest by default. Bursts are rounded as iproute2 from 6.15 on does: no tc is in between.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let rounded = Capabilities::default().with_tick_rounding(TickRounding::Ceil);
        rounded.with_fq_codel(self.qdiscs.contains("fq_codel"))
    }

    /// What is needed to shape at all and is not there, in tc's words.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let queues = ["htb", "bfifo"]
            .into_iter()
            .filter(|k| !self.qdiscs.contains(k));
        queues.collect()
    }

    /// What is needed to shape a container's egress by an ifb and is not there, in tc's words.
    #[must_use]
    pub fn missing_for_ifb(&self) -> Vec<&'static str> {
        let mut missing = self.missing();
        missing.extend((!self.qdiscs.contains("ingress")).then_some("ingress"));
        missing.extend((!self.filters.contains("u32")).then_some("u32"));
        missing.extend((!self.mirred).then_some("mirred"));
        missing.extend((!self.ifb).then_some("ifb"));
        missing
    }
}

pub(crate) fn probe(visitor: &mut Visitor) -> Result<Probed, Error> {
    let mut connection = visitor.scratch()?;
    tried(&mut connection).map_err(|source| Error::Socket {
        netns: Netns::Host,
        source,
    })
}

fn tried(connection: &mut Connection) -> io::Result<Probed> {
    let mut probed = Probed {
        ifb: there(create_ifb(connection, "probe"))?,
        ..Probed::default()
    };
    for kind in QDISCS {
        if there(ask(connection, &qdisc(kind)))? {
            probed.qdiscs.insert(kind);
        }
        // Whatever was made makes room for the next.
        for mut undo in [qdisc("htb"), qdisc("ingress")] {
            // A deletion's flags mean other things: `NLM_F_EXCL` is `NLM_F_BULK` there.
            (undo.verb, undo.kind, undo.flags) = (Verb::Del, None, REQUEST | ACK);
            there(ask(connection, &undo))?;
        }
    }
    there(ask(connection, &qdisc("ingress")))?;
    for kind in FILTERS {
        let mut filter =
            TcMessage::new(ObjectKind::Filter, Verb::New, REQUEST | ACK | CREATE | EXCL);
        (filter.ifindex, filter.parent) = (LO, Handle::INGRESS_QDISC);
        // Priority 9, all protocols (`ETH_P_ALL`, in network order).
        filter.info = 9 << 16 | 0x0300;
        filter.kind = Some(kind.into());
        if there(ask(connection, &filter))? {
            probed.filters.insert(kind);
        }
    }
    let redirect = "filter add dev lo parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev lo";
    let devices = IfIndexes::from([("lo".to_owned(), LO.unsigned_abs())]);
    if let Ok(Some(message)) = parse_line(redirect, TickRounding::Ceil, &devices) {
        probed.mirred = matches!(ask(connection, &message), Ok(()));
    }
    Ok(probed)
}

fn qdisc(kind: &'static str) -> TcMessage<'static> {
    let mut message = TcMessage::new(ObjectKind::Qdisc, Verb::New, REQUEST | ACK | CREATE | EXCL);
    message.ifindex = LO;
    message.kind = Some(kind.into());
    (message.handle, message.parent) = match kind {
        "ingress" | "clsact" => (Handle::INGRESS_QDISC, Handle::INGRESS),
        _ => (Handle::qdisc(1), Handle::ROOT),
    };
    message
}

fn ask(connection: &mut Connection, message: &TcMessage<'static>) -> Result<(), Unanswered> {
    let mut message = message.clone();
    message.seq = connection.next_sequence();
    connection.request(&message.to_bytes(), message.seq)
}

/// Whether a kind is known: a kernel that lacks it says `ENOENT` (or `EOPNOTSUPP` of a kind of devices), one that has it may say anything
/// else about options that are missing.
fn there(answer: Result<(), Unanswered>) -> io::Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(Unanswered::Refused { errno, .. }) => {
            Ok(errno != nix::libc::ENOENT && errno != nix::libc::EOPNOTSUPP)
        }
        Err(Unanswered::Socket(error)) => Err(error),
    }
}
