//! What is held, reserved, retained and in quarantine.

use super::session::Session;
use super::text;
use crate::answer::{Answer, Failure};
use ipam::{
    Identity, Timestamp,
    claim::{ClaimRef, Retained},
    pool::Quarantined,
};
use serde_json::{Value, json};

/// Everything, or what there is of one owner.
pub(super) fn show(session: &Session, owner: Option<&str>) -> Result<Answer, Failure> {
    let ipam = session.ipam();
    let mut retained = ipam.retained();
    let (mut claims, mut quarantined): (Vec<ClaimRef<'_>>, _) = match owner {
        None => (ipam.claims().collect(), ipam.quarantined()),
        Some(owner) => {
            let missing = || Failure::no("not_held", format!("`{owner}` holds nothing"), "--owner");
            let claim = ipam.claim_of(owner);
            let claim = claim.ok_or_else(|| session.perhaps_damaged(missing()))?;
            let identity = claim.workload().zip(claim.interface()).map(Identity::from);
            retained.retain(|r| Some(r.identity) == identity);
            (vec![claim], Vec::new())
        }
    };
    claims.sort_by_key(|c| c.owner());
    quarantined.sort_by_key(|q| q.until);
    let (reserved, kept): (Vec<_>, Vec<_>) = retained.into_iter().partition(|r| r.reserved);
    let json = json!({
        "claims": claims.iter().map(|&c| text::claim(c)).collect::<Vec<_>>(),
        "reserved": reserved.iter().map(reserved_json).collect::<Vec<_>>(),
        "kept": kept.iter().map(kept_json).collect::<Vec<_>>(),
        "quarantined": quarantined.iter().map(quarantined_json).collect::<Vec<_>>(),
    });
    let mut lines: String = claims.iter().map(|&c| text::claim_line(c)).collect();
    if lines.is_empty() {
        lines = "no claims\n".into();
    }
    let now = ipam.now();
    lines.extend(reserved.iter().map(reserved_line));
    lines.extend(kept.iter().map(|k| kept_line(k, now)));
    lines.extend(quarantined.iter().map(|q| quarantined_line(q, now)));
    Ok(Answer::done(lines, json))
}

fn reserved_json(one: &Retained<'_>) -> Value {
    json!({
        "workload": one.identity.workload,
        "interface": one.identity.interface,
        "address": one.address,
        "pool": one.pool,
        "owner": one.holder.map(ClaimRef::owner),
    })
}

fn kept_json(one: &Retained<'_>) -> Value {
    json!({
        "workload": one.identity.workload,
        "interface": one.identity.interface,
        "address": one.address,
        "pool": one.pool,
        "until_unix_ns": one.until.map(Timestamp::as_nanos),
    })
}

fn quarantined_json(one: &Quarantined<'_>) -> Value {
    json!({
        "address": one.address,
        "pool": one.pool,
        "since_unix_ns": one.since.as_nanos(),
        "until_unix_ns": one.until.as_nanos(),
    })
}

fn reserved_line(one: &Retained<'_>) -> String {
    let held = one.holder.map_or_else(
        || "held by nobody".into(),
        |claim| format!("held by {}", claim.owner()),
    );
    format!("reserved  {}  {}  {held}\n", one.address, one.identity)
}

fn kept_line(one: &Retained<'_>, now: Timestamp) -> String {
    let until = one.until.map_or_else(
        || "until its move is over".into(),
        |until| format!("for {} s more", until.since(now).as_secs()),
    );
    format!("kept  {}  {}  {until}\n", one.address, one.identity)
}

fn quarantined_line(one: &Quarantined<'_>, now: Timestamp) -> String {
    let left = one.until.since(now).as_secs();
    let pool = one.pool.unwrap_or("its pool is gone");
    format!("quarantine  {}  {pool}  for {left} s more\n", one.address)
}
