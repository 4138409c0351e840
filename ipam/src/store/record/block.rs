//! A block's record as bytes.

use super::fields::{
    RETENTION, pool_id, read_state, read_ttl, retention_bits, retention_from, small, write_ttl,
};
use super::{Holder, Record, ReleasedAddress, UsedAddress};
use crate::identity::DEFAULT_INTERFACE;
use crate::store::codec::{Flags, Reader, RecordError, Writer};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Flags of a block's record: what follows.
const HOST: u8 = 1;
const GENERATION: u8 = 1 << 1;
const EMPTY_SINCE: u8 = 1 << 2;
const RELEASED: u8 = 1 << 3;
const USED: u8 = 1 << 4;

/// Flags of an address. Who uses it takes two bits, how the address is retained the two of [`RETENTION`].
const NOBODY: u8 = 0;
const HOSTLESS: u8 = 1;
const OF_BLOCK: u8 = 2;
const OF_OTHER: u8 = 3;
const WORKLOAD: u8 = 1 << 4;
const INTERFACE: u8 = 1 << 5;
const RESERVED: u8 = 1 << 6;
const UNTIL: u8 = 1 << 7;

/// What an address's entry is told beside: the block's host, and the offset and sequence after those of the entry before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside<'b> {
    host: Option<&'b str>,
    offset: u32,
    sequence: u64,
}

impl Beside<'_> {
    fn go_on(&mut self, one: &UsedAddress<'_>) {
        self.offset = one.offset.wrapping_add(1);
        if let Some(holder) = &one.holder {
            self.sequence = holder.sequence.wrapping_add(1);
        }
    }
}

impl<'a> Record<'a> {
    pub(super) fn encode_block(&self, w: &mut Writer) {
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
        let flags = Flags::default()
            .with(HOST, host.is_some())
            .with(GENERATION, *generation > 0)
            .with(EMPTY_SINCE, *empty_since != Timestamp::ZERO)
            .with(RELEASED, !released.is_empty())
            .with(USED, used.is_some());
        w.byte(flags.0);
        w.number(pool.0.into());
        w.cidr(*block);
        if let Some((name, state)) = host {
            w.name(name);
            w.byte(*state as u8);
        }
        if flags.has(GENERATION) {
            w.number(*generation);
        }
        if flags.has(EMPTY_SINCE) {
            w.time(*empty_since);
        }
        if flags.has(RELEASED) {
            write_released(w, released);
        }
        if let Some(used) = used {
            let mut beside = Beside {
                host: host.as_ref().map(|(name, _)| &**name),
                ..Beside::default()
            };
            w.number(used.len() as u64);
            for one in used {
                one.write(w, beside);
                beside.go_on(one);
            }
        }
    }

    pub(super) fn decode_block(r: &mut Reader<'a>) -> Result<Self, RecordError> {
        let flags = Flags(r.byte()?).within(HOST | GENERATION | EMPTY_SINCE | RELEASED | USED)?;
        let (pool, block) = (pool_id(r)?, r.cidr()?);
        let host = match flags.has(HOST) {
            true => Some((r.name()?, read_state(r)?)),
            false => None,
        };
        let generation = flags.then(GENERATION, || r.number())?.unwrap_or(0);
        let empty_since = flags.then(EMPTY_SINCE, || r.time())?;
        let released = flags.then(RELEASED, || read_released(r))?;
        let used = flags.then(USED, || {
            let mut beside = Beside::default();
            r.list(|r| {
                let one = UsedAddress::read(r, beside, host.as_ref().map(|(name, _)| name))?;
                beside.go_on(&one);
                Ok(one)
            })
        })?;
        Ok(Self::Block {
            pool,
            block,
            host,
            generation,
            empty_since: empty_since.unwrap_or(Timestamp::ZERO),
            released: released.unwrap_or_default(),
            used,
        })
    }
}

/// Each by how far it is from the one before.
fn write_released(w: &mut Writer, released: &[ReleasedAddress]) {
    w.number(released.len() as u64);
    let (mut offset, mut at, mut order) = (0u32, 0, 0);
    for entry in released {
        w.delta(offset.into(), entry.offset.into());
        w.delta(at, entry.at.as_nanos());
        w.delta(order, entry.order);
        (offset, at, order) = (
            entry.offset.wrapping_add(1),
            entry.at.as_nanos(),
            entry.order,
        );
    }
}

fn read_released(r: &mut Reader<'_>) -> Result<Vec<ReleasedAddress>, RecordError> {
    let (mut offset, mut at, mut order) = (0u32, 0, 0);
    r.list(|r| {
        let entry = ReleasedAddress {
            offset: small(r.delta(offset.into())?, "offset")?,
            at: Timestamp::from_nanos(r.delta(at)?),
            order: r.delta(order)?,
        };
        (offset, at, order) = (
            entry.offset.wrapping_add(1),
            entry.at.as_nanos(),
            entry.order,
        );
        Ok(entry)
    })
}

impl<'a> UsedAddress<'a> {
    pub(crate) fn write(&self, w: &mut Writer, beside: Beside<'_>) {
        let (who, retention) = match &self.holder {
            None => (NOBODY, 0),
            Some(holder) => {
                let who = match &holder.host {
                    None => HOSTLESS,
                    host if host.as_deref() == beside.host => OF_BLOCK,
                    Some(_) => OF_OTHER,
                };
                (who, retention_bits(holder.retention))
            }
        };
        let interface = self.workload.as_ref().map(|(_, interface)| &**interface);
        let interface = interface.filter(|&i| i != DEFAULT_INTERFACE);
        let flags = Flags(who | retention)
            .with(WORKLOAD, self.workload.is_some())
            .with(INTERFACE, interface.is_some())
            .with(RESERVED, self.reserved)
            .with(UNTIL, self.until.is_some());
        w.byte(flags.0);
        w.delta(beside.offset.into(), self.offset.into());
        if let Some(holder) = &self.holder {
            w.name(&holder.owner);
            w.delta(beside.sequence, holder.sequence);
            if who == OF_OTHER {
                w.name(holder.host.as_deref().unwrap_or_default());
            }
            write_ttl(w, holder.retention);
        }
        if let Some((name, _)) = &self.workload {
            w.name(name);
        }
        if let Some(interface) = interface {
            w.name(interface);
        }
        if let Some(until) = self.until {
            w.stamp(until);
        }
    }

    fn read(
        r: &mut Reader<'a>,
        beside: Beside<'_>,
        host_of_block: Option<&Cow<'a, str>>,
    ) -> Result<Self, RecordError> {
        let flags = Flags(r.byte()?);
        let offset = small(r.delta(beside.offset.into())?, "offset")?;
        let retention = retention_from(flags.0 & RETENTION)?;
        let holder = match flags.0 & OF_OTHER {
            NOBODY => None,
            who => {
                let (owner, sequence) = (r.name()?, r.delta(beside.sequence)?);
                let host = match who {
                    HOSTLESS => None,
                    OF_BLOCK => {
                        let host = host_of_block.ok_or(RecordError::Field("host"))?;
                        Some(host.clone())
                    }
                    _ => Some(r.name()?),
                };
                Some(Holder {
                    owner,
                    sequence,
                    host,
                    retention: read_ttl(r, retention)?,
                })
            }
        };
        let name = flags.then(WORKLOAD, || r.name())?;
        let interface = flags.then(INTERFACE, || r.name())?;
        let interface = interface.unwrap_or(Cow::Borrowed(DEFAULT_INTERFACE));
        Ok(Self {
            offset,
            holder,
            workload: name.map(|name| (name, interface)),
            reserved: flags.has(RESERVED),
            until: flags.then(UNTIL, || r.stamp())?,
        })
    }
}
