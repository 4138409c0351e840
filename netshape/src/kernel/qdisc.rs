//! Requests about qdiscs, after `net/sched/sch_api.c`.

use super::error::KernelError;
use super::properties::DeviceProperties;
use crate::netlink::{CREATE, EXCL, REPLACE, TcMessage, Verb, qdisc_of};
use crate::object::{Device, Handle, Qdisc, QdiscKind, RateSpec, Tbf};

/// First major that the kernel gives out by itself.
const AUTO: u16 = 0x8001;
/// `HTB`'s parent of a qdisc may be a leaf class only.
const NS_PER_SECOND: u64 = 1_000_000_000;

/// Answers one request.
pub(super) fn request(
    device: &mut Device,
    m: &TcMessage<'_>,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
    match m.verb {
        Verb::New => modify(device, m, facts),
        Verb::Del => delete(device, m, facts),
        Verb::Get => Ok(()),
    }
}

/// Whether a class of some qdisc stands at `parent`; that qdisc must be there.
fn class_exists(
    device: &Device,
    parent: Handle,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
    let owner = device
        .qdisc(parent.of_qdisc())
        .ok_or(KernelError::NoParentQdisc)?;
    let there = match owner.kind {
        QdiscKind::Htb(_) => device.class(parent).is_some(),
        QdiscKind::Mq => (1..=facts.tx_queues).contains(&parent.minor()),
        // A token bucket has one class, and takes any number for it.
        QdiscKind::Tbf(_) => true,
        QdiscKind::Bfifo(_) | QdiscKind::Pfifo(_) => return Err(KernelError::ParentNotClassful),
        _ => false,
    };
    if there {
        Ok(())
    } else {
        Err(KernelError::NoParentClass)
    }
}

fn special(parent: Handle) -> bool {
    matches!(parent, Handle::ROOT | Handle::INGRESS)
}

fn modify(
    device: &mut Device,
    m: &TcMessage<'_>,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
    let name = m.kind.as_deref();
    if m.parent.is_none() {
        let old = device
            .qdisc(m.handle)
            .cloned()
            .ok_or(KernelError::NotFound)?;
        return change(device, &old, m);
    }
    if !special(m.parent) {
        class_exists(device, m.parent, facts)?;
    }
    let there = device
        .qdisc_at(m.parent)
        .filter(|q| !q.handle.is_none())
        .cloned();
    let same = there
        .as_ref()
        .filter(|q| !m.handle.is_none() && q.handle == m.handle);
    if let Some(old) = same {
        return change(device, &old.clone(), m);
    }
    if m.handle.is_none() {
        let Some(old) = there else {
            return create(device, m, facts);
        };
        let both = m.flags & (CREATE | REPLACE) == CREATE | REPLACE;
        let differs = name.is_some_and(|n| n != old.kind.name());
        if both && (m.flags & EXCL != 0 || differs) {
            return create(device, m, facts);
        }
        return change(device, &old, m);
    }
    if there.is_some() && m.flags & REPLACE == 0 {
        return Err(KernelError::NeedsReplace);
    }
    if m.handle.minor() != 0 {
        return Err(KernelError::Invalid);
    }
    match device.qdisc(m.handle) {
        None => create(device, m, facts),
        Some(_) => Err(KernelError::CannotMove),
    }
}

fn change(device: &mut Device, old: &Qdisc, m: &TcMessage<'_>) -> Result<(), KernelError> {
    if m.flags & EXCL != 0 {
        return Err(KernelError::QdiscExists);
    }
    if m.kind.as_deref().is_some_and(|n| n != old.kind.name()) {
        return Err(KernelError::KindMismatch);
    }
    if m.options.is_none() {
        // Nothing to change; only options would be refused.
        return Ok(());
    }
    let wanted = qdisc_of(m);
    let kind = match (&old.kind, wanted.kind) {
        (QdiscKind::Tbf(_), QdiscKind::Tbf(tbf)) => {
            QdiscKind::Tbf(alloc::boxed::Box::new(dumped(&tbf)?))
        }
        (QdiscKind::Bfifo(_), QdiscKind::Bfifo(Some(limit))) => QdiscKind::Bfifo(Some(limit)),
        (QdiscKind::Pfifo(_), QdiscKind::Pfifo(Some(limit))) => QdiscKind::Pfifo(Some(limit)),
        (QdiscKind::FqCodel(_), QdiscKind::FqCodel(f)) => QdiscKind::FqCodel(f),
        (QdiscKind::Bfifo(_) | QdiscKind::Pfifo(_), _) => old.kind.clone(),
        _ => return Err(KernelError::ChangeNotSupported),
    };
    device.put_qdisc(Qdisc {
        kind,
        ..old.clone()
    });
    Ok(())
}

fn create(
    device: &mut Device,
    m: &TcMessage<'_>,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
    if m.flags & CREATE == 0 {
        return Err(KernelError::NeedsCreate);
    }
    let mut qdisc = qdisc_of(m);
    if m.stab.is_some() && m.parent != Handle::ROOT {
        return Err(KernelError::StabNotRoot);
    }
    let hook = m.parent == Handle::INGRESS;
    let is_hook = matches!(qdisc.kind, QdiscKind::Ingress | QdiscKind::Clsact);
    if hook != is_hook {
        return Err(KernelError::Invalid);
    }
    qdisc.handle = match m.handle {
        _ if hook => Handle::INGRESS_QDISC,
        Handle::NONE => {
            let free = |h: &u16| device.qdisc(Handle::qdisc(*h)).is_none();
            Handle::qdisc((AUTO..0xffff).find(free).ok_or(KernelError::Invalid)?)
        }
        handle => handle,
    };
    qdisc.kind = made(qdisc.kind, m, facts)?;
    if let Some(old) = device.qdisc_at(m.parent).map(|q| q.handle) {
        uproot(device, old);
    }
    // A class that gets children of its own kind can't be given a qdisc; htb refuses.
    if !special(m.parent) && device.class(m.parent).is_some() && device.has_children(m.parent) {
        return Err(KernelError::Invalid);
    }
    if let Some(stab) = qdisc.extras.as_mut().and_then(|e| e.stab.as_mut()) {
        // A dump says the specification only.
        stab.data.clear();
    }
    let (handle, mq) = (qdisc.handle, qdisc.kind == QdiscKind::Mq);
    device.put_qdisc(qdisc);
    for queue in (1..=facts.tx_queues).filter(|_| mq) {
        device.put_qdisc(default_of(Handle::new(handle.major(), queue)));
    }
    Ok(())
}

/// The kernel's own queue of a hardware queue.
fn default_of(parent: Handle) -> Qdisc {
    let other = crate::object::Other {
        kind: "pfifo_fast".into(),
        options: None,
    };
    Qdisc::new(
        Handle::NONE,
        parent,
        QdiscKind::Other(alloc::boxed::Box::new(other)),
    )
}

/// The options as they are once the qdisc runs.
fn made(
    kind: QdiscKind,
    m: &TcMessage<'_>,
    facts: DeviceProperties,
) -> Result<QdiscKind, KernelError> {
    Ok(match kind {
        QdiscKind::Htb(_) if m.options.is_none() => return Err(KernelError::Invalid),
        QdiscKind::Htb(htb) if htb.offload => return Err(KernelError::NoOffload),
        QdiscKind::Htb(mut htb) => {
            htb.rate2quantum = htb.rate2quantum.max(1);
            htb.direct_qlen = Some(htb.direct_qlen.unwrap_or(facts.tx_queue_len.max(2)));
            htb.debug = 0;
            // A counter of the kernel's own, whatever was sent.
            htb.direct_packets = 0;
            QdiscKind::Htb(htb)
        }
        QdiscKind::Tbf(tbf) => QdiscKind::Tbf(alloc::boxed::Box::new(dumped(&tbf)?)),
        QdiscKind::Bfifo(limit) => {
            let packets = facts.tx_queue_len.max(1);
            QdiscKind::Bfifo(Some(
                limit.unwrap_or(packets.saturating_mul(facts.max_frame)),
            ))
        }
        QdiscKind::Pfifo(limit) => {
            QdiscKind::Pfifo(Some(limit.unwrap_or(facts.tx_queue_len.max(1))))
        }
        QdiscKind::FqCodel(_) if !facts.fq_codel => return Err(KernelError::UnknownKind),
        QdiscKind::Mq if m.parent != Handle::ROOT || facts.tx_queues < 2 => {
            return Err(KernelError::NotSupported);
        }
        QdiscKind::Other(other) if !["noqueue", "pfifo_fast"].contains(&other.kind.as_str()) => {
            return Err(KernelError::UnknownKind);
        }
        kind => kind,
    })
}

/// A TBF as it is dumped: buckets are times, taken from the bytes where those were sent.
fn dumped(tbf: &Tbf) -> Result<Tbf, KernelError> {
    if tbf.rate.bytes_per_second == 0 {
        return Err(KernelError::Invalid);
    }
    // Without bytes the time is cut to 32 bits of nanoseconds; a dump has 32 bits of ticks.
    let ticks = |spec: &RateSpec, bytes: Option<u32>, ticks: u32| match bytes {
        Some(bytes) => (wire_time(spec, bytes) >> 6) as u32,
        None => ticks.min(u32::MAX >> 6),
    };
    let peak = tbf.peak.bytes_per_second;
    if peak > 0 && peak <= tbf.rate.bytes_per_second {
        return Err(KernelError::Invalid);
    }
    let most = |spec: &RateSpec, bytes: Option<u32>, ticks: u32| {
        bytes.map_or_else(|| bytes_in(spec, ticks), u64::from)
    };
    let largest = most(&tbf.rate, tbf.burst, tbf.buffer);
    let at_peak = most(&tbf.peak, tbf.pburst, tbf.mtu);
    if largest == 0 || (peak > 0 && at_peak == 0) {
        // No packet would ever fit in.
        return Err(KernelError::Invalid);
    }
    let buffer = ticks(&tbf.rate, tbf.burst, tbf.buffer);
    let mtu = ticks(
        &tbf.peak,
        tbf.pburst.filter(|_| tbf.peak.bytes_per_second > 0),
        tbf.mtu,
    );
    let (rate, peak) = (tbf.rate.dumped(), tbf.peak.dumped());
    Ok(Tbf {
        rate,
        peak,
        limit: tbf.limit,
        buffer,
        mtu,
        burst: None,
        pburst: None,
    })
}

/// `psched_l2t_ns`: nanoseconds that `bytes` take, with the kernel's multiplier and shift.
fn wire_time(spec: &RateSpec, bytes: u32) -> u64 {
    let rate = spec.bytes_per_second.max(1);
    let (mut factor, mut shift) = (NS_PER_SECOND, 0_u32);
    let mult = loop {
        let mult = factor / rate;
        if mult & (1 << 31) != 0 || factor & (1 << 63) != 0 {
            break mult;
        }
        factor <<= 1;
        shift += 1;
    };
    let length = u64::from(bytes.saturating_add(u32::from(spec.overhead))).max(u64::from(spec.mpu));
    let length = if spec.linklayer == 2 {
        length.div_ceil(48) * 53
    } else {
        length
    };
    let time = (u128::from(length) * u128::from(mult)) >> shift;
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// `psched_ns_t2l`: the largest packet that a time holds, of at most 32 bits of nanoseconds.
fn bytes_in(spec: &RateSpec, ticks: u32) -> u64 {
    let time = u64::from(ticks.min(u32::MAX >> 6)) << 6;
    let bytes = u128::from(time) * u128::from(spec.bytes_per_second) / u128::from(NS_PER_SECOND);
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let bytes = if spec.linklayer == 2 {
        bytes / 53 * 48
    } else {
        bytes
    };
    bytes.saturating_sub(u64::from(spec.overhead))
}

fn delete(
    device: &mut Device,
    m: &TcMessage<'_>,
    facts: DeviceProperties,
) -> Result<(), KernelError> {
    if m.parent.is_none() {
        return Err(KernelError::Invalid);
    }
    if !special(m.parent) {
        class_exists(device, m.parent, facts)?;
    }
    let (none, at_root) = (KernelError::NoQdisc, m.parent == Handle::ROOT);
    let none = if at_root {
        KernelError::ZeroHandle
    } else {
        none
    };
    let old = device.qdisc_at(m.parent).cloned().ok_or(none)?;
    if !m.handle.is_none() && old.handle != m.handle {
        return Err(KernelError::InvalidHandle);
    }
    if m.kind.as_deref().is_some_and(|n| n != old.kind.name()) {
        return Err(KernelError::KindMismatch);
    }
    if old.handle.is_none() {
        return Err(KernelError::ZeroHandle);
    }
    device.take_qdisc(m.parent);
    uproot(device, old.handle);
    let owner = device.qdisc(m.parent.of_qdisc()).map(|q| q.kind.clone());
    if owner == Some(QdiscKind::Mq) {
        device.put_qdisc(default_of(m.parent));
    }
    Ok(())
}

/// Takes away what hangs below a qdisc that is gone: its classes, their qdiscs, its filters, and so on down.
pub(super) fn uproot(device: &mut Device, handle: Handle) {
    let mut gone = alloc::vec![handle];
    while let Some(handle) = gone.pop() {
        if handle.is_none() {
            continue;
        }
        let below = |h: Handle| h.of_qdisc() == handle && !special(h);
        device.retain(
            |q| {
                let goes = below(q.parent);
                if goes {
                    gone.push(q.handle);
                }
                !goes
            },
            |c| c.id.of_qdisc() != handle,
        );
        device.retain_filters(|f| f.parent.of_qdisc() != handle);
    }
}

/// Where filters of a shared block are on a device that shares it.
pub(super) fn hook_of_block(device: &Device, block: u32) -> Option<Handle> {
    let qdisc = device.qdisc_at(Handle::INGRESS)?;
    let extras = qdisc.extras.as_ref()?;
    match qdisc.kind {
        QdiscKind::Ingress if extras.ingress_block == Some(block) => Some(Handle::INGRESS_QDISC),
        _ if extras.ingress_block == Some(block) => Some(Handle::HOOK_INGRESS),
        _ if extras.egress_block == Some(block) => Some(Handle::HOOK_EGRESS),
        _ => None,
    }
}
