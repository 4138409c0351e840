//! Requests about filters, after `cls_api` and `cls_u32`. A dump has three kinds of rows: one for the priority, one for
//! each of its hash tables, one for each filter; so has the model.

use super::error::KernelError;
use super::properties::DeviceProperties;
use crate::netlink::{CREATE, EXCL, TcMessage, Verb, filter_of};
use crate::object::{Device, Filter, FilterKind, Handle, QdiscKind, U32, U32Mark, U32Part};
use alloc::boxed::Box;

/// The handle of the first hash table on a qdisc.
const FIRST_TABLE: u32 = 0x8000_0000;
/// First and last number of a filter in its bucket, where none is given.
const FIRST_NODE: u32 = 0x800;
const LAST_NODE: u32 = 0xfff;
/// The priority that is given out first, going down.
const FIRST_PRIO: u16 = 0xc000;

/// Answers one request.
pub(super) fn request(
    device: &mut Device,
    m: &TcMessage<'_>,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
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
            (_, 0) => Err(KernelError::Invalid),
            _ => Err(KernelError::NoFilterClass),
        };
    }
    let at_root = matches!(given, Handle::ROOT | Handle::NONE);
    let qdisc = match at_root {
        // A device without a root of its own has a default one, which has no classes.
        true => device.root().ok_or(KernelError::NotClassful)?,
        false => device
            .qdisc(given.of_qdisc())
            .ok_or(KernelError::NoFilterParent)?,
    };
    let there = |h: Handle| h.minor() == 0 || device.class(h).is_some();
    match &qdisc.kind {
        QdiscKind::Htb(_) | QdiscKind::FqCodel(_) if at_root => Ok(qdisc.handle),
        QdiscKind::Htb(_) | QdiscKind::FqCodel(_) if there(given) => Ok(given),
        QdiscKind::Htb(_) | QdiscKind::FqCodel(_) => Err(KernelError::NoFilterClass),
        QdiscKind::Tbf(_) | QdiscKind::Mq => Err(KernelError::NoBlocks),
        _ => Err(KernelError::NotClassful),
    }
}

/// Rows of one parent.
fn rows(device: &Device, parent: Handle) -> impl Iterator<Item = &Filter> {
    device.filters().iter().filter(move |f| f.parent == parent)
}

fn set(
    device: &mut Device,
    m: &TcMessage<'_>,
    mut wanted: Filter,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
    let FilterKind::U32(given) = wanted.kind.clone() else {
        return Err(KernelError::NotFound);
    };
    let head = settle_priority(device, m, &mut wanted)?;
    let (chain, prio) = (wanted.chain, wanted.prio);
    let group = move |f: &&Filter| f.chain == chain && f.prio == prio;
    let tables = rows(device, wanted.parent)
        .map(|f| f.handle & 0xfff0_0000)
        .filter(|t| *t != 0);
    let used = tables.filter(|t| *t >= FIRST_TABLE).max();
    let table = used.map_or(FIRST_TABLE, |t| t.saturating_add(1 << 20));
    let own = rows(device, wanted.parent)
        .filter(group)
        .find(|f| f.handle >= FIRST_TABLE && f.handle & 0xf_ffff == 0);
    let root = own.map_or(table, |f| f.handle);
    if m.options.is_none() {
        // Only the priority with its table is made.
        if m.handle.raw() != 0 {
            return Err(KernelError::Invalid);
        }
        return head.map_or_else(
            || {
                make_head(device, &wanted, root);
                Ok(())
            },
            |_| Ok(()),
        );
    }
    linked(device, &wanted, &given)?;
    let handle = place(device, &wanted, &given, m.handle.raw(), root)?;
    let old = rows(device, wanted.parent)
        .filter(group)
        .find(|f| f.handle == handle)
        .cloned();
    if old.is_some() && m.flags & EXCL != 0 {
        return Err(KernelError::FilterExists);
    }
    if old.is_none() && m.flags & CREATE == 0 {
        return Err(KernelError::NeedsCreateFilter);
    }
    if head.is_none() {
        make_head(device, &wanted, root);
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

/// Gives the filter its priority, where it has none, and the protocol of that. The protocol of the priority, if it is there already.
fn settle_priority(
    device: &Device,
    m: &TcMessage<'_>,
    wanted: &mut Filter,
) -> Result<Option<u16>, KernelError> {
    if wanted.prio == 0 {
        if m.flags & CREATE == 0 {
            return Err(KernelError::Invalid);
        }
        // One below the least of those that were given out, which lie in the upper half.
        let given_out = rows(device, wanted.parent)
            .map(|f| f.prio)
            .filter(|p| *p >= 0x8000);
        wanted.prio = given_out.min().map_or(FIRST_PRIO, |p| p.saturating_sub(1));
    }
    let group = |f: &&Filter| f.chain == wanted.chain && f.prio == wanted.prio;
    let head = rows(device, wanted.parent).find(group).map(|f| f.protocol);
    match head {
        Some(protocol) if protocol != wanted.protocol && wanted.protocol != 0 => {
            return Err(KernelError::ProtocolMismatch);
        }
        Some(protocol) => wanted.protocol = protocol,
        None if m.flags & CREATE == 0 => return Err(KernelError::NeedsCreateFilter),
        None => {}
    }
    Ok(head)
}

/// The rows of a new priority and of its first hash table.
fn make_head(device: &mut Device, wanted: &Filter, root: u32) {
    let row = |handle, parts| Filter {
        handle,
        kind: FilterKind::U32(Box::new(U32 { parts })),
        ..wanted.clone()
    };
    device.put_filter(row(0, alloc::vec![]));
    device.put_filter(row(root, alloc::vec![U32Part::Divisor(1)]));
}

/// Whether what a filter needs is there: a selector, and the table it links to.
fn linked(device: &Device, wanted: &Filter, given: &U32) -> Result<(), KernelError> {
    if given.divisor().is_some() {
        return Ok(());
    }
    if given.sel().is_none() {
        return Err(KernelError::NoSelector);
    }
    match given.link() {
        Some(link) if link != 0 && !rows(device, wanted.parent).any(|f| f.handle == link) => {
            Err(KernelError::NoLink)
        }
        _ => Ok(()),
    }
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
                return Err(KernelError::NoTable);
            }
            hash & 0xffff_f000
        }
        None => root,
    };
    if handle >> 20 != 0 && (handle ^ bucket) >> 20 != 0 {
        return Err(KernelError::OtherTable);
    }
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

/// Takes off one filter or table, a whole priority where no handle is said, or a whole chain where no priority is.
fn delete(device: &mut Device, m: &TcMessage<'_>, wanted: &Filter) -> Result<(), KernelError> {
    let (prio, handle) = (wanted.prio, m.handle.raw());
    let chain = |f: &Filter| f.parent == wanted.parent && f.chain == wanted.chain;
    let group = |f: &Filter| chain(f) && f.prio == prio;
    if prio == 0 {
        if wanted.protocol != 0 || handle != 0 || m.kind.is_some() {
            return Err(KernelError::FlushWhole);
        }
        device.retain_filters(|f| !chain(f));
        return Ok(());
    }
    if !device.filters().iter().any(chain) {
        return Err(KernelError::NoChain);
    }
    let head = device.filters().iter().find(|f| group(f));
    let head = head.ok_or(KernelError::NoFilterPrio)?;
    if wanted.protocol != 0 && head.protocol != wanted.protocol {
        return Err(KernelError::ProtocolMismatch);
    }
    if m.kind.as_deref().is_some_and(|k| k != head.kind.name()) {
        return Err(KernelError::FilterKind);
    }
    if handle == 0 {
        device.retain_filters(|f| !group(f));
        return Ok(());
    }
    let node = |f: &&Filter| group(f) && f.handle == handle;
    if !device.filters().iter().any(|f| node(&f)) {
        return Err(KernelError::NoFilterHandle);
    }
    if handle & 0xf_ffff == 0 {
        let linked = |f: &Filter| matches!(&f.kind, FilterKind::U32(u) if u.link() == Some(handle));
        if handle >= FIRST_TABLE {
            return Err(KernelError::RootTable);
        }
        if rows(device, wanted.parent).any(linked) {
            return Err(KernelError::FilterInUse);
        }
        // What is in a table goes with it.
        device.retain_filters(|f| !(group(f) && f.handle & 0xfff0_0000 == handle));
    } else {
        device.retain_filters(|f| !node(&f));
    }
    // Emptied one by one, a priority goes only where no other u32 priority shares its tables.
    let u32s = |f: &&Filter| matches!(f.kind, FilterKind::U32(_));
    let left = device
        .filters()
        .iter()
        .filter(|f| f.parent == wanted.parent);
    let gone = left.filter(u32s).all(|f| group(f) && f.handle & 0xfff == 0);
    if gone {
        device.retain_filters(|f| !group(f));
    }
    Ok(())
}
