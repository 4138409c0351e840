//! Records as bytes.

use super::fields::{
    pool_id, read_departed, read_interface, read_places, read_retention, read_settings, read_since,
    read_spec, read_state, read_sticky, write_departed, write_interface, write_places,
    write_retention, write_settings, write_spec, write_sticky,
};
use super::used::{read_used, write_used};
use super::{BlockSummary, MoveRecord, Record, ReleasedAddress};
use crate::store::codec::{Reader, RecordError, Writer};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// The version that is written, and the oldest that is still read: a field that came with a version is read
/// where [`Reader::version`] is that version or later, and has its default in older records. A record is
/// rewritten in the present version by the first write that alters it.
const VERSION: u8 = 4;
const OLDEST_VERSION: u8 = 1;

impl<'a> Record<'a> {
    /// Its bytes: version, kind, fields, checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.byte(VERSION);
        w.byte(self.rank() as u8);
        match self {
            Self::Meta { seed, base, whole } => {
                w.number(*seed);
                w.number(*base);
                w.flag(*whole);
            }
            Self::Pool { id, draining, spec } => {
                w.number(id.0.into());
                w.flag(*draining);
                write_spec(&mut w, spec);
            }
            Self::Cursor { id, cursor } => {
                w.number(id.0.into());
                w.wide(cursor.parse().unwrap_or_default());
            }
            Self::Host {
                name,
                settings,
                blocks,
            } => {
                w.text(name);
                write_settings(&mut w, settings);
                w.maybe(blocks.as_deref(), write_places);
            }
            Self::Block { .. } => self.encode_block(&mut w),
            Self::Workload { .. } => self.encode_workload(&mut w),
            Self::Claim { .. } => self.encode_claim(&mut w),
            Self::Departed { block, quarantined } => {
                w.cidr(*block);
                write_departed(&mut w, quarantined);
            }
            Self::Summary {
                pool,
                level,
                first,
                parts,
            } => {
                w.number(pool.0.into());
                w.byte(*level);
                w.address(*first);
                w.number(parts.len() as u64);
                for (number, part) in parts {
                    w.byte(*number);
                    part.write(&mut w);
                }
            }
            Self::Time { now } => w.time(*now),
        }
        w.finish()
    }

    fn encode_block(&self, w: &mut Writer) {
        let Self::Block {
            pool,
            block,
            host,
            generation,
            empty_since,
            released,
            used,
        } = self
        else {
            return;
        };
        w.number(pool.0.into());
        w.cidr(*block);
        w.maybe(host.as_ref(), |w, (name, state)| {
            w.text(name);
            w.byte(*state as u8);
        });
        w.number(*generation);
        w.time(*empty_since);
        w.number(released.len() as u64);
        for entry in released {
            w.number(entry.offset.into());
            w.time(entry.at);
            w.number(entry.order);
        }
        w.maybe(used.as_deref(), write_used);
    }

    fn encode_workload(&self, w: &mut Writer) {
        let Self::Workload {
            name,
            interface,
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
        w.text(name);
        write_interface(w, interface);
        w.time(*since);
        w.time(*until);
        w.flag(*fixed);
        write_places(w, retained);
        write_sticky(w, sticky);
        w.maybe(moving.as_ref(), |w, m| {
            w.text(&m.from);
            w.text(&m.to);
            w.time(m.since);
            write_retention(w, m.retention);
            write_places(w, &m.addresses);
        });
        w.maybe(owners.as_deref(), |w, owners| {
            w.number(owners.len() as u64);
            owners.iter().for_each(|owner| w.text(owner));
        });
    }

    fn encode_claim(&self, w: &mut Writer) {
        let Self::Claim {
            owner,
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
        w.text(owner);
        w.maybe(workload.as_deref(), Writer::text);
        write_interface(w, interface);
        w.maybe(host.as_deref(), Writer::text);
        w.number(*sequence);
        w.time(*touched);
        w.maybe(*until, Writer::time);
        write_retention(w, *retention);
        write_places(w, addresses);
        w.maybe(*suspect, |w, (at, sequence)| {
            w.time(at);
            w.number(sequence);
        });
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]: torn, damaged, of another version, or with a field out of its bounds.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(bytes)?;
        let found = r.byte()?;
        if !(OLDEST_VERSION..=VERSION).contains(&found) {
            return Err(RecordError::Version {
                found,
                known: VERSION,
            });
        }
        r.version = found;
        let record = match r.byte()? {
            0 => Self::Meta {
                seed: r.number()?,
                base: if r.version > 2 { r.number()? } else { 0 },
                whole: r.version > 3 && r.flag()?,
            },
            1 => {
                let (id, draining) = (pool_id(&mut r)?, r.flag()?);
                Self::Pool {
                    id,
                    draining,
                    spec: Box::new(read_spec(&mut r)?),
                }
            }
            2 => Self::Cursor {
                id: pool_id(&mut r)?,
                cursor: format!("{}", r.wide()?).into(),
            },
            3 => Self::Host {
                name: r.text()?,
                settings: read_settings(&mut r)?,
                blocks: since_4(&mut r, read_places)?,
            },
            4 => Self::decode_block(&mut r)?,
            5 => Self::decode_workload(&mut r)?,
            6 => Self::decode_claim(&mut r)?,
            7 => Self::Departed {
                block: r.cidr()?,
                quarantined: read_departed(&mut r)?,
            },
            8 => Self::Summary {
                pool: pool_id(&mut r)?,
                level: r.byte()?,
                first: r.address()?,
                parts: r.list(|r| Ok((r.byte()?, BlockSummary::read(r)?)))?,
            },
            9 => Self::Time { now: r.time()? },
            _ => return Err(RecordError::Field("kind")),
        };
        r.end()?;
        Ok(record)
    }

    fn decode_block(r: &mut Reader<'a>) -> Result<Self, RecordError> {
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

    fn decode_workload(r: &mut Reader<'a>) -> Result<Self, RecordError> {
        Ok(Self::Workload {
            name: r.text()?,
            interface: read_interface(r)?,
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

    fn decode_claim(r: &mut Reader<'a>) -> Result<Self, RecordError> {
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

/// A field that came with format 4, and may be absent there too.
fn since_4<'a, T>(
    r: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    match r.version {
        ..4 => Ok(None),
        _ => r.maybe(read),
    }
}
