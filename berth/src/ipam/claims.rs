//! Claims, releases, moves.

use super::args::{ClaimArgs, FamilyArg};
use super::session::Session;
use super::text;
use crate::answer::{Answer, Failure};
use ipam::{
    Grant, Identity, PoolSpec, Request, Retention,
    claim::{ClaimError, Families, MoveError, UnavailableReason},
    net::{AddressRange, Family},
};
use serde_json::json;

pub(super) fn claim_failure(error: &ClaimError, place: &str) -> Failure {
    let message = error.to_string();
    match error {
        ClaimError::Exhausted { .. } => Failure::no("exhausted", message, place),
        ClaimError::Different { .. } => Failure::no("different", message, "--owner"),
        ClaimError::Moving { .. } => Failure::no("moving", message, "--workload"),
        ClaimError::Held { .. } => Failure::no("held", message, "--workload"),
        ClaimError::Unavailable {
            reason: UnavailableReason::NoPool,
            ..
        } => Failure::input(message, place).of_kind("no_pool"),
        ClaimError::Unavailable { .. } => Failure::no("unavailable", message, place),
        ClaimError::UnknownPool(_) => Failure::input(message, "--pool").of_kind("unknown_pool"),
        ClaimError::Name { field, .. } => Failure::input(message, format!("--{field}")),
        ClaimError::NeedsWorkload => Failure::input(message, "--workload"),
        ClaimError::Addresses { .. } => Failure::input(message, "--family"),
    }
}

/// The answer of a claim.
pub(super) fn granted(
    owner: &str,
    workload: Option<&str>,
    interface: &str,
    grant: &Grant,
) -> Answer {
    let mut lines = String::new();
    for lease in &grant.leases {
        let gateway = lease
            .gateway
            .map_or_else(String::new, |g| format!("  via {g}"));
        let vlan = lease
            .vlan
            .map_or_else(String::new, |v| format!("  vlan {v}"));
        let (address, length) = (lease.address, lease.prefix_length);
        lines += &format!("{address}/{length}  {}{gateway}{vlan}\n", lease.pool);
    }
    if grant.early() {
        lines += "taken from quarantine before its time\n";
    }
    let json = json!({
        "owner": owner,
        "workload": workload,
        "interface": interface,
        "sequence": grant.sequence,
        "until_unix_ns": grant.until.map(ipam::Timestamp::as_nanos),
        "early": grant.early(),
        "reused": grant.reused(),
        "addresses": grant.leases.iter().map(text::lease).collect::<Vec<_>>(),
    });
    Answer::done(lines, json)
}

/// The families wanted: as said, else of the addresses, else of the pools named, IPv4 where both would do.
fn families<'p>(
    pools: impl Iterator<Item = &'p PoolSpec>,
    args: &ClaimArgs,
    fixed: &[AddressRange],
) -> Families {
    let of = |families: Vec<Family>| {
        let (v4, v6) = (
            families.contains(&Family::V4),
            families.contains(&Family::V6),
        );
        (v4, v6)
    };
    let asked = args
        .address
        .iter()
        .map(|&a| Family::of(a))
        .chain(fixed.iter().map(|r| r.family()));
    match (args.family, of(asked.collect())) {
        (Some(FamilyArg::V4), _) | (None, (true, false)) => Families::V4,
        (Some(FamilyArg::V6), _) | (None, (false, true)) => Families::V6,
        (Some(FamilyArg::Dual), _) | (None, (true, true)) => Families::Dual,
        (None, (false, false)) => {
            let named = |name: &str| args.pool.is_empty() || args.pool.iter().any(|p| p == name);
            let pools = pools.filter(|spec| named(&spec.name));
            match of(pools.map(|spec| spec.cidr.family()).collect()) {
                (false, true) => Families::V6,
                _ => Families::V4,
            }
        }
    }
}

/// A claim as the command line asks for it.
pub(super) struct Wish<'a> {
    args: &'a ClaimArgs,
    fixed: Vec<AddressRange>,
    pools: Vec<&'a str>,
    labels: Vec<(&'a str, &'a str)>,
    families: Families,
}

impl<'a> Wish<'a> {
    pub(super) fn new<'p>(
        pools: impl Iterator<Item = &'p PoolSpec>,
        args: &'a ClaimArgs,
    ) -> Result<Self, Failure> {
        let bad = |e: ipam::net::ParseError| Failure::input(e.to_string(), "--fixed");
        let fixed: Vec<AddressRange> = match args.fixed.as_deref() {
            None | Some("") => Vec::new(),
            Some(list) => list
                .split(',')
                .map(|a| a.parse().map_err(bad))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            families: families(pools, args, &fixed),
            fixed,
            pools: args.pool.iter().map(String::as_str).collect(),
            labels: args.label.iter().map(|(k, v)| (&**k, &**v)).collect(),
            args,
        })
    }

    pub(super) fn request(&self) -> Request<'_> {
        let args = self.args;
        Request {
            owner: &args.owner,
            workload: args.workload.as_deref(),
            interface: &args.interface,
            host: args.host.as_deref(),
            retention: match (args.sticky, &args.fixed) {
                (Some(ttl), _) => Retention::Sticky(ttl),
                (None, Some(_)) => Retention::Fixed(&self.fixed),
                (None, None) => Retention::Ephemeral,
            },
            families: self.families,
            pools: &self.pools,
            labels: &self.labels,
            addresses: &args.address,
            after: None,
            lease: args.lease,
        }
    }

    /// What a refusal is about.
    pub(super) fn place(&self) -> String {
        let args = self.args;
        match (
            args.address.as_slice(),
            args.fixed.as_deref(),
            args.pool.first(),
        ) {
            ([_, ..], ..) => "--address".to_owned(),
            (_, Some(fixed), _) if !fixed.is_empty() => "--fixed".to_owned(),
            (.., Some(pool)) => format!("--pool {pool}"),
            _ => String::new(),
        }
    }
}

pub(super) fn claim(session: &mut Session, args: &ClaimArgs) -> Result<Answer, Failure> {
    let wish = Wish::new(session.pools(), args)?;
    let (request, place) = (wish.request(), wish.place());
    let grant = session.transact(
        |ipam| {
            let decision = ipam.decide_claim(&request)?;
            let changes = decision
                .changes
                .into_iter()
                .map(ipam::Change::into_owned)
                .collect();
            Ok((decision.grant, changes))
        },
        |e: ClaimError| claim_failure(&e, &place),
    )?;
    let workload = args.workload.as_deref();
    Ok(granted(&args.owner, workload, &args.interface, &grant))
}

// Handed to `transact`, which gives it the refusal.
#[allow(clippy::needless_pass_by_value)]
fn move_failure(error: MoveError) -> Failure {
    let kind = match &error {
        MoveError::Claim(claim) => return claim_failure(claim, "--owner"),
        MoveError::StillHeld { .. } => "still_held",
        MoveError::Moving { .. } => "moving",
        MoveError::NotMoving { .. } => "not_moving",
        MoveError::NotThere { .. } | MoveError::Ephemeral { .. } | MoveError::SameHost { .. } => {
            "cannot_move"
        }
    };
    Failure::no(kind, error.to_string(), "--workload")
}

pub(super) fn begin_move(
    session: &mut Session,
    (workload, interface): (&str, &str),
    from: &str,
    to: &str,
) -> Result<Answer, Failure> {
    session.transact(
        |ipam| {
            Ok((
                (),
                vec![
                    ipam.decide_begin_move((workload, interface), from, to)?
                        .into_owned(),
                ],
            ))
        },
        move_failure,
    )?;
    let json = json!({
        "workload": workload, "interface": interface, "from": from, "to": to, "moving": true,
    });
    let who = Identity::from((workload, interface));
    Ok(Answer::done(
        format!("{who} leaves {from} for {to}\n"),
        json,
    ))
}

pub(super) fn finish_move(
    session: &mut Session,
    (workload, interface): (&str, &str),
    owner: &str,
) -> Result<Answer, Failure> {
    let grant = session.transact(
        |ipam| {
            let decision = ipam.decide_finish_move((workload, interface), owner)?;
            let changes = decision
                .changes
                .into_iter()
                .map(ipam::Change::into_owned)
                .collect();
            Ok((decision.grant, changes))
        },
        move_failure,
    )?;
    Ok(granted(owner, Some(workload), interface, &grant))
}

pub(super) fn abort_move(
    session: &mut Session,
    (workload, interface): (&str, &str),
) -> Result<Answer, Failure> {
    session.transact(
        |ipam| {
            Ok((
                (),
                vec![ipam.decide_abort_move((workload, interface))?.into_owned()],
            ))
        },
        move_failure,
    )?;
    let json = json!({"workload": workload, "interface": interface, "moving": false});
    let who = Identity::from((workload, interface));
    Ok(Answer::done(format!("{who} stays\n"), json))
}
