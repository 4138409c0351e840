//! Collection, checks, dump and load.

use super::args::{FsckArgs, GcArgs};
use super::session::Session;
use crate::answer::{Answer, Failure};
use ipam::{Ipam, collect::Census, store::Record};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// A file's or standard input's text.
fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let outcome = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::File::open(path)
            .and_then(|mut f| f.read_to_string(&mut text))
            .map(|_| ())
    };
    match outcome {
        Ok(()) => Ok(text),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Failure::input("not UTF-8 text", path.display().to_string()))
        }
        Err(e) => Err(Failure::io(&e, path.display().to_string())),
    }
}

pub(super) fn gc(session: &mut Session, args: &GcArgs) -> Result<Answer, Failure> {
    // Who claims after the list was begun is not on it: the pass begins before the list is read.
    let began = session.now();
    let live: Option<BTreeSet<String>> = match &args.live {
        None => None,
        Some(path) => Some(
            read(path)?
                .lines()
                .map(|l| l.trim().to_owned())
                .filter(|l| !l.is_empty())
                .collect(),
        ),
    };
    // What damage stands in the way of waits until it is repaired.
    let rejected = session.rejected().to_vec();
    let lives = |owner: &str| live.as_ref().is_none_or(|live| live.contains(owner));
    let census = Census {
        began,
        grace: args.grace,
        lives: &lives,
    };
    let census = live.is_some().then_some(census);
    let pass = session.transact(
        |ipam| {
            let mut pass = ipam.decide_collection(&rejected, census);
            let changes = std::mem::take(&mut pass.changes);
            Ok::<_, Infallible>((pass, changes))
        },
        |e| match e {},
    )?;
    let (suspects, released, blocks) = (pass.suspects, pass.released, pass.blocks);
    let text = format!(
        "{} suspects, {} released, {blocks} blocks given up\n",
        suspects.len(),
        released.len()
    );
    let json = json!({"suspects": suspects, "released": released, "blocks_reclaimed": blocks});
    Ok(Answer::done(text, json))
}

pub(super) fn fsck(session: &mut Session, args: &FsckArgs) -> Result<Answer, Failure> {
    session.inspect()?;
    let found = session.ipam().fsck(args.grace, session.rejected());
    let mut left = found.len();
    if args.repair {
        let damaged: Vec<String> = session.rejected().iter().map(|m| m.key.clone()).collect();
        session.rebuild()?;
        if !args.forget.is_empty() {
            let keys = &args.forget;
            let damaged_now = |k: &String| session.rejected().iter().any(|m| m.key == *k);
            let known = |k: &&String| damaged.contains(k) || damaged_now(k);
            match keys.iter().find(|k| !known(k)) {
                _ if keys.iter().any(String::is_empty) => session.discard(None)?,
                None => session.discard(Some(keys))?,
                Some(key) => {
                    let message = format!("`{key}` is not the key of a damaged record");
                    return Err(Failure::input(message, "--forget"));
                }
            };
            // What waited for those can be rebuilt now.
            session.rebuild()?;
        }
        release_what_is_over(session, args.grace)?;
        left = session.ipam().fsck(args.grace, session.rejected()).len();
    }
    let problems: Vec<Value> = found
        .iter()
        .map(|p| json!({"kind": p.kind, "what": p.subject, "repair": p.repair}))
        .collect();
    let damaged: Vec<&str> = session.rejected().iter().map(|m| &*m.key).collect();
    let (claims, pools) = (session.ipam().claim_count(), session.ipam().pools().count());
    let mut text: String = found
        .iter()
        .map(|p| format!("{}: {}: {}\n", p.kind, p.subject, p.repair))
        .collect();
    let done = if args.repair {
        format!(", {left} left after repair")
    } else {
        String::new()
    };
    text += &format!(
        "{} problems{done}; {claims} claims, {pools} pools\n",
        found.len()
    );
    let repaired = if args.repair {
        found.len() - left.min(found.len())
    } else {
        0
    };
    let json = json!({
        "problems": problems, "claims": claims, "pools": pools,
        "repaired": repaired, "left": left, "damaged": damaged,
    });
    Ok(Answer {
        text,
        json,
        status: u8::from(left > 0),
    })
}

/// Carries out the repairs that are changes, those aside that damage stands in the way of.
fn release_what_is_over(session: &mut Session, grace: Duration) -> Result<(), Failure> {
    let rejected = session.rejected().to_vec();
    session.transact(
        |ipam| {
            let problems = ipam.fsck(grace, &[]);
            let changes = problems.into_iter().flat_map(|p| p.changes);
            let changes = changes.filter(|c| ipam.barred_by(&rejected, c).is_none());
            Ok::<_, Infallible>(((), changes.collect()))
        },
        |e| match e {},
    )
}

pub(super) fn dump(session: &Session) -> Result<Answer, Failure> {
    let json = json!({"version": 1, "sequence": session.ipam().sequence(), "records": session.ipam().records()});
    let text = serde_json::to_string_pretty(&json)
        .map_err(|e| Failure::io(&std::io::Error::other(e), "dump"))?;
    Ok(Answer::done(text + "\n", json))
}

/// Sequences of a dump go up to here: whoever loads it has as many still to give as it can ever have used.
const MOST_SEQUENCE: u64 = 1 << 62;

/// The last sequence number that a dump's store had given; none of its claims has a later one.
fn last_sequence(document: &Value, ipam: &Ipam, place: &str) -> Result<u64, Failure> {
    let wrong = |message: String| Failure::input(message, format!("{place}: sequence"));
    let told = &document["sequence"];
    let sequence = told.as_u64().filter(|s| *s <= MOST_SEQUENCE);
    let sequence =
        sequence.ok_or_else(|| wrong(format!("it is {told}, want 0 to {MOST_SEQUENCE} (2^62)")))?;
    let highest = ipam.sequence();
    if highest > sequence {
        let message = format!("it is {sequence}, but a claim of the dump has {highest}");
        return Err(wrong(message));
    }
    Ok(sequence)
}

pub(super) fn load(session: &mut Session, file: &Path, replace: bool) -> Result<Answer, Failure> {
    let place = file.display().to_string();
    let document: Value = serde_json::from_str(&read(file)?)
        .map_err(|e| Failure::input(format!("not a dump: {e}"), &*place))?;
    if document["version"] != 1 {
        return Err(Failure::input(
            "not a dump of version 1",
            format!("{place}: version"),
        ));
    }
    let mut records: Vec<Record<'static>> = Vec::new();
    for (i, record) in document["records"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let record = serde_json::from_value(record.clone())
            .map_err(|e| Failure::input(e.to_string(), format!("{place}: records[{i}]")))?;
        records.push(record);
    }
    let (mut ipam, rejected) = Ipam::restore(session.now(), records);
    if let Some(first) = rejected.first() {
        let count = rejected.len();
        let message = format!(
            "{} {} ({count} records do not fit)",
            first.subject, first.reason
        );
        return Err(Failure::input(message, format!("{place}: {}", first.key)));
    }
    ipam.resume_sequence(last_sequence(&document, &ipam, &place)?);
    let here = session.ipam();
    if !replace && (here.claim_count() > 0 || here.pools().next().is_some()) {
        let message = "the store is not empty; --replace drops what is in it";
        return Err(Failure::no("not_empty", message, "--store"));
    }
    session.replace(&ipam)?;
    let (claims, pools) = (session.ipam().claim_count(), session.ipam().pools().count());
    let json = json!({"claims": claims, "pools": pools});
    Ok(Answer::done(
        format!("{claims} claims, {pools} pools\n"),
        json,
    ))
}
