//! Requests about filters, after `cls_api` and `cls_u32`. A dump has three kinds of rows: one for the priority, one for
//! each of its hash tables, one for each filter; so has the model.

use super::{Facts, KernelError};
use crate::device::Device;
use crate::handle::Handle;
use crate::object::{Filter, FilterKind, QdiscKind};
use crate::wire::{CREATE, EXCL, TcMessage, U32, U32Mark, U32Part, Verb, filter_of};
use alloc::boxed::Box;

/// The handle of the first hash table on a qdisc.
const FIRST_TABLE: u32 = 0x8000_0000;
/// First and last number of a filter in its bucket, where none is given.
const FIRST_NODE: u32 = 0x800;
const LAST_NODE: u32 = 0xfff;
/// The priority that is given out first, going down.
const FIRST_PRIO: u16 = 0xc000;

/// Answers one request.
pub(super) fn request(device: &mut Device, m: &TcMessage, facts: Facts) -> Result<(), KernelError> {
    let parent = parent(device, m.parent)?;
    let mut wanted = filter_of(m);
    wanted.parent = parent;
    match m.verb {
        Verb::New => set(device, m, wanted, facts),
        Verb::Del => delete(device, m, &wanted),
        Verb::Get => Ok(()),
    }
}

/// The qdisc or hook that filters are on; root means the root qdisc.
fn parent(device: &Device, given: Handle) -> Result<Handle, KernelError> {
    if given.major() == 0xffff && given != Handle::ROOT {
        let hook = device
            .qdisc_at(Handle::INGRESS)
            .ok_or(KernelError::NoFilterParent)?;
        return match (&hook.kind, given.minor()) {
            (QdiscKind::Ingress, _) => Ok(Handle::INGRESS_QDISC),
            (_, 0xfff2 | 0xfff3) => Ok(given),
            _ => Err(KernelError::Invalid),
        };
    }
    let qdisc = match given {
        Handle::ROOT | Handle::NONE => device.root(),
        handle => device.qdisc(handle.of_qdisc()),
    };
    let qdisc = qdisc
        .filter(|q| !q.handle.is_none())
        .ok_or(KernelError::NoFilterParent)?;
    match (&qdisc.kind, given) {
        (QdiscKind::Htb(_), Handle::ROOT | Handle::NONE) => Ok(qdisc.handle),
        (QdiscKind::Htb(_), handle) if handle.minor() == 0 || device.class(handle).is_some() => {
            Ok(handle)
        }
        _ => Err(KernelError::NotSupported),
    }
}

/// Rows of one parent.
fn rows(device: &Device, parent: Handle) -> impl Iterator<Item = &Filter> {
    device.filters().iter().filter(move |f| f.parent == parent)
}

fn set(
    device: &mut Device,
    m: &TcMessage,
    mut wanted: Filter,
    facts: Facts,
) -> Result<(), KernelError> {
    let FilterKind::U32(given) = wanted.kind.clone() else {
        return Err(KernelError::NotFound);
    };
    if wanted.prio == 0 {
        if m.flags & CREATE == 0 {
            return Err(KernelError::Invalid);
        }
        let least = rows(device, wanted.parent).map(|f| f.prio).min();
        wanted.prio = least.map_or(FIRST_PRIO, |p| p.saturating_sub(1));
    }
    let group = |f: &&Filter| f.chain == wanted.chain && f.prio == wanted.prio;
    let head = rows(device, wanted.parent).find(group).map(|f| f.protocol);
    match head {
        Some(protocol) if protocol != wanted.protocol && wanted.protocol != 0 => {
            return Err(KernelError::ProtocolMismatch);
        }
        Some(protocol) => wanted.protocol = protocol,
        None if m.flags & CREATE == 0 => return Err(KernelError::NotFound),
        None => {}
    }
    let tables = rows(device, wanted.parent)
        .map(|f| f.handle & 0xfff0_0000)
        .filter(|t| *t != 0);
    let used = tables.filter(|t| *t >= FIRST_TABLE).max();
    let table = used.map_or(FIRST_TABLE, |t| t.saturating_add(1 << 20));
    let own = rows(device, wanted.parent)
        .filter(group)
        .find(|f| f.handle >= FIRST_TABLE && f.handle & 0xf_ffff == 0);
    let root = own.map_or(table, |f| f.handle);
    let handle = place(device, &wanted, &given, m.handle.raw(), root)?;
    let old = rows(device, wanted.parent)
        .filter(group)
        .find(|f| f.handle == handle)
        .cloned();
    if old.is_some() && m.flags & EXCL != 0 {
        return Err(KernelError::FilterExists);
    }
    if old.is_none() && m.flags & CREATE == 0 {
        return Err(KernelError::NotFound);
    }
    if head.is_none() {
        let row = |handle, parts| Filter {
            handle,
            kind: FilterKind::U32(Box::new(U32 { parts })),
            ..wanted.clone()
        };
        device.put_filter(row(0, alloc::vec![]));
        device.put_filter(row(root, alloc::vec![U32Part::Divisor(1)]));
    }
    let mut parts = kept(&given, handle, old.as_ref());
    parts.retain(|p| facts.u32_mark || !matches!(p, U32Part::Mark(_)));
    device.put_filter(Filter {
        handle,
        kind: FilterKind::U32(Box::new(U32 { parts })),
        ..wanted
    });
    Ok(())
}

/// The handle that a filter or hash table gets.
fn place(
    device: &Device,
    wanted: &Filter,
    given: &U32,
    handle: u32,
    root: u32,
) -> Result<u32, KernelError> {
    if given.divisor().is_some() {
        if handle & 0xf_ffff != 0 {
            return Err(KernelError::Invalid);
        }
        let taken = |h: u32| rows(device, wanted.parent).any(|f| f.handle == h);
        let free = || (1..0x7ff).map(|i| root + (i << 20)).find(|h| !taken(*h));
        return if handle != 0 {
            Ok(handle)
        } else {
            free().ok_or(KernelError::Invalid)
        };
    }
    let bucket = match given.hash() {
        Some(hash) if hash & 0xfff0_0000 == 0 => root | (hash & 0xf_f000),
        Some(hash) => {
            let table = hash & 0xfff0_0000;
            if table != root && !rows(device, wanted.parent).any(|f| f.handle == table) {
                return Err(KernelError::Invalid);
            }
            hash & 0xffff_f000
        }
        None if handle & 0xffff_f000 != 0 => handle & 0xffff_f000,
        None => root,
    };
    if handle & 0xfff != 0 {
        return Ok(bucket | handle & 0xfff);
    }
    let taken = |h: u32| rows(device, wanted.parent).any(|f| f.handle == h);
    let free = (FIRST_NODE..=LAST_NODE)
        .map(|n| bucket | n)
        .find(|h| !taken(*h));
    free.ok_or(KernelError::Invalid)
}

/// What is kept of a request. The selector of a filter that is there stays as it is, whatever is sent.
fn kept(given: &U32, handle: u32, old: Option<&Filter>) -> alloc::vec::Vec<U32Part> {
    let before = old.and_then(|o| match &o.kind {
        FilterKind::U32(u32) => u32.sel().cloned(),
        FilterKind::Other(_) => None,
    });
    let mut parts = alloc::vec::Vec::new();
    for part in &given.parts {
        match part {
            U32Part::Hash(_) | U32Part::Flags(_) | U32Part::Raw(..) => {}
            U32Part::Sel(sel) => {
                parts.push(U32Part::Sel(before.clone().unwrap_or_else(|| sel.clone())));
            }
            U32Part::Mark(m) => parts.push(U32Part::Mark(U32Mark { success: 0, ..*m })),
            other => parts.push(other.clone()),
        }
    }
    if given.divisor().is_none() {
        parts.push(U32Part::Hash(handle & 0xffff_f000));
    }
    parts
}

fn delete(device: &mut Device, m: &TcMessage, wanted: &Filter) -> Result<(), KernelError> {
    let before = device.filters().len();
    let (prio, handle) = (wanted.prio, m.handle.raw());
    let all = |f: &Filter| f.parent == wanted.parent && f.chain == wanted.chain;
    device.retain_filters(|f| {
        let goes = all(f)
            && (prio == 0 || f.prio == prio)
            && (prio == 0 || handle == 0 || f.handle == handle);
        !goes
    });
    if device.filters().len() == before {
        return Err(KernelError::NotFound);
    }
    // A priority without filters and tables of its own is no more.
    let group = |f: &&Filter| all(f) && f.prio == prio;
    let left = device.filters().iter().filter(group);
    let only_root = left
        .filter(|f| f.handle & 0xfff != 0 || (f.handle != 0 && f.handle < FIRST_TABLE))
        .count()
        == 0;
    if only_root {
        device.retain_filters(|f| !(all(f) && f.prio == prio));
    }
    Ok(())
}
