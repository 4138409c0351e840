//! The stored records as this crate decodes them, kept in step with each commit.

use ipam::store::Record;
use ipam::{Cidr, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// A claim's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClaimSeen {
    pub(super) sequence: u64,
    pub(super) host: Option<String>,
    pub(super) workload: Option<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) until: Option<Timestamp>,
    pub(super) suspected: bool,
}

/// What a block's record says of one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsedSeen {
    pub(super) holder: Option<(String, u64)>,
    pub(super) workload: Option<String>,
    pub(super) reserved: bool,
    pub(super) until: Option<Timestamp>,
}

/// A block's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockSeen {
    pub(super) block: Cidr,
    pub(super) host: Option<String>,
    pub(super) confirmed: bool,
    pub(super) used: BTreeMap<IpAddr, UsedSeen>,
    pub(super) released: BTreeMap<IpAddr, Timestamp>,
}

/// A workload's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkloadSeen {
    pub(super) name: String,
    pub(super) owners: BTreeSet<String>,
    pub(super) fixed: bool,
    pub(super) moving: bool,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) claims: BTreeMap<String, ClaimSeen>,
    pub(super) blocks: BTreeMap<String, BlockSeen>,
    pub(super) workloads: BTreeMap<String, WorkloadSeen>,
    /// The blocks that a host's record names, by their first addresses.
    pub(super) hosts: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Whether the store vouches for its records proving each other.
    pub(super) vouched: bool,
    /// Keys whose values are damaged; what stood there before is still told above.
    pub(super) damaged: BTreeSet<String>,
}

/// What was known of those keys that a commit changed.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) claims: BTreeMap<String, Option<ClaimSeen>>,
    pub(super) blocks: BTreeMap<String, Option<BlockSeen>>,
    /// Keys that were damaged.
    pub(super) damaged: BTreeSet<String>,
}

impl Mirror {
    /// Takes over what a commit wrote (`None`: deleted); what was there before, or what is wrong with what was written.
    pub(super) fn take_over(
        &mut self,
        changed: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<Before, String> {
        let mut before = Before {
            damaged: self.damaged.clone(),
            ..Before::default()
        };
        for (key, value) in changed {
            self.damaged.remove(&key);
            // A pool's copy is its record under another key.
            let record = value.as_deref().map(|value| Record::decode(&key, value));
            let record = record.transpose();
            let record = record.map_err(|error| format!("`{key}` was written: {error}"))?;
            if let Some(told) = record.as_ref().map(Record::key).filter(|told| *told != key) {
                // A pool's copy stands under another key.
                if !key.starts_with("q/") {
                    return Err(format!("the record of `{told}` was written to `{key}`"));
                }
            }
            self.take_one(key.clone(), record, &mut before);
        }
        Ok(before)
    }

    fn take_one(&mut self, key: String, record: Option<Record<'_>>, before: &mut Before) {
        match key.get(..2) {
            Some("c/") => {
                let owner = key[2..].to_owned();
                let old = put(&mut self.claims, &owner, record.and_then(claim_seen));
                before.claims.insert(owner, old);
            }
            Some("b/") => {
                let old = put(&mut self.blocks, &key, record.and_then(block_seen));
                before.blocks.insert(key, old);
            }
            Some("w/") => {
                put(
                    &mut self.workloads,
                    &key[2..],
                    record.and_then(workload_seen),
                );
            }
            Some("h/") => {
                put(&mut self.hosts, &key[2..], record.and_then(blocks_seen));
            }
            Some("m/") => self.vouched = matches!(record, Some(Record::Meta { whole: true, .. })),
            _ => {}
        }
    }
}

fn put<T>(map: &mut BTreeMap<String, T>, key: &str, value: Option<T>) -> Option<T> {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    }
}

fn claim_seen(record: Record<'_>) -> Option<ClaimSeen> {
    let Record::Claim {
        workload,
        host,
        sequence,
        until,
        addresses,
        suspect,
        ..
    } = record
    else {
        return None;
    };
    Some(ClaimSeen {
        sequence,
        host: host.map(std::borrow::Cow::into_owned),
        workload: workload.map(std::borrow::Cow::into_owned),
        addresses: addresses.into_iter().map(|(_, address)| address).collect(),
        until,
        suspected: suspect.is_some_and(|(_, told)| told == sequence),
    })
}

/// The address with this number in a block.
fn address(block: Cidr, offset: u32) -> IpAddr {
    match block.first() {
        IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + offset).into(),
        IpAddr::V6(first) => {
            std::net::Ipv6Addr::from_bits(first.to_bits() + u128::from(offset)).into()
        }
    }
}

fn block_seen(record: Record<'_>) -> Option<BlockSeen> {
    let Record::Block {
        block,
        host,
        released,
        used,
        ..
    } = record
    else {
        return None;
    };
    let used = used.unwrap_or_default().into_iter().map(|one| {
        let seen = UsedSeen {
            holder: one.holder.map(|h| (h.owner.into_owned(), h.sequence)),
            workload: one.workload.map(|(w, _)| w.into_owned()),
            reserved: one.reserved,
            until: one.until,
        };
        (address(block, one.offset), seen)
    });
    let released = released
        .iter()
        .map(|one| (address(block, one.offset), one.at));
    Some(BlockSeen {
        block,
        confirmed: host
            .as_ref()
            .is_some_and(|(_, state)| *state == ipam::pool::BlockState::Confirmed),
        host: host.map(|(name, _)| name.into_owned()),
        used: used.collect(),
        released: released.collect(),
    })
}

fn workload_seen(record: Record<'_>) -> Option<WorkloadSeen> {
    let Record::Workload {
        name,
        fixed,
        moving,
        owners,
        ..
    } = record
    else {
        return None;
    };
    let owners = owners.unwrap_or_default().into_iter();
    Some(WorkloadSeen {
        name: name.into_owned(),
        owners: owners.map(std::borrow::Cow::into_owned).collect(),
        fixed,
        moving: moving.is_some(),
    })
}

fn blocks_seen(record: Record<'_>) -> Option<BTreeSet<IpAddr>> {
    let Record::Host { blocks, .. } = record else {
        return None;
    };
    let blocks = blocks.unwrap_or_default().into_iter();
    Some(blocks.map(|(_, first)| first).collect())
}
