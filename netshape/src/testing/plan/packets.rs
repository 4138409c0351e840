//! Packets through the filters of an uplink, as `u32_classify` takes them.

use super::{BOTH, World};
use crate::object::{Device, Filter, FilterKind, Handle, U32, U32Part};
use crate::policy::host::layout::MAJOR;
use crate::{DevName, Direction};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Where a VLAN tag is.
#[derive(Clone, Copy, Debug)]
enum Tag {
    None,
    Beside,
    Within,
}

/// The first bytes behind the network header, and the protocol that filters are asked for.
fn packet(address: IpAddr, direction: Direction, tag: Tag) -> (u16, Vec<u8>) {
    let mut bytes = vec![0_u8; 48];
    let (ethertype, at, octets) = match address {
        IpAddr::V4(v4) => (0x0800_u16, [12, 16], v4.octets().to_vec()),
        IpAddr::V6(v6) => (0x86dd, [8, 24], v6.octets().to_vec()),
    };
    let at = at[usize::from(direction == Direction::Ingress)];
    bytes[0] = if address.is_ipv4() { 0x45 } else { 0x60 };
    bytes[at..at + octets.len()].copy_from_slice(&octets);
    match tag {
        Tag::None => (ethertype, bytes),
        Tag::Beside => (0x8100, bytes),
        Tag::Within => {
            let [a, b] = ethertype.to_be_bytes();
            (0x8100, [vec![0x20, 7, a, b], bytes].concat())
        }
    }
}

fn word(bytes: &[u8], at: i64) -> u32 {
    let at = usize::try_from(at).ok();
    let four = at.and_then(|at| bytes.get(at..)?.first_chunk::<4>());
    four.map_or(0, |w| u32::from_be_bytes(*w))
}

/// What a bucket says of a packet: filters in their order, what they lead to before what follows.
fn walk(rows: &[&Filter], bucket: u32, bytes: &[u8], from: i64, depth: u8) -> Option<Handle> {
    let within = |f: &&&Filter| f.handle & 0xffff_f000 == bucket && f.handle & 0xfff != 0;
    for row in rows.iter().filter(within) {
        let FilterKind::U32(u32) = &row.kind else {
            continue;
        };
        let sel = u32.sel()?;
        let mut keys = sel.keys.iter();
        if !keys.all(|k| word(bytes, from + i64::from(k.off)) & k.mask == k.val) {
            continue;
        }
        let Some(link) = u32.link().filter(|l| *l != 0) else {
            match u32.classid() {
                Some(class) => return Some(class),
                None => continue,
            }
        };
        let key = word(bytes, from + i64::from(sel.hoff)) & sel.hmask;
        let hash = key.checked_shr(sel.hmask.trailing_zeros()).unwrap_or(0) & 0xff;
        let eaten = if sel.flags & 8 != 0 {
            i64::from(sel.off)
        } else {
            0
        };
        assert!(depth < 8, "tables lead in a cycle");
        let found = walk(rows, link | hash << 12, bytes, from + eaten, depth + 1);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The class that a packet comes into by the filters of the root; none: the root's default.
fn class_of(device: &Device, (protocol, bytes): &(u16, Vec<u8>)) -> Option<Handle> {
    let root = Handle::qdisc(MAJOR);
    let rows: Vec<&Filter> = device
        .filters()
        .iter()
        .filter(|f| f.parent == root)
        .collect();
    let mut heads: Vec<&Filter> = rows
        .iter()
        .copied()
        .filter(|f| f.handle >= 1 << 31 && f.handle & 0xf_ffff == 0)
        .collect();
    heads.sort_by_key(|f| f.prio);
    let heads = heads
        .iter()
        .filter(|f| f.protocol == 3 || f.protocol == *protocol);
    heads
        .into_iter()
        .find_map(|head| walk(&rows, head.handle, bytes, 0, 0))
}

impl World {
    /// Packets of every container come into its class, in both directions and with tags; what has another address does not.
    pub(super) fn check_packets(&self, name: &DevName) {
        {
            let direction = self.host.uplink_direction(name);
            let (Some(direction), Some(device)) = (direction, self.kernel.device(name)) else {
                return;
            };
            let foreign = |class: Option<Handle>| {
                let ours = |c: &Handle| self.host.by_minor.get(c.minor()).is_some();
                // Somebody's own filter behind ours may send it anywhere.
                let others = device.filters().iter().any(|f| f.prio > 3);
                assert!(others || !class.is_some_and(|c| ours(&c)), "{class:?}");
            };
            for (slot, container) in self.host.containers() {
                let wanted = self.host.class_of(slot);
                let wanted = wanted.filter(|_| container.shape(direction).is_some());
                for (address, tag) in container
                    .addresses
                    .iter()
                    .flat_map(|a| [Tag::None, Tag::Beside, Tag::Within].map(|t| (*a, t)))
                {
                    let found = class_of(device, &packet(address, direction, tag));
                    match wanted {
                        Some(_) => assert_eq!(
                            found,
                            wanted,
                            "{address} {direction:?} {tag:?}\n{:#?}",
                            said(device)
                        ),
                        None => foreign(found),
                    }
                    let other = match address {
                        IpAddr::V4(v4) => {
                            let [_, b, c, d] = v4.octets();
                            IpAddr::from([99, b, c, d])
                        }
                        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() ^ 1 << 100).to_be_bytes()),
                    };
                    foreign(class_of(device, &packet(other, direction, tag)));
                }
            }
        }
    }

    /// Somebody tampers with our filters on the uplink.
    pub(super) fn tamper(&mut self, how: u8, id: u16) {
        let direction = BOTH[usize::from(how & 1)];
        let Some(name) = self.host.uplink_place(direction) else {
            return;
        };
        let Some(mut device) = self.kernel.remove_device(&name) else {
            return;
        };
        let root = Handle::qdisc(MAJOR);
        let prio = u16::from(how >> 1 & 3);
        let ours = |f: &Filter| f.parent == root && f.prio == prio;
        match how >> 3 & 7 {
            // A whole priority goes, its tables with it.
            0 => device.retain_filters(|f| !ours(f)),
            1 => {
                let mut n = 0;
                device.retain_filters(|f| {
                    n += u16::from(f.parent == root && f.handle & 0xfff != 0);
                    f.parent != root || f.handle & 0xfff == 0 || n % 3 != id % 3
                });
            }
            2 | 3 => {
                let rows = device
                    .filters()
                    .iter()
                    .filter(|f| ours(f) && f.handle & 0xfff != 0);
                let found = rows.clone().nth(usize::from(id % 5)).cloned();
                if let Some(mut row) = found
                    && let FilterKind::U32(u32) = &mut row.kind
                {
                    let there = device.classes().first().map(|c| c.id);
                    spoil(u32, there.unwrap_or(root), how);
                    device.put_filter(row);
                }
            }
            _ if device.root().is_some_and(|r| r.handle == root) => in_front(&mut device, prio, id),
            _ => {}
        }
        self.kernel.put_device(name, device);
    }
}

/// The filters of a device's root, a line each.
fn said(device: &Device) -> Vec<alloc::string::String> {
    let line = |f: &Filter| {
        let handle = crate::tc::u32_handle_text(f.handle);
        alloc::format!("{} {:x} {handle} {:?}", f.prio, f.protocol, f.kind)
    };
    device.filters().iter().map(line).collect()
}

/// Another class, or another match.
fn spoil(u32: &mut U32, class: Handle, how: u8) {
    for part in &mut u32.parts {
        match part {
            U32Part::ClassId(id) if how & 8 == 0 => *id = class,
            U32Part::Sel(sel) if how & 8 != 0 => {
                if let Some(key) = sel.keys.last_mut() {
                    key.off += 4;
                }
            }
            _ => {}
        }
    }
}

/// A filter of all protocols where ours have to be.
fn in_front(device: &mut Device, prio: u16, id: u16) {
    let root = Handle::qdisc(MAJOR);
    let taken = |f: &Filter| f.parent == root && f.prio == prio.max(1);
    let Some(class) = device.classes().first().map(|c| c.id) else {
        return;
    };
    if device.filters().iter().any(taken) {
        return;
    }
    let tables = device
        .filters()
        .iter()
        .filter(|f| f.parent == root && f.handle >= 1 << 31);
    let last = tables.map(|f| f.handle & 0xfff0_0000).max();
    let table = last.map_or(1 << 31, |l| l + (1 << 20));
    let row = |handle, parts| Filter {
        parent: root,
        chain: 0,
        prio: prio.max(1),
        protocol: 3,
        handle,
        kind: FilterKind::U32(Box::new(U32 { parts })),
    };
    let sel = crate::object::U32Sel {
        flags: 1,
        keys: vec![crate::object::U32Key::default()],
        ..Default::default()
    };
    let to = vec![
        U32Part::ClassId(class),
        U32Part::Hash(table),
        U32Part::Sel(sel),
    ];
    device.put_filter(row(0, vec![]));
    device.put_filter(row(table, vec![U32Part::Divisor(1)]));
    if !id.is_multiple_of(4) {
        device.put_filter(row(table | 0x800 | u32::from(id & 0xff), to));
    }
}

/// The addresses of a container: of one family or both, some alike in the bytes that tables are looked up by.
pub(super) fn addresses(n: u8) -> Vec<IpAddr> {
    let v4 = IpAddr::from([10, n >> 4, n % 3, n & 7]);
    let v6 = IpAddr::from([0xfd00, 0, 0, u16::from(n), 0, 0, 0, u16::from(n % 2)]);
    match n % 4 {
        0 => vec![v4],
        1 => vec![v6],
        _ => vec![v4, v6],
    }
}

/// Whether the table that a filter leads to is there, if it leads to one.
pub(super) fn leads_somewhere(filter: &Filter, device: &Device) -> bool {
    let link = match &filter.kind {
        FilterKind::U32(u32) => u32.link().unwrap_or(0),
        FilterKind::Other(_) => 0,
    };
    link == 0 || device.filters().iter().any(|f| f.handle == link)
}
