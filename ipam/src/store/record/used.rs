//! The held and retained addresses of a block as bytes.

use super::fields::{read_interface, read_retention, write_interface, write_retention};
use super::{Holder, UsedAddress};
use crate::store::codec::{Reader, RecordError, Writer};
use alloc::vec::Vec;

pub(super) fn write_used(w: &mut Writer, used: &[UsedAddress<'_>]) {
    w.number(used.len() as u64);
    used.iter().for_each(|one| one.write(w));
}

impl UsedAddress<'_> {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.number(self.offset.into());
        w.maybe(self.holder.as_ref(), |w, holder| {
            w.text(&holder.owner);
            w.number(holder.sequence);
            w.maybe(holder.host.as_deref(), Writer::text);
            write_retention(w, holder.retention);
        });
        w.maybe(self.workload.as_ref(), |w, (name, interface)| {
            w.text(name);
            write_interface(w, interface);
        });
        w.flag(self.reserved);
        w.maybe(self.until, Writer::time);
    }
}

pub(super) fn read_used<'a>(r: &mut Reader<'a>) -> Result<Vec<UsedAddress<'a>>, RecordError> {
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
