//! Claims' and workloads' records as bytes: their keys name them.

use super::fields::{
    RETENTION, read_compact_places, read_ttl, retention_bits, retention_from, write_compact_places,
    write_ttl,
};
use super::keys::name_of;
use super::{MoveRecord, Record, StickyRecord};
use crate::identity::DEFAULT_INTERFACE;
use crate::store::codec::{Flags, Reader, RecordError, Writer};
use crate::time::Timestamp;
use alloc::borrow::Cow;

/// Flags of a claim's record: what follows. How its addresses are retained takes the two bits of [`RETENTION`].
mod claim {
    pub(super) const WORKLOAD: u8 = 1;
    pub(super) const INTERFACE: u8 = 1 << 1;
    pub(super) const HOST: u8 = 1 << 4;
    pub(super) const UNTIL: u8 = 1 << 5;
    pub(super) const SUSPECT: u8 = 1 << 6;
    /// One address and no more.
    pub(super) const SINGLE: u8 = 1 << 7;
}

/// Flags of a workload's record: what follows, its claims' owners in two bits.
mod workload {
    pub(super) const FIXED: u8 = 1;
    pub(super) const UNTIL: u8 = 1 << 1;
    pub(super) const SINCE: u8 = 1 << 2;
    pub(super) const RETAINED: u8 = 1 << 3;
    pub(super) const STICKY: u8 = 1 << 4;
    pub(super) const MOVING: u8 = 1 << 5;
    pub(super) const UNTOLD: u8 = 0;
    pub(super) const NONE: u8 = 1 << 6;
    pub(super) const SINGLE: u8 = 2 << 6;
    pub(super) const SEVERAL: u8 = 3 << 6;
}

impl<'a> Record<'a> {
    pub(super) fn encode_claim(&self, w: &mut Writer) {
        let Self::Claim {
            owner: _,
            workload,
            interface,
            host,
            sequence,
            touched,
            until,
            retention,
            addresses,
            suspect,
        } = self
        else {
            return;
        };
        let flags = Flags(retention_bits(*retention))
            .with(claim::WORKLOAD, workload.is_some())
            .with(claim::INTERFACE, *interface != DEFAULT_INTERFACE)
            .with(claim::HOST, host.is_some())
            .with(claim::UNTIL, until.is_some())
            .with(claim::SUSPECT, suspect.is_some())
            .with(claim::SINGLE, addresses.len() == 1);
        w.byte(flags.0);
        if let Some(workload) = workload {
            w.name(workload);
        }
        if flags.has(claim::INTERFACE) {
            w.name(interface);
        }
        if let Some(host) = host {
            w.name(host);
        }
        w.number(*sequence);
        w.stamp(*touched);
        if let Some(until) = until {
            w.delta(touched.as_nanos(), until.as_nanos());
        }
        write_ttl(w, *retention);
        write_compact_places(w, addresses, flags.has(claim::SINGLE));
        if let Some((at, token)) = suspect {
            w.delta(touched.as_nanos(), at.as_nanos());
            w.delta(*sequence, *token);
        }
    }

    pub(super) fn decode_claim(key: &'a str, r: &mut Reader<'a>) -> Result<Self, RecordError> {
        let owner = key.strip_prefix("c/").ok_or(RecordError::Field("key"))?;
        let flags = Flags(r.byte()?);
        let workload = flags.then(claim::WORKLOAD, || r.name())?;
        let interface = flags.then(claim::INTERFACE, || r.name())?;
        let host = flags.then(claim::HOST, || r.name())?;
        let (sequence, touched) = (r.number()?, r.stamp()?);
        let until = flags.then(claim::UNTIL, || r.delta(touched.as_nanos()))?;
        let retention = retention_from(flags.0 & RETENTION)?;
        let retention = read_ttl(r, retention)?;
        let addresses = read_compact_places(r, flags.has(claim::SINGLE))?;
        let suspect = flags.then(claim::SUSPECT, || {
            let at = Timestamp::from_nanos(r.delta(touched.as_nanos())?);
            Ok((at, r.delta(sequence)?))
        })?;
        Ok(Self::Claim {
            owner: Cow::Borrowed(owner),
            workload,
            interface: interface.unwrap_or(Cow::Borrowed(DEFAULT_INTERFACE)),
            host,
            sequence,
            touched,
            until: until.map(Timestamp::from_nanos),
            retention,
            addresses,
            suspect,
        })
    }

    pub(super) fn encode_workload(&self, w: &mut Writer) {
        let Self::Workload {
            name: _,
            interface: _,
            since,
            until,
            fixed,
            retained,
            sticky,
            moving,
            owners,
        } = self
        else {
            return;
        };
        let told = match owners.as_deref() {
            None => workload::UNTOLD,
            Some([]) => workload::NONE,
            Some([_]) => workload::SINGLE,
            Some(_) => workload::SEVERAL,
        };
        let flags = Flags(told)
            .with(workload::FIXED, *fixed)
            .with(workload::UNTIL, *until != Timestamp::MAX)
            .with(workload::SINCE, *since != Timestamp::ZERO)
            .with(workload::RETAINED, !retained.is_empty())
            .with(workload::STICKY, !sticky.is_empty())
            .with(workload::MOVING, moving.is_some());
        w.byte(flags.0);
        if flags.has(workload::SINCE) {
            w.stamp(*since);
        }
        if flags.has(workload::UNTIL) {
            w.stamp(*until);
        }
        if flags.has(workload::RETAINED) {
            write_compact_places(w, retained, false);
        }
        if flags.has(workload::STICKY) {
            w.number(sticky.len() as u64);
            for one in sticky {
                write_compact_places(w, &[(one.pool, one.address)], true);
                w.stamp(one.until);
            }
        }
        if let Some(m) = moving {
            w.name(&m.from);
            w.name(&m.to);
            w.stamp(m.since);
            w.byte(retention_bits(m.retention));
            write_ttl(w, m.retention);
            write_compact_places(w, &m.addresses, false);
        }
        if told == workload::SEVERAL {
            w.number(owners.as_ref().map_or(0, |owners| owners.len() as u64));
        }
        owners.iter().flatten().for_each(|owner| w.name(owner));
    }

    pub(super) fn decode_workload(key: &'a str, r: &mut Reader<'a>) -> Result<Self, RecordError> {
        let named = name_of(key).ok_or(RecordError::Field("key"))?;
        let flags = Flags(r.byte()?);
        let since = flags.then(workload::SINCE, || r.stamp())?;
        let until = flags.then(workload::UNTIL, || r.stamp())?;
        let retained = flags.then(workload::RETAINED, || read_compact_places(r, false))?;
        let sticky = flags.then(workload::STICKY, || r.list(read_sticky))?;
        let moving = flags.then(workload::MOVING, || read_move(r))?;
        let owners = match flags.0 & workload::SEVERAL {
            workload::UNTOLD => None,
            workload::NONE => Some([].into()),
            workload::SINGLE => Some([r.name()?].into()),
            _ => Some(r.list(Reader::name)?),
        };
        Ok(Self::Workload {
            name: Cow::Borrowed(named.workload),
            interface: Cow::Borrowed(named.interface),
            since: since.unwrap_or(Timestamp::ZERO),
            until: until.unwrap_or(Timestamp::MAX),
            fixed: flags.has(workload::FIXED),
            retained: retained.unwrap_or_default(),
            sticky: sticky.unwrap_or_default(),
            moving,
            owners,
        })
    }
}

fn read_sticky(r: &mut Reader<'_>) -> Result<StickyRecord, RecordError> {
    let place = read_compact_places(r, true)?;
    let &(pool, address) = place.first().ok_or(RecordError::Field("sticky"))?;
    let until = r.stamp()?;
    Ok(StickyRecord {
        pool,
        address,
        until,
    })
}

fn read_move<'a>(r: &mut Reader<'a>) -> Result<MoveRecord<'a>, RecordError> {
    let (from, to, since) = (r.name()?, r.name()?, r.stamp()?);
    let retention = retention_from(r.byte()?)?;
    Ok(MoveRecord {
        from,
        to,
        since,
        retention: read_ttl(r, retention)?,
        addresses: read_compact_places(r, false)?,
    })
}
