//! Pools, reservations, hosts.

use super::args::{AffinityArg, HostSetArgs, OrderArg, PoolAddArgs, PoolChangeArgs, ReserveArgs};
use super::session::Session;
use super::text;
use crate::answer::{Answer, Failure};
use ipam::{
    Change, Cidr, Identity, PoolSpec,
    change::{ApplyError, ChangeKind, HostSettings},
    claim::ReserveError,
    net::AddressRange,
    pool::{Affinity, Order, PoolError},
};
use serde_json::json;
use std::net::IpAddr;

fn spec(args: &PoolAddArgs) -> PoolSpec {
    let mut spec = PoolSpec::new(&*args.name, args.cidr);
    spec.gateway = args.gateway;
    spec.excluded.clone_from(&args.exclude);
    spec.set_aside.clone_from(&args.set_aside);
    spec.quarantine = args.quarantine;
    spec.early_reuse = args.early_reuse;
    spec.block_size = args.block_size.unwrap_or(spec.block_size);
    spec.block_limit = args.block_limit;
    spec.order = match args.order {
        OrderArg::Lowest => Order::Lowest,
        OrderArg::RoundRobin => Order::RoundRobin,
        OrderArg::Lru => Order::Lru,
        OrderArg::Random => Order::Random,
    };
    spec.affinity = affinity(args.affinity);
    spec.vlan = args.vlan;
    spec.bridge.clone_from(&args.bridge);
    spec.labels = args.label.iter().cloned().collect();
    spec.lease = args.lease;
    spec.link_local = args.link_local;
    spec
}

fn affinity(arg: AffinityArg) -> Affinity {
    match arg {
        AffinityArg::Off => Affinity::Off,
        AffinityArg::Borrow => Affinity::Borrow,
        AffinityArg::Strict => Affinity::Strict,
    }
}

/// A pool's spec with what the command line names changed.
fn changed(mut spec: PoolSpec, args: &PoolChangeArgs) -> Result<PoolSpec, Failure> {
    spec.gateway = args.gateway.or(spec.gateway).filter(|_| !args.no_gateway);
    for (ranges, less, more, option) in [
        (
            &mut spec.excluded,
            &args.include,
            &args.exclude,
            "--include",
        ),
        (
            &mut spec.set_aside,
            &args.unset_aside,
            &args.set_aside,
            "--unset-aside",
        ),
    ] {
        for range in less {
            let Some(at) = ranges.iter().position(|r| r == range) else {
                let listed: Vec<String> = ranges.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{range} is none of the pool's ranges: {}",
                    listed.join(", ")
                );
                return Err(Failure::input(message, option));
            };
            ranges.remove(at);
        }
        let new = more.iter().filter(|r| !ranges.contains(r)).copied();
        let new: Vec<AddressRange> = new.collect();
        ranges.extend(new);
    }
    for key in &args.unlabel {
        spec.labels.remove(key);
    }
    spec.labels.extend(args.label.iter().cloned());
    spec.quarantine = args.quarantine.unwrap_or(spec.quarantine);
    spec.early_reuse = args.early_reuse.unwrap_or(spec.early_reuse);
    spec.block_limit = args
        .block_limit
        .or(spec.block_limit)
        .filter(|_| !args.no_block_limit);
    spec.affinity = args.affinity.map_or(spec.affinity, affinity);
    spec.vlan = args.vlan.or(spec.vlan).filter(|_| !args.no_vlan);
    let bridge = args.bridge.clone().or(spec.bridge);
    spec.bridge = bridge.filter(|_| !args.no_bridge);
    spec.lease = args.lease.or(spec.lease).filter(|_| !args.no_lease);
    Ok(spec)
}

pub(super) fn change(session: &mut Session, args: &PoolChangeArgs) -> Result<Answer, Failure> {
    let Some(pool) = session.ipam().pool(&args.name) else {
        let unknown = PoolError::Unknown(args.name.clone());
        return Err(session.perhaps_damaged(pool_failure(&unknown)));
    };
    let spec = changed(pool.spec().clone(), args)?;
    check_gateway(&spec)?;
    session.transact(
        |ipam| Ok(((), vec![ipam.decide_change_pool(spec.clone())?])),
        |e: PoolError| pool_failure(&e),
    )?;
    Ok(one(session, &args.name))
}

fn pool_failure(error: &PoolError) -> Failure {
    let message = error.to_string();
    match error {
        PoolError::Exists(_) => Failure::no("exists", message, "pool"),
        PoolError::Overlap { .. } => Failure::no("overlap", message, "pool"),
        PoolError::InUse { .. } => Failure::no("in_use", message, "pool"),
        PoolError::EdgeInUse { .. } | PoolError::BarredInUse { .. } => {
            Failure::no("in_use", message, "pool")
        }
        PoolError::Unknown(_) => Failure::input(message, "pool").of_kind("unknown_pool"),
        _ => Failure::input(message, "pool"),
    }
}

/// A gateway that no host of the pool could reach is a slip of the pen. The core allows it, for whoever routes
/// single addresses.
fn check_gateway(spec: &PoolSpec) -> Result<(), Failure> {
    let (Some(gateway), cidr) = (spec.gateway, spec.cidr) else {
        return Ok(());
    };
    let refuse = |why: &str| {
        let message = format!("the gateway {gateway} {why}");
        Err(Failure::input(message, "--gateway"))
    };
    let link_local = match gateway {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    // Of the other family: the core says so.
    if gateway.is_ipv4() != cidr.first().is_ipv4() || link_local {
        return Ok(());
    }
    if !cidr.contains(gateway) {
        return refuse(&format!(
            "lies outside {cidr}, where no host of the pool reaches it: name one inside, or a link-local one"
        ));
    }
    if gateway.is_ipv4() && !cidr.usable().contains(gateway) {
        return refuse(&format!("is the network or broadcast address of {cidr}"));
    }
    Ok(())
}

pub(super) fn add(session: &mut Session, args: &PoolAddArgs) -> Result<Answer, Failure> {
    let spec = spec(args);
    check_gateway(&spec)?;
    session.transact(
        |ipam| Ok(((), vec![ipam.decide_add_pool(spec.clone())?])),
        |e: PoolError| pool_failure(&e),
    )?;
    Ok(one(session, &args.name))
}

/// One pool as it is now.
fn one(session: &Session, name: &str) -> Answer {
    match session.ipam().pool(name) {
        Some(pool) => Answer::done(text::pool_line(pool), text::pool(pool)),
        None => Answer::done(String::new(), json!({"name": name})),
    }
}

pub(super) fn list(session: &Session) -> Answer {
    let pools: Vec<_> = session.ipam().pools().map(text::pool).collect();
    let lines: String = session.ipam().pools().map(text::pool_line).collect();
    let lines = if lines.is_empty() {
        "no pools\n".into()
    } else {
        lines
    };
    Answer::done(lines, json!({"pools": pools}))
}

pub(super) fn remove(session: &mut Session, name: &str) -> Result<Answer, Failure> {
    session.transact(
        |ipam| Ok(((), vec![ipam.decide_remove_pool(name)?])),
        |e: PoolError| pool_failure(&e),
    )?;
    Ok(Answer::done(
        format!("{name} removed\n"),
        json!({"name": name, "removed": true}),
    ))
}

pub(super) fn drain(session: &mut Session, name: &str, on: bool) -> Result<Answer, Failure> {
    session.transact(
        |ipam| Ok(((), vec![ipam.decide_drain_pool(name, on)?])),
        |e: PoolError| pool_failure(&e),
    )?;
    Ok(one(session, name))
}

pub(super) fn grow(session: &mut Session, name: &str, cidr: Cidr) -> Result<Answer, Failure> {
    session.transact(
        |ipam| Ok(((), vec![ipam.decide_grow_pool(name, cidr)?])),
        |e: PoolError| pool_failure(&e),
    )?;
    Ok(one(session, name))
}

// Handed to `transact`, which gives it the refusal.
#[allow(clippy::needless_pass_by_value)]
fn reserve_failure(error: ReserveError) -> Failure {
    let message = error.to_string();
    match error {
        ReserveError::NoPool(_) => Failure::input(message, "--address").of_kind("no_pool"),
        ReserveError::Nothing
        | ReserveError::Parse(_)
        | ReserveError::Refused(ApplyError::Range { .. }) => Failure::input(message, "--address"),
        ReserveError::Refused(ApplyError::Name { state, field, .. })
            if state.contains("does not fit") =>
        {
            Failure::input(message, format!("--{field}"))
        }
        ReserveError::Refused(ApplyError::Name { state, .. }) if state.contains("moving") => {
            Failure::no("moving", message, "--workload")
        }
        ReserveError::Refused(_) => Failure::no("unavailable", message, "--address"),
    }
}

pub(super) fn reserve(session: &mut Session, args: &ReserveArgs) -> Result<Answer, Failure> {
    let workload = Identity::from((&*args.workload, &*args.interface));
    if args.remove {
        session.transact(
            |ipam| {
                let change = ipam.decide_unreserve(workload, &args.address)?;
                Ok(((), vec![change.into_owned()]))
            },
            |e: ApplyError| match &e {
                ApplyError::Range { .. } => Failure::no("not_reserved", e.to_string(), "--address"),
                ApplyError::Name { state, .. } if state.contains("moving") => {
                    Failure::no("moving", e.to_string(), "--workload")
                }
                _ => {
                    let message = format!("`{workload}` has no reservation");
                    Failure::no("not_reserved", message, "--workload")
                }
            },
        )?;
    } else {
        session.transact(
            |ipam| {
                let changes = match args.replace {
                    true => ipam.decide_replace_reservation(workload, &args.address)?,
                    false => vec![ipam.decide_reserve(workload, &args.address)?],
                };
                Ok(((), changes.into_iter().map(Change::into_owned).collect()))
            },
            reserve_failure,
        )?;
    }
    let kept: Vec<String> = session
        .ipam()
        .reserved_for(workload)
        .map(|a| a.to_string())
        .collect();
    let line = match kept.as_slice() {
        [] => format!("{workload}: nothing reserved\n"),
        kept => format!("{workload}: {}\n", kept.join(" ")),
    };
    Ok(Answer::done(
        line,
        json!({"workload": args.workload, "interface": args.interface, "reserved": kept}),
    ))
}

pub(super) fn set_host(session: &mut Session, args: &HostSetArgs) -> Result<Answer, Failure> {
    let (mut address, mut subnet) = (None, None);
    if let Some(text) = &args.address {
        let bad = || Failure::input(format!("`{text}` is not ADDRESS/LENGTH"), "--address");
        let (ip, length) = text.split_once('/').ok_or_else(bad)?;
        let ip: IpAddr = ip.parse().map_err(|_| bad())?;
        let length = length.parse().map_err(|_| bad())?;
        subnet = Some(Cidr::containing(ip, length).map_err(|_| bad())?);
        address = Some(ip);
    }
    let settings = HostSettings {
        block_limit: args.block_limit,
        draining: args.drain,
        starts: Vec::new(),
        address,
        subnet,
    };
    let (now, host) = (session.now(), args.name.clone());
    let set = ChangeKind::HostSet {
        host: host.clone().into(),
        settings: settings.clone(),
    };
    session.transact(
        |_| {
            Ok::<_, std::convert::Infallible>((
                (),
                vec![Change {
                    at: now,
                    kind: set.clone(),
                }],
            ))
        },
        |e| match e {},
    )?;
    let json = json!({"host": host, "settings": settings});
    Ok(Answer::done(format!("{host} set\n"), json))
}
