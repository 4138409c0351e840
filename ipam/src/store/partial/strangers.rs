//! Who holds or retains addresses of a block that was read, without a record of his own that was: as much of him as the
//! block tells. Nothing of that is ever stored but with the block.

use crate::cidr::{Cidr, number};
use crate::claim::RetentionKind;
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::pool::PoolId;
use crate::store::record::{Record, StickyRecord, UsedAddress, claim_key, workload_key};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What a workload retains.
#[derive(Debug, Default)]
struct Retained {
    name: String,
    interface: String,
    reserved: Vec<(PoolId, IpAddr)>,
    sticky: Vec<StickyRecord>,
}

/// What an owner holds.
#[derive(Debug)]
struct Held {
    owner: String,
    sequence: u64,
    host: Option<String>,
    retention: RetentionKind,
    workload: Option<(String, String)>,
    addresses: Vec<(PoolId, IpAddr)>,
}

/// Both, by the keys of the records that were not read.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    retained: BTreeMap<String, Retained>,
    held: BTreeMap<String, Held>,
}

impl Strangers {
    /// Notes what a block tells of those whose keys are not known.
    pub(super) fn note(
        &mut self,
        pool: PoolId,
        block: Cidr,
        used: &[UsedAddress<'_>],
        now: Timestamp,
        known: impl Fn(&str) -> bool,
    ) {
        for one in used.iter().filter(|one| !one.is_over(now)) {
            let at = number(block.first()) + u128::from(one.offset);
            let place = (pool, block.family().address(at));
            let identity = one.workload.as_ref();
            let identity = identity.map(|(w, i)| Identity::from((&**w, &**i)));
            if let Some(identity) = identity.filter(|_| one.reserved || one.holder.is_none()) {
                self.note_retained(place, identity, one, &known);
            }
            let Some(holder) = &one.holder else { continue };
            let key = claim_key(&holder.owner);
            if known(&key) {
                continue;
            }
            let held = self.held.entry(key).or_insert_with(|| Held {
                owner: holder.owner.clone().into_owned(),
                sequence: holder.sequence,
                host: holder.host.as_deref().map(String::from),
                retention: holder.retention,
                workload: identity.map(|i| (i.workload.into(), i.interface.into())),
                addresses: Vec::new(),
            });
            held.addresses.push(place);
        }
    }

    fn note_retained(
        &mut self,
        (pool, address): (PoolId, IpAddr),
        identity: Identity<'_>,
        one: &UsedAddress<'_>,
        known: impl Fn(&str) -> bool,
    ) {
        let key = workload_key(identity);
        if known(&key) {
            return;
        }
        let retained = self.retained.entry(key).or_insert_with(|| Retained {
            name: identity.workload.into(),
            interface: identity.interface.into(),
            ..Retained::default()
        });
        match one.until {
            Some(until) if !one.reserved => retained.sticky.push(StickyRecord {
                pool,
                address,
                until,
            }),
            _ => retained.reserved.push((pool, address)),
        }
    }

    /// As records, in the order of restoring.
    pub(super) fn into_records(self) -> impl Iterator<Item = Record<'static>> {
        let workloads = self.retained.into_values().map(|one| Record::Workload {
            name: one.name.into(),
            interface: one.interface.into(),
            since: Timestamp::ZERO,
            until: Timestamp::MAX,
            fixed: !one.reserved.is_empty(),
            retained: one.reserved,
            sticky: one.sticky,
            moving: None,
            owners: None,
        });
        let claims = self.held.into_values().map(|one| {
            let (workload, interface) = one.workload.unzip();
            Record::Claim {
                owner: one.owner.into(),
                workload: workload.map(Cow::Owned),
                interface: interface.map_or(Cow::Borrowed(DEFAULT_INTERFACE), Cow::Owned),
                host: one.host.map(Cow::Owned),
                sequence: one.sequence,
                touched: Timestamp::ZERO,
                until: None,
                retention: one.retention,
                addresses: one.addresses,
                suspect: None,
            }
        });
        workloads.chain(claims)
    }
}
