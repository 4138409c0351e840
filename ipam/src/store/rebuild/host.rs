//! Hosts' records: their blocks tell of themselves, of their settings there is a copy.

use crate::change::HostSettings;
use crate::pool::PoolId;
use crate::store::damage::RejectedRecord;
use crate::store::record::{Record, copy_key};
use crate::store::replica::{PAGE, Replica};
use crate::store::restore::Restored;
use crate::store::seam::{Store, StoreError};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

impl<S: Store> Replica<S> {
    /// A host's record: its blocks as they tell of it, its settings as they are known, else as their copy has them.
    pub(super) async fn host_anew(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let copy = Vec::from_iter(copy_key(key));
        let (values, _) = self.store.get(&copy).await?;
        let copy = values.into_iter().next().flatten();
        let copied = match copy.as_deref().map(|bytes| Record::decode(key, bytes)) {
            Some(Ok(Record::Host { name, settings, .. }))
                if key.strip_prefix("h/") == Some(&*name) =>
            {
                Some(settings)
            }
            _ => None,
        };
        let name = key.strip_prefix("h/").unwrap_or_default();
        let blocks = self.ipam.host(name);
        let blocks = blocks.map_or_else(Vec::new, |id| self.ipam.blocks_of_host(id));
        let known = self.ipam.host_settings(name).cloned();
        let known = known.filter(|settings| *settings != HostSettings::default());
        let settings = known.or(copied).unwrap_or_default();
        let tells = settings != HostSettings::default() || !blocks.is_empty();
        let record = tells.then(|| Record::Host {
            name: name.into(),
            settings,
            blocks: Some(blocks),
        });
        Ok(record.map(|record| record.encode()))
    }

    /// The host whose record names a block.
    pub(super) async fn host_naming(
        &mut self,
        id: PoolId,
        first: IpAddr,
    ) -> Result<Option<String>, StoreError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.list("h/", after.as_deref(), PAGE).await?;
            for (key, value) in &page.entries {
                if let Ok(Record::Host {
                    name,
                    blocks: Some(blocks),
                    ..
                }) = Record::decode(key, value)
                    && blocks.iter().any(|(pool, block)| {
                        *pool == id && crate::cidr::number(*block) == crate::cidr::number(first)
                    })
                {
                    return Ok(Some(name.into_owned()));
                }
            }
            after = page.entries.last().map(|(key, _)| key.clone());
            if !page.more {
                return Ok(None);
            }
        }
    }
}

/// Which is not what it should be of a host's record and the copy of its settings, if one is.
pub(in crate::store) fn bad_settings(
    restored: &Restored,
    key: &str,
    own: &str,
    copied: Option<&Record<'_>>,
) -> Option<RejectedRecord> {
    let name = own.strip_prefix("h/")?;
    let known = restored.ipam.host_settings(name).cloned();
    let known = known.unwrap_or_default();
    match copied {
        // It is rebuilt from the copy.
        Some(_) if restored.rejected.iter().any(|r| r.key == own) => None,
        Some(Record::Host {
            name: told,
            settings,
            ..
        }) if told == name => {
            if *settings == known {
                return None;
            }
            let (key, why) = match known == HostSettings::default() {
                true => (own, "lacks the settings of which there is a copy"),
                false => (key, "is not the copy of its host's settings"),
            };
            Some(RejectedRecord {
                decodes: true,
                ..RejectedRecord::new(key, own, why)
            })
        }
        _ => Some(RejectedRecord::new(
            key,
            own,
            "is not the copy of its host's settings",
        )),
    }
}
