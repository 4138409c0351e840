//! Renewals and releases: of one owner, or of all claims of a host or a workload.

use super::args::{ReleaseArgs, RenewArgs, Whose};
use super::session::Session;
use crate::answer::{Answer, Failure};
use ipam::{
    Change, Ipam, Timestamp,
    claim::{ClaimRef, ReleaseError, RenewError},
};
use serde_json::{Value, json};

fn renew_kind(error: &RenewError) -> &'static str {
    match error {
        RenewError::Expired { .. } => "expired",
        RenewError::Gone { .. } => "gone",
        RenewError::Fenced { .. } => "fenced",
    }
}

/// The claims of a host or a workload, by owner.
fn claims_of<'a>(ipam: &'a Ipam, whose: &Whose, interface: Option<&str>) -> Vec<ClaimRef<'a>> {
    let mut claims: Vec<ClaimRef<'a>> = match (&whose.host, &whose.workload) {
        (Some(host), _) => ipam.claims_of_host(host).collect(),
        (_, Some(workload)) => ipam.claims_of_workload(workload).collect(),
        _ => Vec::new(),
    };
    if let Some(interface) = interface {
        claims.retain(|c| c.interface() == Some(interface));
    }
    claims.sort_by_key(|c| c.owner());
    claims
}

/// Whose claims they are, as option, name and key of the answer.
fn named(whose: &Whose) -> (&'static str, &str, &'static str) {
    match (&whose.host, &whose.workload) {
        (Some(host), _) => ("--host", host, "host"),
        (_, Some(workload)) => ("--workload", workload, "workload"),
        _ => ("--owner", "", "owner"),
    }
}

fn nothing(whose: &Whose) -> Failure {
    let (option, name, _) = named(whose);
    Failure::no("not_held", format!("`{name}` holds nothing"), option)
}

pub(super) fn renew(session: &mut Session, args: &RenewArgs) -> Result<Answer, Failure> {
    let (Some(owner), Some(sequence)) = (&args.whose.owner, args.sequence) else {
        return renew_all(session, args);
    };
    let lease = args.lease;
    session.transact(
        |ipam| {
            Ok((
                (),
                vec![ipam.decide_renew(owner, sequence, lease)?.into_owned()],
            ))
        },
        |e: RenewError| Failure::no(renew_kind(&e), e.to_string(), "--owner"),
    )?;
    Ok(renewed(owner, sequence, until(session, owner)))
}

/// The answer of a renewal.
pub(super) fn renewed(owner: &str, sequence: u64, until: Option<Timestamp>) -> Answer {
    let until = until.map(Timestamp::as_nanos);
    let json = json!({"owner": owner, "sequence": sequence, "until_unix_ns": until});
    Answer::done(format!("{owner} #{sequence} renewed\n"), json)
}

fn until(session: &Session, owner: &str) -> Option<Timestamp> {
    session.ipam().claim_of(owner)?.until()
}

/// Renews what can be renewed, and tells of the rest: exit 1 if there is any.
fn renew_all(session: &mut Session, args: &RenewArgs) -> Result<Answer, Failure> {
    let whose = &args.whose;
    let (renewed, refused) = session.transact(
        |ipam| {
            let (mut renewed, mut refused, mut changes) = (Vec::new(), Vec::new(), Vec::new());
            for claim in claims_of(ipam, whose, args.interface.as_deref()) {
                match ipam.decide_renew(claim.owner(), claim.sequence(), args.lease) {
                    Ok(change) => {
                        changes.push(change.into_owned());
                        renewed.push((claim.owner().to_owned(), claim.sequence()));
                    }
                    Err(error) => refused.push((claim.owner().to_owned(), error)),
                }
            }
            match renewed.is_empty() && refused.is_empty() {
                true => Err(nothing(whose).to_string()),
                false => Ok(((renewed, refused), changes)),
            }
        },
        |_| nothing(whose),
    )?;
    let (_, name, key) = named(whose);
    let mut text = String::new();
    for (owner, sequence) in &renewed {
        text += &format!("{owner} #{sequence} renewed\n");
    }
    for (_, error) in &refused {
        text += &format!("{error}\n");
    }
    let each = |(owner, sequence): &(String, u64)| {
        let until = until(session, owner).map(Timestamp::as_nanos);
        json!({"owner": owner, "sequence": sequence, "until_unix_ns": until})
    };
    let renewed: Vec<Value> = renewed.iter().map(each).collect();
    let each = |(owner, error): &(String, RenewError)| json!({"owner": owner, "kind": renew_kind(error), "message": error.to_string()});
    let refused: Vec<Value> = refused.iter().map(each).collect();
    let status = u8::from(!refused.is_empty());
    let json = json!({key: name, "renewed": renewed, "refused": refused});
    Ok(Answer { text, json, status })
}

pub(super) fn release(session: &mut Session, args: &ReleaseArgs) -> Result<Answer, Failure> {
    let Some(owner) = &args.whose.owner else {
        return release_all(session, args);
    };
    let sequence = session.transact(
        |ipam| {
            let held = || ipam.claim_of(owner).map(ClaimRef::sequence);
            let sequence = args.sequence.or_else(held).unwrap_or_default();
            let change = ipam.decide_release(owner, sequence)?.into_owned();
            Ok((sequence, vec![change]))
        },
        |e: ReleaseError| {
            let kind = match e {
                ReleaseError::Unknown { .. } => "not_held",
                ReleaseError::Stale { .. } => "stale",
            };
            Failure::no(kind, e.to_string(), "--owner")
        },
    )?;
    Ok(released(owner, sequence))
}

/// The answer of a release.
pub(super) fn released(owner: &str, sequence: u64) -> Answer {
    let json = json!({"owner": owner, "sequence": sequence, "released": true});
    Answer::done(format!("{owner} #{sequence} released\n"), json)
}

/// All of them, or none.
fn release_all(session: &mut Session, args: &ReleaseArgs) -> Result<Answer, Failure> {
    let whose = &args.whose;
    let released = session.transact(
        |ipam| {
            let (mut released, mut changes): (_, Vec<Change<'static>>) = (Vec::new(), Vec::new());
            for claim in claims_of(ipam, whose, args.interface.as_deref()) {
                let change = ipam.decide_release(claim.owner(), claim.sequence());
                changes.push(change.map_err(|e| e.to_string())?.into_owned());
                released.push((claim.owner().to_owned(), claim.sequence()));
            }
            match released.is_empty() {
                true => Err(nothing(whose).to_string()),
                false => Ok((released, changes)),
            }
        },
        |_| nothing(whose),
    )?;
    let (_, name, key) = named(whose);
    let text = released
        .iter()
        .map(|(owner, sequence)| format!("{owner} #{sequence} released\n"))
        .collect();
    let each = |(owner, sequence): &(String, u64)| json!({"owner": owner, "sequence": sequence});
    let released: Vec<Value> = released.iter().map(each).collect();
    Ok(Answer::done(text, json!({key: name, "released": released})))
}
