//! Records that do not decode or do not fit: what they may have held is given to nobody, and nothing is
//! written over them, until they are repaired or, asked for by name, dropped.

use super::record::{COPIES, Record, TIME};
use crate::change::{Change, ChangeKind};
use crate::cidr::{AddressRange, Cidr, Family};
use crate::decide::Problem;
use crate::pool::PoolId;
use crate::state::Ipam;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// A record that does not fit the others, left out of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// The record's key.
    pub key: String,
    /// The address or name it is about.
    pub subject: String,
    /// What is wrong with it.
    pub reason: String,
    /// What it may have held.
    pub frozen: Frozen,
    /// Whether it can be read, and only does not fit the others.
    pub decodes: bool,
}

impl fmt::Display for RejectedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frozen {
            Frozen::Store => write!(f, "{} {}", self.subject, self.reason),
            _ => write!(f, "record `{}`: {} {}", self.key, self.subject, self.reason),
        }
    }
}

impl RejectedRecord {
    /// Whether blocks tell what it holds: it is a claim's or a workload's.
    pub(crate) fn is_told_of_by_blocks(&self) -> bool {
        ["c/", "w/", "x/"]
            .iter()
            .any(|kind| self.key.starts_with(kind))
    }

    /// As a problem of [`Ipam::fsck`].
    pub(crate) fn problem(&self) -> Problem {
        let mends: &str = match &self.frozen {
            Frozen::Pool(_) => "rebuilt from its copy, if that is sound",
            Frozen::Block(..) => {
                "rebuilt from its claims, its other addresses are in quarantine from then on"
            }
            Frozen::Nothing if self.key == STRUCTURE => {
                "rebuilt from the records; if that fails, dump and load into a new store"
            }
            Frozen::Nothing if self.key.starts_with("g/") => {
                "stands nowhere else: --forget drops it, and the quarantine of removed pools' addresses"
            }
            Frozen::Addresses(_) if self.is_told_of_by_blocks() && !self.decodes => {
                "rebuilt from what its blocks tell"
            }
            Frozen::Nothing if self.key.starts_with("c/") => {
                "stands nowhere else: restore a backup, or --forget drops it"
            }
            Frozen::Nothing if !self.key.starts_with("h/") || self.decodes => "written anew",
            Frozen::Nothing => "rebuilt from its blocks and the copy of its settings",
            Frozen::Store => "stands nowhere else: restore a backup, or --forget what was lost",
            _ => "stands nowhere else: restore a backup, or --forget drops it and what it held",
        };
        let repair: String = match self.frozen {
            Frozen::Store => format!("{}: {mends}", self.reason),
            _ => format!("record {}: {}: {mends}", self.key, self.reason),
        };
        Problem {
            kind: if self.decodes { "rejected" } else { "damaged" },
            subject: self.subject.clone(),
            repair: format!("{repair}; until then {}", self.frozen),
            changes: Vec::new(),
        }
    }

    // Errors and names alike are handed over by whoever has them.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn new(key: &str, subject: impl ToString, reason: impl ToString) -> Self {
        Self {
            key: key.to_string(),
            subject: subject.to_string(),
            reason: reason.to_string(),
            frozen: Frozen::of_key(key),
            decodes: false,
        }
    }
}

/// The key of what is wrong with the store as a whole; no record has it.
pub(crate) const WHOLE: &str = "store";
/// The key that stands for how the store keeps its records.
pub(crate) const STRUCTURE: &str = "pages";

/// What a rejected record may have held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// No address: a seed, a cursor, a host's settings.
    Nothing,
    /// These, which it names.
    Addresses(Vec<(PoolId, IpAddr)>),
    /// Those of the block that begins here, as its key says.
    Block(PoolId, IpAddr),
    /// Those of a pool whose prefix is unknown.
    Pool(PoolId),
    /// Any address of any pool: a claim's or a workload's key does not tell.
    Everything,
    /// Any, and more records may be missing or old: nothing is written to such a store.
    Store,
}

impl Frozen {
    /// What a record may have held of which only the key can be read.
    pub(crate) fn of_key(key: &str) -> Self {
        let (kind, rest) = key.split_at_checked(2).unwrap_or(("", key));
        let id = || Some(PoolId(rest.get(..5)?.parse().ok()?));
        let block = || {
            let number = u128::from_str_radix(rest.get(6..)?, 16).ok()?;
            let family = match number >> 32 {
                0 => Family::V4,
                _ => Family::V6,
            };
            Some(Self::Block(id()?, family.address(number)))
        };
        match kind {
            "m/" | "r/" | "h/" | "g/" | "s/" | TIME | COPIES => Self::Nothing,
            "p/" => id().map_or(Self::Everything, Self::Pool),
            "b/" => block().unwrap_or(Self::Everything),
            _ => Self::Everything,
        }
    }

    /// What a record may hold that is sound in itself.
    pub(crate) fn of_record(record: &Record<'_>) -> Self {
        match record {
            Record::Meta { .. }
            | Record::Cursor { .. }
            | Record::Host { .. }
            | Record::Departed { .. }
            | Record::Summary { .. }
            | Record::Time { .. } => Self::Nothing,
            Record::Pool { id, .. } => Self::Pool(*id),
            Record::Block { pool, block, .. } => Self::Block(*pool, block.first()),
            Record::Workload {
                retained,
                sticky,
                moving,
                ..
            } => {
                let moving = moving.iter().flat_map(|m| &m.addresses);
                let sticky = sticky.iter().map(|s| (s.pool, s.address));
                Self::Addresses(
                    retained
                        .iter()
                        .chain(moving)
                        .copied()
                        .chain(sticky)
                        .collect(),
                )
            }
            Record::Claim { addresses, .. } => Self::Addresses(addresses.clone()),
        }
    }
}

impl Frozen {
    /// Whether addresses of some pools are withheld.
    pub(crate) fn withholds(&self, is_one: impl Fn(PoolId) -> bool) -> bool {
        match self {
            Self::Addresses(list) => list.iter().any(|(id, _)| is_one(*id)),
            Self::Block(id, _) => is_one(*id),
            Self::Everything => true,
            Self::Nothing | Self::Pool(_) | Self::Store => false,
        }
    }

    /// What is known of it besides: addresses say more than that it may be any.
    pub(crate) fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Addresses(known), Self::Addresses(more)) => {
                known.extend(more);
                known.sort_unstable();
                known.dedup();
            }
            (known @ (Self::Everything | Self::Nothing), more @ Self::Addresses(_)) => {
                *known = more;
            }
            _ => {}
        }
    }
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no address is withheld"),
            Self::Addresses(list) => {
                f.write_str("nobody is given")?;
                let first = list.iter().take(4);
                first.into_iter().try_for_each(|(_, a)| write!(f, " {a}"))?;
                f.write_str(if list.len() > 4 { " and others" } else { "" })
            }
            Self::Block(_, first) => write!(f, "nothing is given out of the block at {first}"),
            Self::Pool(_) => f.write_str("its pool is out of use, and no pool is added or grown"),
            Self::Everything => f.write_str("nothing is given out of any pool"),
            Self::Store => f.write_str("nothing is written to the store"),
        }
    }
}

impl Ipam {
    /// Sees to it that nothing is given out of what rejected records may hold, where that is known by address.
    pub(crate) fn freeze(&mut self, rejected: &[RejectedRecord]) {
        for rejected in rejected {
            match &rejected.frozen {
                Frozen::Addresses(list) => {
                    for &(id, address) in list {
                        let pool = self.pools.get_mut(id.0);
                        if let Some(pool) = pool.filter(|p| !p.is_frozen(address)) {
                            pool.freeze(address.into());
                        }
                    }
                }
                Frozen::Block(id, first) => {
                    let Some(pool) = self.pools.get_mut(id.0) else {
                        continue;
                    };
                    // An IPv6 address below 2^32 looks like an IPv4 one in its key.
                    let first = pool
                        .spec()
                        .cidr
                        .family()
                        .address(crate::cidr::number(*first));
                    if let Ok(block) = Cidr::containing(first, pool.spec().block_size) {
                        pool.freeze(block.range());
                    }
                }
                _ => {}
            }
        }
    }
}

impl Ipam {
    /// The rejected record beside which a change must not be made, if there is one: it would give what that may hold, or
    /// write over its record. [`crate::Replica::transact`] refuses such changes.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let change = ipam.decide_drain_pool("p", true)?;
    /// assert!(ipam.barred_by(&[], &change).is_none()); // no record was rejected
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn barred_by<'m>(
        &self,
        rejected: &'m [RejectedRecord],
        change: &Change<'_>,
    ) -> Option<&'m RejectedRecord> {
        if rejected.is_empty() {
            return None;
        }
        let keys = self.touched(change);
        rejected
            .iter()
            .find(|rejected| bars(self, rejected, &change.kind, &keys))
    }
}

fn bars(
    ipam: &Ipam,
    rejected: &RejectedRecord,
    kind: &ChangeKind<'_>,
    keys: &BTreeSet<String>,
) -> bool {
    // Where a pool's order goes on is a hint, and written anew with the next address.
    let hint = rejected.key.starts_with("r/");
    // A host's settings are set whole: setting them mends them.
    let mended = matches!(kind, ChangeKind::HostSet { host, .. } if rejected.key.strip_prefix("h/") == Some(host));
    if keys.contains(&rejected.key) && !hint && !mended {
        return true;
    }
    let gives = matches!(
        kind,
        ChangeKind::Claimed { .. } | ChangeKind::Reserved { .. }
    );
    match &rejected.frozen {
        Frozen::Store => true,
        // Its pools may hold what it names: they stay.
        Frozen::Everything => gives || matches!(kind, ChangeKind::PoolRemoved { .. }),
        // Another pool might be laid over it.
        Frozen::Pool(_) => matches!(
            kind,
            ChangeKind::PoolAdded { .. } | ChangeKind::PoolGrown { .. }
        ),
        Frozen::Addresses(list) => match kind {
            ChangeKind::PoolRemoved { pool } => list.iter().any(|(id, _)| id == pool),
            _ => gives && given(kind).any(|(id, range)| within(list, id, range)),
        },
        Frozen::Block(id, _) => {
            matches!(kind, ChangeKind::PoolRemoved { pool } if pool == id)
                || gives && given(kind).any(|(id, range)| ipam.is_frozen(id, range))
        }
        // What is in quarantine there is unknown.
        Frozen::Nothing if rejected.key.starts_with("g/") => {
            matches!(
                kind,
                ChangeKind::PoolAdded { .. } | ChangeKind::PoolGrown { .. }
            )
        }
        Frozen::Nothing => {
            // Its limit and whether it is being drained are unknown.
            let host = rejected.key.strip_prefix("h/");
            matches!(kind, ChangeKind::Claimed { host: Some(h), .. } if host == Some(h))
        }
    }
}

fn within(list: &[(PoolId, IpAddr)], id: PoolId, range: AddressRange) -> bool {
    list.iter().any(|&(p, a)| p == id && range.contains(a))
}

/// The addresses that a change gives.
fn given<'a>(kind: &'a ChangeKind<'_>) -> impl Iterator<Item = (PoolId, AddressRange)> + 'a {
    let (claimed, reserved) = match kind {
        ChangeKind::Claimed { v4, v6, .. } => ([*v4, *v6], None),
        ChangeKind::Reserved { ranges, .. } => ([None, None], Some(ranges)),
        _ => ([None, None], None),
    };
    let claimed = claimed.into_iter().flatten();
    claimed
        .map(|place| (place.pool, place.address.into()))
        .chain(reserved.into_iter().flatten().copied())
}

impl Ipam {
    /// Drops what blocks tell of lost claims and workloads with these addresses.
    pub(crate) fn forget_lost(&mut self, frozen: &Frozen) {
        let Frozen::Addresses(list) = frozen else {
            return;
        };
        for &(id, address) in list {
            let slot = self.pools.get(id.0).and_then(|pool| pool.slot(address));
            if let Some(slot) = slot {
                self.lost.remove(&crate::state::Spot { pool: id.0, slot });
            }
        }
    }

    /// Whether a damaged record may hold an address of a range.
    pub(crate) fn is_frozen(&self, id: PoolId, range: AddressRange) -> bool {
        let pool = self.pools.get(id.0);
        pool.is_some_and(|p| p.frozen().iter().any(|f| f.intersection(range).is_some()))
    }
}
