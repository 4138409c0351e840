//! The parts of records as bytes.

use crate::change::HostSettings;
use crate::cidr::Family;
use crate::claim::RetentionKind;
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::spec::{Affinity, Order, PoolSpec};
use crate::store::codec::{Reader, RecordError, Writer};
use crate::store::record::{DepartedAddress, StickyRecord, TimeOrigin};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

pub(super) fn pool_id(r: &mut Reader<'_>) -> Result<PoolId, RecordError> {
    Ok(PoolId(
        r.number()?
            .try_into()
            .map_err(|_| RecordError::Field("pool"))?,
    ))
}

pub(super) fn write_places(w: &mut Writer, places: &[(PoolId, IpAddr)]) {
    w.number(places.len() as u64);
    for (pool, address) in places {
        w.number(pool.0.into());
        w.address(*address);
    }
}

pub(super) fn read_places(r: &mut Reader<'_>) -> Result<Vec<(PoolId, IpAddr)>, RecordError> {
    r.list(|r| Ok((pool_id(r)?, r.address()?)))
}

pub(super) fn read_sticky(r: &mut Reader<'_>) -> Result<Vec<StickyRecord>, RecordError> {
    if r.version == 1 {
        return Ok(Vec::new());
    }
    r.list(|r| {
        Ok(StickyRecord {
            pool: pool_id(r)?,
            address: r.address()?,
            until: r.time()?,
        })
    })
}

/// The two bits of a record's flags that tell of a retention; what it takes besides follows.
pub(super) const RETENTION: u8 = 3 << 2;

pub(super) fn retention_bits(retention: RetentionKind) -> u8 {
    let kind = match retention {
        RetentionKind::Ephemeral => 0,
        RetentionKind::Sticky(_) => 1,
        RetentionKind::Fixed => 2,
    };
    kind << 2
}

/// The retention that bits tell of, for how long still to be read.
pub(super) fn retention_from(bits: u8) -> Result<RetentionKind, RecordError> {
    match bits >> 2 {
        0 if bits == 0 => Ok(RetentionKind::Ephemeral),
        1 if bits == 1 << 2 => Ok(RetentionKind::Sticky(Duration::ZERO)),
        2 if bits == 2 << 2 => Ok(RetentionKind::Fixed),
        _ => Err(RecordError::Field("retention")),
    }
}

pub(super) fn write_ttl(w: &mut Writer, retention: RetentionKind) {
    if let RetentionKind::Sticky(ttl) = retention {
        w.duration(ttl);
    }
}

pub(super) fn read_ttl(
    r: &mut Reader<'_>,
    retention: RetentionKind,
) -> Result<RetentionKind, RecordError> {
    match retention {
        RetentionKind::Sticky(_) => Ok(RetentionKind::Sticky(r.duration()?)),
        other => Ok(other),
    }
}

/// Addresses whose family is a bit beside their pool's number; `single` where it is known that there is one.
pub(super) fn write_compact_places(w: &mut Writer, places: &[(PoolId, IpAddr)], single: bool) {
    if !single {
        w.number(places.len() as u64);
    }
    for (pool, address) in places {
        w.number(u64::from(pool.0) << 1 | u64::from(address.is_ipv6()));
        w.octets(*address);
    }
}

pub(super) fn read_compact_places(
    r: &mut Reader<'_>,
    single: bool,
) -> Result<Vec<(PoolId, IpAddr)>, RecordError> {
    let read = |r: &mut Reader<'_>| {
        let n = r.number()?;
        let id = (n >> 1)
            .try_into()
            .map_err(|_| RecordError::Field("pool"))?;
        let family = match n & 1 {
            0 => Family::V4,
            _ => Family::V6,
        };
        Ok((PoolId(id), r.octets(family)?))
    };
    match single {
        true => Ok([read(r)?].into()),
        false => r.list(read),
    }
}

pub(super) fn read_retention(r: &mut Reader<'_>) -> Result<RetentionKind, RecordError> {
    match r.byte()? {
        0 => Ok(RetentionKind::Ephemeral),
        1 => Ok(RetentionKind::Sticky(r.duration()?)),
        2 => Ok(RetentionKind::Fixed),
        _ => Err(RecordError::Field("retention")),
    }
}

pub(super) fn read_state(r: &mut Reader<'_>) -> Result<BlockState, RecordError> {
    match r.byte()? {
        0 => Ok(BlockState::Pending),
        1 => Ok(BlockState::Confirmed),
        2 => Ok(BlockState::Releasing),
        _ => Err(RecordError::Field("state")),
    }
}

pub(super) fn write_settings(w: &mut Writer, settings: &HostSettings) {
    w.maybe(settings.block_limit, |w, l| w.number(l.into()));
    w.flag(settings.draining);
    w.number(settings.starts.len() as u64);
    settings.starts.iter().for_each(|&a| w.address(a));
    w.maybe(settings.address, Writer::address);
    w.maybe(settings.subnet, Writer::cidr);
}

pub(super) fn read_settings(r: &mut Reader<'_>) -> Result<HostSettings, RecordError> {
    Ok(HostSettings {
        block_limit: r.maybe(limit)?,
        draining: r.flag()?,
        starts: r.list(Reader::address)?,
        address: r.maybe(Reader::address)?,
        subnet: r.maybe(Reader::cidr)?,
    })
}

pub(super) fn small(n: u64, field: &'static str) -> Result<u32, RecordError> {
    n.try_into().map_err(|_| RecordError::Field(field))
}

fn limit(r: &mut Reader<'_>) -> Result<u32, RecordError> {
    small(r.number()?, "limit")
}

pub(super) fn write_spec(w: &mut Writer, spec: &PoolSpec) {
    w.text(&spec.name);
    w.cidr(spec.cidr);
    w.maybe(spec.gateway, Writer::address);
    for ranges in [&spec.excluded, &spec.set_aside] {
        w.number(ranges.len() as u64);
        ranges.iter().for_each(|&r| w.range(r));
    }
    w.flag(spec.use_edges);
    w.maybe(spec.vlan, |w, v| w.number(v.into()));
    w.maybe(spec.bridge.as_deref(), Writer::text);
    w.number(spec.labels.len() as u64);
    for (key, value) in &spec.labels {
        w.text(key);
        w.text(value);
    }
    w.byte(spec.block_size);
    w.byte(spec.order as u8);
    w.duration(spec.quarantine);
    w.flag(spec.early_reuse);
    w.byte(spec.affinity as u8);
    w.maybe(spec.block_limit, |w, l| w.number(l.into()));
    w.duration(spec.reclaim_after);
    w.maybe(spec.lease, Writer::duration);
    w.flag(spec.link_local);
}

pub(super) fn write_departed(w: &mut Writer, quarantined: &[DepartedAddress]) {
    w.number(quarantined.len() as u64);
    for entry in quarantined {
        w.number(entry.offset.into());
        w.time(entry.at);
        w.time(entry.until);
    }
}

pub(super) fn read_departed(r: &mut Reader<'_>) -> Result<Vec<DepartedAddress>, RecordError> {
    r.list(|r| {
        Ok(DepartedAddress {
            offset: small(r.number()?, "offset")?,
            at: r.time()?,
            until: r.time()?,
        })
    })
}

pub(super) fn write_origin(w: &mut Writer, origin: &TimeOrigin) {
    w.number(origin.stopwatch);
    w.time(origin.base);
    w.number(origin.term);
}

/// A field that came with format 6.
pub(super) fn read_origin(r: &mut Reader<'_>) -> Result<Option<TimeOrigin>, RecordError> {
    if r.version < 6 {
        return Ok(None);
    }
    r.maybe(|r| {
        Ok(TimeOrigin {
            stopwatch: r.number()?,
            base: r.time()?,
            term: r.number()?,
        })
    })
}

pub(super) fn read_spec(r: &mut Reader<'_>) -> Result<PoolSpec, RecordError> {
    Ok(PoolSpec {
        name: r.text()?.into_owned(),
        cidr: r.cidr()?,
        gateway: r.maybe(Reader::address)?,
        excluded: r.list(Reader::range)?,
        set_aside: r.list(Reader::range)?,
        use_edges: r.flag()?,
        vlan: r.maybe(|r| {
            r.number()?
                .try_into()
                .map_err(|_| RecordError::Field("vlan"))
        })?,
        bridge: r.maybe(|r| Ok(r.text()?.into_owned()))?,
        labels: r
            .list(|r| Ok((r.text()?.into_owned(), r.text()?.into_owned())))?
            .into_iter()
            .collect(),
        block_size: r.byte()?,
        order: match r.byte()? {
            0 => Order::Lowest,
            1 => Order::RoundRobin,
            2 => Order::Lru,
            3 => Order::Random,
            _ => return Err(RecordError::Field("order")),
        },
        quarantine: r.duration()?,
        early_reuse: r.flag()?,
        affinity: match r.byte()? {
            0 => Affinity::Off,
            1 => Affinity::Borrow,
            2 => Affinity::Strict,
            _ => return Err(RecordError::Field("affinity")),
        },
        block_limit: r.maybe(limit)?,
        reclaim_after: r.duration()?,
        lease: r.maybe(Reader::duration)?,
        // Came with format 2.
        link_local: r.version > 1 && r.flag()?,
    })
}
