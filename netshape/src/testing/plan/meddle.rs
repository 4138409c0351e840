//! What others do to devices behind our back.

use super::{World, take, to_class};
use crate::object::{
    Class, Filter, FilterKind, Handle, Htb, Other, Qdisc, QdiscKind, RateSpec, U32, U32Part,
};
use crate::policy::host::layout::MAJOR;
use crate::{DevName, Device, Direction};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;

impl World {
    /// Puts things on the uplink that no plan of ours put there.
    pub(super) fn meddle(&mut self, how: u8, id: u16, parent: u16) {
        if how % 8 == 6 && how >= 0x80 {
            return self.tamper(how >> 1, id ^ parent);
        }
        let name = DevName::host("eth0");
        let Some(mut device) = self.kernel.remove_device(&name) else {
            return;
        };
        let class = Handle::new(MAJOR, id);
        match how % 8 {
            6 if device
                .root()
                .is_some_and(|r| r.handle == Handle::qdisc(MAJOR)) =>
            {
                // A filter to some class, there or not: no class it points at can go before it does.
                let filter = to_class(class, u32::from(how) << 4 | u32::from(parent & 0xf));
                // As the kernel has it: a row for the priority, one for the table, one for the filter.
                for (handle, parts) in [(0, vec![]), (0x8000_0000, vec![U32Part::Divisor(1)])] {
                    let kind = FilterKind::U32(Box::new(U32 { parts }));
                    drop(device.put_filter(Filter {
                        handle,
                        kind,
                        ..filter.clone()
                    }));
                }
                drop(device.put_filter(filter));
            }
            7 if device.class(class).is_some() && !device.has_children(class) => {
                own_tree(&mut device, class, how);
            }
            0 => device.clear(),
            1 => drop(device.put_qdisc(Qdisc::new(
                Handle::qdisc(MAJOR),
                Handle::ROOT,
                QdiscKind::Htb(Htb::with_default_class(id)),
            ))),
            2 if !device.has_children(class) => {
                take_off(&mut device, class);
            }
            3 if device.root().is_some() => {
                hang_below(&mut device, class, Handle::new(MAJOR, parent), how);
            }
            4 if device.class(class).is_some() && !device.has_children(class) => {
                take(&mut device, class);
                drop(device.put_qdisc(Qdisc::new(
                    Handle::qdisc(0x7000 | id),
                    class,
                    QdiscKind::Pfifo(Some(7)),
                )));
            }
            _ => {
                if let Some(found) = device.class(class).copied() {
                    let htb = crate::object::HtbClass {
                        quantum: 9_999,
                        ..found.htb
                    };
                    device.put_class(Class { htb, ..found });
                }
            }
        }
        self.kernel.put_device(name, device);
    }

    /// Puts a root on a container's device, or something on its ingress hook, that no plan of ours put there.
    pub(super) fn foreign(&mut self, how: u8, n: u8, which: u8) {
        let Some(slot) = self.host.slot(&format!("c{n}")) else {
            return;
        };
        let name = match which % 3 {
            0 => self.host.device(slot, Direction::Ingress),
            1 => self.host.device(slot, Direction::Egress),
            _ => Some(DevName::host(&format!("veth{n}"))),
        };
        let Some((name, mut device)) =
            name.and_then(|n| Some((n.clone(), self.kernel.remove_device(&n)?)))
        else {
            return;
        };
        let other = |kind: &str| {
            let (kind, options) = (kind.into(), None);
            QdiscKind::Other(Box::new(Other { kind, options }))
        };
        let mut root = |handle, kind| {
            device.retain(|q| q.parent == Handle::INGRESS, |_| false);
            device.retain_filters(|f| f.parent.major() == 0xffff);
            device.put_qdisc(Qdisc::new(handle, Handle::ROOT, kind));
        };
        match how % 8 {
            0 => root(Handle::NONE, other("noqueue")),
            1 => root(Handle::NONE, other("pfifo_fast")),
            2 => root(Handle::qdisc(0x8001), QdiscKind::Bfifo(Some(9))),
            3 => root(
                Handle::qdisc(5),
                QdiscKind::Htb(Htb::with_default_class(0x10)),
            ),
            4 => root(
                Handle::qdisc(MAJOR),
                QdiscKind::Htb(Htb::with_default_class(7)),
            ),
            5 => root(Handle::qdisc(1), other("pfifo_fast")),
            6 => {
                let kind = if which.is_multiple_of(2) {
                    QdiscKind::Clsact
                } else {
                    QdiscKind::Ingress
                };
                device.retain_filters(|f| f.parent.major() != 0xffff);
                device.put_qdisc(Qdisc::new(Handle::INGRESS_QDISC, Handle::INGRESS, kind));
            }
            _ => {
                device.retain_filters(|f| f.parent.major() != 0xffff);
                device.take_qdisc(Handle::INGRESS);
            }
        }
        self.kernel.put_device(name, device);
    }
}

/// A class below some other that is there, as the kernel would have let it be.
fn hang_below(device: &mut Device, class: Handle, parent: Handle, how: u8) {
    let below = device
        .class(parent)
        .filter(|p| p.id != class && depth(device, p) < 6);
    let parent = below.map_or(Handle::qdisc(MAJOR), |p| p.id);
    if device.class(class).is_none() {
        take(device, parent);
        raise(device, parent);
        let rate = RateSpec::plain(u64::from(how) * 1_000 + 1).dumped();
        let htb = crate::object::HtbClass {
            rate,
            ceil: rate,
            quantum: 1_514,
            ..Default::default()
        };
        device.put_class(Class {
            id: class,
            parent,
            htb,
        });
    }
}

/// A tree of its own below a leaf.
fn own_tree(device: &mut Device, class: Handle, how: u8) {
    let own = Handle::qdisc(0x6000 | class.minor());
    let htb = QdiscKind::Htb(Htb {
        direct_qlen: Some(1_000),
        ..Htb::with_default_class(1)
    });
    take(device, class);
    device.put_qdisc(Qdisc::new(own, class, htb));
    let rate = RateSpec::plain(u64::from(how) * 1_000 + 1).dumped();
    let htb = crate::object::HtbClass {
        rate,
        ceil: rate,
        quantum: 1_514,
        ..Default::default()
    };
    let id = Handle::new(own.major(), 1);
    device.put_class(Class {
        id,
        parent: own,
        htb,
    });
}

/// A class goes with its leaf.
fn take_off(device: &mut Device, class: Handle) {
    take(device, class);
    let above = device.take_class(class).map_or(class, |c| c.parent);
    // A class without children is a leaf again.
    if let Some(parent) = device.class(above).copied()
        && !device.has_children(above)
    {
        let htb = crate::object::HtbClass {
            level: 0,
            ..parent.htb
        };
        device.put_class(Class { htb, ..parent });
    }
}

/// The kernel gives a leaf that gets its first child a level: one less than its parent's, 7 at the top.
fn raise(device: &mut Device, class: Handle) {
    let Some(leaf) = device.class(class).copied().filter(|c| c.htb.level == 0) else {
        return;
    };
    let above = device.class(leaf.parent).map_or(8, |p| p.htb.level);
    let htb = crate::object::HtbClass {
        level: above.saturating_sub(1),
        ..leaf.htb
    };
    device.put_class(Class { htb, ..leaf });
}

fn depth(device: &Device, class: &Class) -> u32 {
    let (mut at, mut depth) = (class.parent, 0);
    while let Some(parent) = device.class(at).filter(|_| depth < 64) {
        (at, depth) = (parent.parent, depth + 1);
    }
    depth
}
