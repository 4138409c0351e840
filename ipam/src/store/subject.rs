//! Keys as words: what was contended.

use super::record::{COPIES, Record, TIME, departed_of, identity_of};
use crate::cidr::{Cidr, shortened};
use crate::identity::DEFAULT_INTERFACE;
use crate::pool::PoolId;
use crate::state::Ipam;
use alloc::format;
use alloc::string::{String, ToString};

/// What a key is about, with its record as far as that is known.
pub(super) fn subject(ipam: &Ipam, key: &str, record: Option<&Record<'_>>) -> String {
    let (kind, rest) = key.split_at_checked(2).unwrap_or(("", key));
    let id = rest.get(..5).and_then(|id| id.parse().ok()).map(PoolId);
    let pool = || {
        let pool = id.and_then(|id| ipam.pools.get(id.0));
        pool.map_or_else(|| "a pool".to_string(), |p| format!("pool {}", p.name()))
    };
    match kind {
        "m/" => "where sequence numbers begin".into(),
        COPIES if rest.starts_with("h/") => subject(ipam, rest, record),
        "p/" | COPIES => pool(),
        "r/" => format!("where {} goes on", pool()),
        "h/" => format!("host {}", shortened(rest)),
        "b/" => match block(ipam, id, rest) {
            Some(block) => match record {
                Some(Record::Block {
                    host: Some((host, _)),
                    ..
                }) => format!("block {block} of host {}", shortened(host)),
                _ => format!("block {block}"),
            },
            None => format!("a block of {}", pool()),
        },
        "w/" | "x/" => match identity_of(key) {
            Some(identity) if identity.interface == DEFAULT_INTERFACE => {
                format!("workload {}", shortened(identity.workload))
            }
            Some(identity) => format!(
                "interface {} of workload {}",
                shortened(identity.interface),
                shortened(identity.workload)
            ),
            None => format!("record {}", shortened(key)),
        },
        "c/" => format!("claim of owner {}", shortened(rest)),
        "g/" => match departed_of(key) {
            Some(first) => format!("quarantine of removed pools' addresses from {first}"),
            None => format!("record {}", shortened(key)),
        },
        TIME => "the store's time".into(),
        "s/" => format!("the summary of free blocks of {}", pool()),
        _ => format!("record {}", shortened(key)),
    }
}

/// The block of a key `b/POOL/FIRST`.
fn block(ipam: &Ipam, id: Option<PoolId>, rest: &str) -> Option<Cidr> {
    let spec = ipam.pools.get(id?.0)?.spec();
    let first = u128::from_str_radix(rest.get(6..)?, 16).ok()?;
    Cidr::new(spec.cidr.family().address(first), spec.block_size).ok()
}
