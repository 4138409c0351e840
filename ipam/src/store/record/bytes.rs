//! Records as bytes.

use super::fields::{
    pool_id, read_departed, read_origin, read_places, read_settings, read_spec, write_departed,
    write_origin, write_places, write_settings, write_spec,
};
use super::old::since_4;
use super::{BlockSummary, Record};
use crate::identity::DEFAULT_INTERFACE;
use crate::store::codec::{Reader, RecordError, Writer};
use crate::store::seam::PUT_BACK;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// The version that is written, and the oldest that is still read: a field that came with a version is read
/// where [`Reader::version`] is that version or later, and has its default in older records. A record is
/// rewritten in the present version by the first write that alters it.
const VERSION: u8 = 6;
const OLDEST_VERSION: u8 = 1;

/// The version from which on claims and workloads are named by their keys alone, and with blocks' are packed.
const UNNAMED: u8 = 5;
/// The kinds of those, as [`Record::rank`] has them.
const WORKLOAD: u8 = 5;
const CLAIM: u8 = 6;

impl<'a> Record<'a> {
    /// Its bytes: version, kind, fields, checksum. Claims and workloads are named by their [`key`](Record::key) alone, which the
    /// checksum covers.
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
            Self::Time { now, origin } => {
                w.time(*now);
                w.maybe(origin.as_ref(), write_origin);
            }
        }
        w.finish(self.name_parts())
    }

    /// The key of a record that does not name itself, in parts.
    fn name_parts(&self) -> [&str; 4] {
        match self {
            Self::Workload {
                name, interface, ..
            } => match &**interface {
                DEFAULT_INTERFACE => ["w/", name, "", ""],
                interface => ["x/", interface, "/", name],
            },
            Self::Claim { owner, .. } => ["c/", owner, "", ""],
            _ => [""; 4],
        }
    }

    /// Reads a record that stands under a key.
    ///
    /// # Errors
    /// [`RecordError`]: torn, damaged, put back, of another version, with a field out of its bounds, or the bytes of another claim or workload
    /// than the key names. Whether any other kind of record is the one of its key, [`key`](Record::key) tells.
    pub fn decode(key: &'a str, bytes: &'a [u8]) -> Result<Self, RecordError> {
        if bytes == PUT_BACK {
            return Err(RecordError::PutBack);
        }
        let mut r = Reader::new(bytes, key, is_unnamed)?;
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
            4 if r.version < UNNAMED => Self::decode_old_block(&mut r)?,
            WORKLOAD if r.version < UNNAMED => Self::decode_old_workload(&mut r)?,
            CLAIM if r.version < UNNAMED => Self::decode_old_claim(&mut r)?,
            4 => Self::decode_block(&mut r)?,
            WORKLOAD => Self::decode_workload(key, &mut r)?,
            CLAIM => Self::decode_claim(key, &mut r)?,
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
            9 => Self::Time {
                now: r.time()?,
                origin: read_origin(&mut r)?,
            },
            _ => return Err(RecordError::Field("kind")),
        };
        r.end()?;
        Ok(record)
    }
}

/// Whether a record was written by an earlier version.
pub(crate) fn is_outdated(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|&version| version < VERSION)
}

/// Whether bytes are those of a record that only its key names, which its checksum covers then.
pub(crate) fn is_unnamed(body: &[u8]) -> bool {
    matches!(body, [version, WORKLOAD | CLAIM, ..] if *version >= UNNAMED)
}
