//! Looking at one address, and at what a claim would come to.

use super::args::ClaimArgs;
use super::claims::{Wish, claim_failure};
use super::session::Session;
use super::text;
use crate::answer::{Answer, Failure};
use ipam::{
    Identity,
    claim::{ClaimError, Holder},
};
use serde_json::{Value, json};
use std::net::IpAddr;

pub(super) fn who(session: &Session, address: IpAddr) -> Result<Answer, Failure> {
    let ipam = session.ipam();
    let outside = || {
        let message = format!("{address} is in no pool");
        session.perhaps_damaged(Failure::input(message, "ADDRESS").of_kind("no_pool"))
    };
    let holder = ipam.holder(address).ok_or_else(outside)?;
    let pool = ipam.pools().find(|p| p.spec().cidr.contains(address));
    let pool = pool.map(|p| p.spec().name.clone());
    let mut json = json!({
        "address": address, "pool": pool, "owner": null, "workload": null, "interface": null, "host": null,
        "sequence": null, "until_unix_ns": null, "reason": null,
    });
    let (state, words) = match holder {
        Holder::Held(claim) => {
            let shown = text::claim(claim);
            for key in [
                "owner",
                "workload",
                "interface",
                "host",
                "sequence",
                "until_unix_ns",
            ] {
                json[key] = shown[key].clone();
            }
            ("held", text::claim_line(claim).trim_end().to_owned())
        }
        Holder::Retained(workload) => {
            let retained = ipam.retained_at(address);
            let identity = retained.map_or(Identity::from(workload), |r| r.identity);
            json["workload"] = identity.workload.into();
            json["interface"] = identity.interface.into();
            json["until_unix_ns"] = retained
                .and_then(|r| r.until)
                .map(ipam::Timestamp::as_nanos)
                .into();
            ("kept", format!("kept for {identity}, held by nobody"))
        }
        Holder::Quarantined(until) => {
            json["until_unix_ns"] = until.as_nanos().into();
            ("quarantine", format!("in quarantine until {until}"))
        }
        Holder::Free => ("free", "free".into()),
        Holder::Excluded(what) => {
            json["reason"] = what.into();
            ("excluded", format!("never given out: it is {what}"))
        }
        Holder::SetAside => ("set_aside", "given out only when asked for".into()),
        Holder::Frozen => {
            let why = "a stored record that may hold it is damaged";
            json["reason"] = why.into();
            ("frozen", format!("given to nobody: {why}"))
        }
    };
    json["state"] = state.into();
    Ok(Answer::done(format!("{address}  {words}\n"), json))
}

/// What a claim would be given; a well-formed no where it would be refused.
pub(super) fn explain(session: &Session, args: &ClaimArgs) -> Result<Answer, Failure> {
    let wish = Wish::new(session.pools(), args)?;
    let request = wish.request();
    let ipam = session.ipam();
    let words = ipam.explain(&request);
    let decided = ipam.decide_claim(&request);
    let barred = decided.as_ref().ok().and_then(|decision| {
        let mut changes = decision.changes.iter();
        changes.find_map(|change| ipam.barred_by(session.rejected(), change))
    });
    if let Some(rejected) = barred {
        return Err(session.damaged(format!(
            "{rejected}; until it is repaired {}",
            rejected.frozen
        )));
    }
    let mut json = json!({
        "owner": args.owner, "granted": decided.is_ok(), "addresses": [], "considered": [], "kind": null,
        "explanation": words,
    });
    match decided {
        Ok(decision) => {
            let leases: Vec<Value> = decision.grant.leases.iter().map(text::lease).collect();
            json["addresses"] = leases.into();
            Ok(Answer::done(words, json))
        }
        Err(error) => {
            let failure = session.perhaps_damaged(claim_failure(&error, &wish.place()));
            if failure.status() != 1 {
                return Err(failure);
            }
            if let ClaimError::Exhausted { considered, .. } = &error {
                let one = |c: &ipam::claim::Considered| json!({"pool": c.pool, "reason": c.reason.to_string()});
                json["considered"] = considered.iter().map(one).collect();
            }
            json["kind"] = failure.kind.into();
            Ok(Answer {
                text: words,
                json,
                status: 1,
            })
        }
    }
}
