//! What is printed: promised JSON, and lines for people.

use ipam::{
    Identity,
    claim::{ClaimRef, Lease, RetentionKind},
    pool::PoolRef,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// One address with what is needed to use it.
pub(super) fn lease(lease: &Lease) -> Value {
    json!({
        "address": lease.address,
        "prefix_length": lease.prefix_length,
        "pool": &*lease.pool,
        "gateway": lease.gateway,
        "vlan": lease.vlan,
        "bridge": lease.bridge.as_deref(),
    })
}

/// A claim as `show` lists it.
pub(super) fn claim(claim: ClaimRef<'_>) -> Value {
    json!({
        "owner": claim.owner(),
        "workload": claim.workload(),
        "interface": claim.interface(),
        "host": claim.host().unwrap_or_default(),
        "sequence": claim.sequence(),
        "retention": claim.retention().name(),
        "sticky_seconds": match claim.retention() {
            RetentionKind::Sticky(ttl) => Some(ttl.as_secs_f64()),
            _ => None,
        },
        "until_unix_ns": claim.until().map(ipam::Timestamp::as_nanos),
        "addresses": claim.leases().iter().map(lease).collect::<Vec<_>>(),
    })
}

/// A claim on one line.
pub(super) fn claim_line(claim: ClaimRef<'_>) -> String {
    let addresses: Vec<String> = claim
        .leases()
        .iter()
        .map(|l| format!("{}/{}", l.address, l.prefix_length))
        .collect();
    let workload = claim.workload().zip(claim.interface());
    let workload = workload.map_or_else(|| "-".into(), |w| Identity::from(w).to_string());
    let host = claim.host().unwrap_or("-");
    let (owner, kept) = (claim.owner(), claim.retention().name());
    format!(
        "{owner}  #{}  {}  {workload}  {host}  {kept}\n",
        claim.sequence(),
        addresses.join(" ")
    )
}

/// A pool as `pool list` lists it.
pub(super) fn pool(pool: PoolRef<'_>) -> Value {
    let (spec, usage) = (pool.spec(), pool.usage());
    json!({
        "name": spec.name,
        "cidr": spec.cidr,
        "gateway": spec.gateway,
        "excluded": spec.excluded,
        "set_aside": spec.set_aside,
        "vlan": spec.vlan,
        "bridge": spec.bridge,
        "block_size": spec.block_size,
        "order": spec.order.name(),
        "quarantine_seconds": seconds(spec.quarantine),
        "labels": spec.labels,
        "draining": pool.draining(),
        "capacity": usage.capacity,
        "held": usage.held,
        "reserved": usage.reserved,
        "quarantined": usage.quarantined,
        "free": usage.free,
    })
}

/// Whole seconds as an integer, as the contract has it; a fraction only where there is one.
fn seconds(d: std::time::Duration) -> Value {
    if d.subsec_nanos() == 0 {
        json!(d.as_secs())
    } else {
        json!(d.as_secs_f64())
    }
}

/// A pool on one line, with a bar of its use on a terminal.
pub(super) fn pool_line(pool: PoolRef<'_>) -> String {
    let (spec, usage) = (pool.spec(), pool.usage());
    let mut line = format!("{:<12} {:<20} ", spec.name, spec.cidr.to_string());
    if std::io::stdout().is_terminal() {
        line.push_str(&bar(&usage));
    }
    let used = usage.capacity.saturating_sub(usage.free);
    let percent = if usage.capacity == 0 {
        0.0
    } else {
        used as f64 * 100.0 / usage.capacity as f64
    };
    let _ = writeln!(
        line,
        "{percent:>5.1} %  {} held, {} reserved, {} in quarantine, {} free of {}{}",
        usage.held,
        usage.reserved,
        usage.quarantined,
        usage.free,
        usage.capacity,
        if pool.draining() { ", draining" } else { "" },
    );
    line
}

/// Thirty cells: held, then reserved or in quarantine, then free.
pub(super) fn bar(usage: &ipam::pool::Usage) -> String {
    const CELLS: u64 = 30;
    let cells = |n: u64| {
        // Something in use is seen, however large the pool.
        let cells = (u128::from(n) * u128::from(CELLS)).div_ceil(u128::from(usage.capacity.max(1)));
        cells.min(u128::from(CELLS)) as usize
    };
    let held = cells(usage.held.into());
    let others = u64::from(usage.reserved) + u64::from(usage.quarantined);
    let kept = cells(others).min(CELLS as usize - held);
    let free = CELLS as usize - held - kept;
    format!(
        "{}{}{} ",
        "█".repeat(held),
        "▒".repeat(kept),
        "░".repeat(free)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipam::pool::Usage;

    #[test]
    fn the_bar_is_always_of_one_width_and_shows_what_little_there_is() {
        let usage = |capacity, held, quarantined| {
            let free = capacity - u64::from(held) - u64::from(quarantined);
            Usage {
                capacity,
                held,
                reserved: 0,
                quarantined,
                free,
            }
        };
        for usage in [
            usage(0, 0, 0),
            usage(1000, 1, 1),
            usage(1000, 999, 1),
            usage(7, 7, 0),
        ] {
            assert_eq!(bar(&usage).chars().count(), 31, "{usage:?}");
        }
        assert!(bar(&usage(1_000_000, 1, 0)).starts_with("█░"));
        assert_eq!(bar(&usage(4, 4, 0)), format!("{} ", "█".repeat(30)));
    }
}
