//! Requests about classes, after `tc_ctl_tclass` and `sch_htb`.

use super::error::KernelError;
use super::qdisc;
use crate::netlink::{CREATE, EXCL, Options, TcMessage, Verb};
use crate::object::FilterKind;
use crate::object::{Class, Device, Handle, Htb, HtbClass, QdiscKind};

/// `TC_HTB_MAXDEPTH`.
const LEVELS: u32 = 8;
/// `TC_HTB_NUMPRIO`.
const PRIOS: u32 = 8;

/// Answers one request.
pub(super) fn request(device: &mut Device, m: &TcMessage<'_>) -> Result<(), KernelError> {
    let root = device.root().map_or(Handle::NONE, |q| q.handle);
    let (major, parent_major) = (m.handle.major(), m.parent.major());
    let named = m.parent != Handle::ROOT && parent_major != 0;
    if named && major != 0 && major != parent_major {
        return Err(KernelError::Invalid);
    }
    let major = match (major, named) {
        (0, true) => parent_major,
        (0, false) => root.major(),
        (major, _) => major,
    };
    let owner = device
        .qdisc(Handle::qdisc(major))
        .ok_or(KernelError::NotFound)?;
    let htb = match owner.kind {
        QdiscKind::Htb(htb) => htb,
        // A token bucket has one class, which every number finds and nothing changes.
        QdiscKind::Tbf(_) if m.verb == Verb::New && m.flags & EXCL != 0 => {
            return Err(KernelError::ClassExists);
        }
        QdiscKind::Bfifo(_) | QdiscKind::Pfifo(_) => return Err(KernelError::Invalid),
        _ => return Err(KernelError::NotSupported),
    };
    let id = Handle::new(major, m.handle.minor());
    let parent = match m.parent {
        Handle::ROOT | Handle::NONE => Handle::qdisc(major),
        parent => Handle::new(major, parent.minor()),
    };
    let old = device.class(id).copied();
    match (m.verb, old) {
        (Verb::New, None) if m.flags & CREATE == 0 => Err(KernelError::NotFound),
        (Verb::New, Some(_)) if m.flags & EXCL != 0 => Err(KernelError::ClassExists),
        (Verb::New, old) => set(device, m, htb, id, parent, old),
        (Verb::Del, None) => Err(KernelError::NotFound),
        (Verb::Del, Some(_)) => delete(device, id),
        (Verb::Get, _) => Ok(()),
    }
}

fn set(
    device: &mut Device,
    m: &TcMessage<'_>,
    root: Htb,
    id: Handle,
    parent: Handle,
    old: Option<Class>,
) -> Result<(), KernelError> {
    let Some(Options::HtbClass(given)) = &m.options else {
        return Err(KernelError::Invalid);
    };
    if given.rate.bytes_per_second == 0 || given.ceil.bytes_per_second == 0 || id.minor() == 0 {
        return Err(KernelError::Invalid);
    }
    // Another parent than the one it has is taken without a word, and the old one stays; one that is not there makes
    // a root class.
    let parent = match old {
        Some(old) => old.parent,
        None => device.class(parent).map_or(id.of_qdisc(), |p| p.id),
    };
    let inner = device.has_children(id);
    let kept = old.filter(|_| inner).map(|o| (o.htb.quantum, o.htb.prio));
    let (quantum, prio) = kept.unwrap_or_else(|| (quantum(given, root), given.prio.min(PRIOS - 1)));
    let htb = HtbClass {
        rate: given.rate.dumped(),
        ceil: given.ceil.dumped(),
        quantum,
        prio,
        level: old.map_or(0, |o| o.htb.level),
        ..*given
    };
    if old.is_none() {
        become_inner(device, parent)?;
    }
    device.put_class(Class { id, parent, htb });
    Ok(())
}

/// What a class may send in its turn: as given, or by rate, kept between 1000 and 200000.
fn quantum(given: &HtbClass, root: Htb) -> u32 {
    if given.quantum != 0 {
        return given.quantum;
    }
    let quantum = given.rate.bytes_per_second / u64::from(root.rate2quantum.max(1));
    u32::try_from(quantum.clamp(1_000, 200_000)).unwrap_or(200_000)
}

/// A leaf that gets its first child loses its qdisc with what waits in it, and gets a level.
fn become_inner(device: &mut Device, parent: Handle) -> Result<(), KernelError> {
    let Some(class) = device.class(parent).copied() else {
        return Ok(());
    };
    let above = device.class(class.parent).map_or(LEVELS, |p| p.htb.level);
    if device.class(class.parent).is_some() && above < 2 {
        return Err(KernelError::TooDeep);
    }
    if class.htb.level == 0 {
        if let Some(leaf) = device.take_qdisc(parent) {
            qdisc::uproot(device, leaf.handle);
        }
        let htb = HtbClass {
            level: above.saturating_sub(1),
            ..class.htb
        };
        device.put_class(Class { htb, ..class });
    }
    Ok(())
}

fn delete(device: &mut Device, id: Handle) -> Result<(), KernelError> {
    if device.has_children(id) || pointed_at(device, id) {
        return Err(KernelError::ClassInUse);
    }
    if let Some(leaf) = device.take_qdisc(id) {
        qdisc::uproot(device, leaf.handle);
    }
    let Some(class) = device.take_class(id) else {
        return Ok(());
    };
    // The last child's going makes its parent a leaf again.
    if let Some(parent) = device.class(class.parent).copied()
        && !device.has_children(parent.id)
    {
        let htb = HtbClass {
            level: 0,
            ..parent.htb
        };
        device.put_class(Class { htb, ..parent });
    }
    Ok(())
}

/// Whether a filter on the class's qdisc points at it.
pub(super) fn pointed_at(device: &Device, class: Handle) -> bool {
    device.filters().iter().any(|f| match &f.kind {
        FilterKind::U32(u32) => u32.classid() == Some(class),
        FilterKind::Other(_) => false,
    })
}
