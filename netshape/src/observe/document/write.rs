//! A state as the document.

use super::{
    Counted, ObservedAction, ObservedClass, ObservedDevice, ObservedDocument, ObservedFilter,
    ObservedHashKey, ObservedMatch, ObservedQdisc,
};
use crate::netlink::{Counters, ObjectKind, Stats};
use crate::object::Netns;
use crate::object::{
    Class, DevName, Device, Filter, FilterKind, Handle, Qdisc, QdiscKind, TcAction, U32Key,
};
use crate::observe::state::ObservedState;
use crate::tc::{ethertype_name, u32_handle_text};
use alloc::string::ToString;
use alloc::vec::Vec;

impl From<&ObservedState> for ObservedDocument {
    /// Whatever a plan reads of the state. Qdiscs, filters and actions of kinds that a plan never makes are in it by kind alone.
    fn from(state: &ObservedState) -> Self {
        let devices = state.devices().map(|(name, seen)| device(name, seen));
        Self {
            devices: devices.collect(),
        }
    }
}

impl ObservedDocument {
    /// Adds what qdiscs and classes of one namespace have counted, by the numbers of their devices.
    pub fn add_counters(&mut self, netns: &Netns, counters: &Counters) {
        let here =
            |d: &&mut ObservedDevice| d.netns.as_deref() == netns.name() && d.pid == netns.pid();
        for device in self.devices.iter_mut().filter(here) {
            let Some(ifindex) = device.ifindex else {
                continue;
            };
            let counted = |object, handle: &str| {
                let handle: Handle = handle.parse().ok()?;
                counters.get(ifindex, object, handle).map(Counted::from)
            };
            for qdisc in &mut device.qdiscs {
                qdisc.counted = counted(ObjectKind::Qdisc, &qdisc.handle);
            }
            for class in &mut device.classes {
                class.counted = counted(ObjectKind::Class, &class.classid);
            }
        }
    }
}

impl From<&Stats> for Counted {
    fn from(stats: &Stats) -> Self {
        Self {
            sent_bytes: stats.sent_bytes,
            sent_packets: stats.sent_packets,
            drops: stats.drops,
            overlimits: stats.overlimits,
            backlog_bytes: stats.backlog_bytes,
        }
    }
}

fn device(name: &DevName, seen: &Device) -> ObservedDevice {
    ObservedDevice {
        netns: name.netns.name().map(ToString::to_string),
        pid: name.netns.pid(),
        dev: name.dev.to_string(),
        ifindex: seen.ifindex,
        gso_max_size: seen.gso_max_size,
        qdiscs: seen.qdiscs().iter().map(qdisc).collect(),
        classes: seen.classes().iter().map(class).collect(),
        filters: seen.filters().iter().map(filter).collect(),
    }
}

fn qdisc(seen: &Qdisc) -> ObservedQdisc {
    let mut shown = ObservedQdisc {
        kind: seen.kind.name().to_string(),
        handle: seen.handle.to_string(),
        parent: seen.parent.to_string(),
        ..ObservedQdisc::default()
    };
    match &seen.kind {
        QdiscKind::Htb(htb) => {
            shown.default = Some(htb.default);
            shown.r2q = Some(htb.rate2quantum);
            shown.direct_qlen = htb.direct_qlen;
        }
        QdiscKind::Bfifo(limit) => shown.limit_bytes = *limit,
        QdiscKind::Pfifo(limit) => shown.limit_packets = *limit,
        QdiscKind::FqCodel(options) => shown.memory_limit_bytes = options.memory_limit,
        _ => {}
    }
    shown
}

fn class(seen: &Class) -> ObservedClass {
    let (rate, htb) = (seen.htb.rate, &seen.htb);
    let parent = match seen.parent == seen.id.of_qdisc() {
        true => Handle::ROOT,
        false => seen.parent,
    };
    ObservedClass {
        kind: "htb".to_string(),
        classid: seen.id.to_string(),
        parent: parent.to_string(),
        rate_bytes_per_second: rate.bytes_per_second,
        ceil_bytes_per_second: htb.ceil.bytes_per_second,
        buffer_ticks: htb.buffer,
        cbuffer_ticks: htb.cbuffer,
        quantum: htb.quantum,
        prio: htb.prio,
        overhead_bytes: rate.overhead,
        mpu_bytes: rate.mpu,
        counted: None,
    }
}

fn filter(seen: &Filter) -> ObservedFilter {
    let mut shown = ObservedFilter {
        kind: seen.kind.name().to_string(),
        parent: seen.parent.to_string(),
        handle: u32_handle_text(seen.handle),
        prio: seen.prio,
        protocol: Some(ethertype_name(seen.protocol)),
        chain: seen.chain,
        ..ObservedFilter::default()
    };
    if let FilterKind::U32(u32) = &seen.kind {
        shown.flowid = u32.classid().map(|id| id.to_string());
        shown.divisor = u32.divisor();
        shown.actions = u32.actions().iter().map(action).collect();
        let link = u32.link().filter(|table| *table != 0);
        shown.link = link.map(u32_handle_text);
        if let Some(sel) = u32.sel().filter(|_| link.is_some()) {
            shown.hashkey = Some(ObservedHashKey {
                mask: sel.hmask,
                offset_bytes: sel.hoff,
            });
            shown.passed_over_bytes = sel.off;
        }
        let keys: Vec<U32Key> = u32.sel().map(|s| s.keys.clone()).unwrap_or_default();
        // One key of zeros matches every packet, as none does.
        let telling = keys.iter().filter(|k| **k != U32Key::default());
        shown.matches = telling.map(key).collect();
    }
    shown
}

const fn key(key: &U32Key) -> ObservedMatch {
    ObservedMatch {
        value: key.val,
        mask: key.mask,
        offset_bytes: key.off,
        next_header: key.offmask == -1,
    }
}

fn plain(kind: &str) -> ObservedAction {
    ObservedAction {
        kind: kind.to_string(),
        ..ObservedAction::default()
    }
}

fn action(seen: &TcAction) -> ObservedAction {
    match seen {
        TcAction::Mirred(mirred) => ObservedAction {
            kind: "mirred".to_string(),
            action: Some(mirred.name().to_string()),
            to_ifindex: Some(mirred.ifindex),
        },
        TcAction::Gact(_) => plain("gact"),
        TcAction::Other(kind) => plain(kind),
    }
}
