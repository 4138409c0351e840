//! Records of blocks, workloads and claims as formats 1 to 4 wrote them.

use super::fields::{pool_id, read_places, read_retention, read_state, read_sticky};
use super::{Holder, MoveRecord, Record, ReleasedAddress, UsedAddress};
use crate::identity::DEFAULT_INTERFACE;
use crate::store::codec::{Reader, RecordError};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::vec::Vec;

impl<'a> Record<'a> {
    pub(super) fn decode_old_block(r: &mut Reader<'a>) -> Result<Self, RecordError> {
        Ok(Self::Block {
            pool: pool_id(r)?,
            block: r.cidr()?,
            host: r.maybe(|r| Ok((r.text()?, read_state(r)?)))?,
            generation: r.number()?,
            empty_since: r.time()?,
            released: r.list(|r| {
                let offset = r
                    .number()?
                    .try_into()
                    .map_err(|_| RecordError::Field("offset"))?;
                Ok(ReleasedAddress {
                    offset,
                    at: r.time()?,
                    order: r.number()?,
                })
            })?,
            used: since_4(r, read_used)?,
        })
    }

    pub(super) fn decode_old_workload(r: &mut Reader<'a>) -> Result<Self, RecordError> {
        Ok(Self::Workload {
            name: r.text()?,
            interface: read_key_interface(r)?,
            since: read_since(r)?,
            until: r.time()?,
            fixed: r.flag()?,
            retained: read_places(r)?,
            sticky: read_sticky(r)?,
            moving: r.maybe(|r| {
                Ok(MoveRecord {
                    from: r.text()?,
                    to: r.text()?,
                    since: r.time()?,
                    retention: read_retention(r)?,
                    addresses: read_places(r)?,
                })
            })?,
            owners: since_4(r, |r| r.list(Reader::text))?,
        })
    }

    pub(super) fn decode_old_claim(r: &mut Reader<'a>) -> Result<Self, RecordError> {
        Ok(Self::Claim {
            owner: r.text()?,
            workload: r.maybe(Reader::text)?,
            interface: read_interface(r)?,
            host: r.maybe(Reader::text)?,
            sequence: r.number()?,
            touched: r.time()?,
            until: r.maybe(Reader::time)?,
            retention: read_retention(r)?,
            addresses: read_places(r)?,
            suspect: r.maybe(|r| Ok((r.time()?, r.number()?)))?,
        })
    }
}

fn read_used<'a>(r: &mut Reader<'a>) -> Result<Vec<UsedAddress<'a>>, RecordError> {
    r.list(|r| {
        let offset = r.number()?.try_into();
        Ok(UsedAddress {
            offset: offset.map_err(|_| RecordError::Field("offset"))?,
            holder: r.maybe(|r| {
                Ok(Holder {
                    owner: r.text()?,
                    sequence: r.number()?,
                    host: r.maybe(Reader::text)?,
                    retention: read_retention(r)?,
                })
            })?,
            workload: r.maybe(|r| Ok((r.text()?, read_interface(r)?)))?,
            reserved: r.flag()?,
            until: r.maybe(Reader::time)?,
        })
    })
}

/// Interfaces came with format 2: what was stored before belongs to the default one.
fn read_interface<'a>(r: &mut Reader<'a>) -> Result<Cow<'a, str>, RecordError> {
    let other = match r.version {
        1 => None,
        _ => r.maybe(Reader::text)?,
    };
    Ok(other.unwrap_or(Cow::Borrowed(DEFAULT_INTERFACE)))
}

/// One that is part of a key holds no slash.
fn read_key_interface<'a>(r: &mut Reader<'a>) -> Result<Cow<'a, str>, RecordError> {
    let interface = read_interface(r)?;
    match interface.contains('/') {
        true => Err(RecordError::Field("interface")),
        false => Ok(interface),
    }
}

/// Where format 2 has the latest time known of what a workload retains, format 1 had how long it retains what it
/// releases: its claims say that.
fn read_since(r: &mut Reader<'_>) -> Result<Timestamp, RecordError> {
    let field = r.time()?;
    Ok(match r.version {
        1 => Timestamp::ZERO,
        _ => field,
    })
}

/// A field that came with format 4, and may be absent there too.
pub(super) fn since_4<'a, T>(
    r: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    match r.version {
        ..4 => Ok(None),
        _ => r.maybe(read),
    }
}
