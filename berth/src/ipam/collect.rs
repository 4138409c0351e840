//! Collection, checks, routes, dump and load.

use super::args::{GcArgs, RoutesArgs, TunnelArg, WrapArg};
use super::session::Session;
use crate::answer::{Answer, Failure};
use ipam::{
    Change, Encapsulation, Ipam, Node, Record, RoutePolicy, Tunnel, What, Wrap, encapsulation,
};
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
    let (suspects, released, blocks) = session.transact(
        |ipam| {
            let mut changes = ipam.decide_expire();
            let mut released: Vec<String> = changes.iter().filter_map(owner_of).collect();
            let mut suspects = Vec::new();
            if let Some(live) = &live {
                let over: BTreeSet<String> = released.iter().cloned().collect();
                let lives = |owner: &str| live.contains(owner) || over.contains(owner);
                let pass = ipam.decide_reconcile(began, args.grace, lives);
                let over = |c: &Change<'_>| owner_of(c).is_none_or(|o| !released.contains(&o));
                changes.extend(pass.changes.into_iter().filter(over));
                released.extend(pass.released);
                suspects = pass.suspects;
            }
            let tidy = ipam.decide_tidy_blocks();
            let blocks = tidy
                .iter()
                .filter(|c| matches!(c.what, What::BlockReleased { .. }))
                .count();
            changes.extend(tidy);
            Ok::<_, Infallible>(((suspects, released, blocks), changes))
        },
        |e| match e {},
    )?;
    let text = format!(
        "{} suspects, {} released, {blocks} blocks given up\n",
        suspects.len(),
        released.len()
    );
    let json = json!({"suspects": suspects, "released": released, "blocks_reclaimed": blocks});
    Ok(Answer::done(text, json))
}

/// The owner that a change is about.
fn owner_of(change: &Change<'_>) -> Option<String> {
    match &change.what {
        What::Released { owner, .. } | What::Cleared { owner } | What::Suspected { owner, .. } => {
            Some(owner.to_string())
        }
        _ => None,
    }
}

pub(super) fn fsck(
    session: &mut Session,
    repair: bool,
    grace: Duration,
) -> Result<Answer, Failure> {
    let found = session.ipam().fsck(grace, session.misfits());
    let mut left = found.len();
    if repair {
        session.drop_misfits()?;
        session.transact(
            |ipam| {
                let problems = ipam.fsck(grace, &[]);
                let changes = problems.into_iter().flat_map(|p| p.changes).collect();
                Ok::<_, Infallible>(((), changes))
            },
            |e| match e {},
        )?;
        left = session.ipam().fsck(grace, session.misfits()).len();
    }
    let problems: Vec<Value> = found
        .iter()
        .map(|p| json!({"kind": p.kind, "what": p.what, "repair": p.repair}))
        .collect();
    let (claims, pools) = (session.ipam().claim_count(), session.ipam().pools().count());
    let mut text: String = found
        .iter()
        .map(|p| format!("{}: {}: {}\n", p.kind, p.what, p.repair))
        .collect();
    let done = if repair {
        format!(", {left} left after repair")
    } else {
        String::new()
    };
    text += &format!(
        "{} problems{done}; {claims} claims, {pools} pools\n",
        found.len()
    );
    let json = json!({
        "problems": problems, "claims": claims, "pools": pools,
        "repaired": if repair { found.len() - left.min(found.len()) } else { 0 }, "left": left,
    });
    Ok(Answer {
        text,
        json,
        status: u8::from(left > 0),
    })
}

pub(super) fn routes(session: &Session, args: &RoutesArgs) -> Result<Answer, Failure> {
    let ipam = session.ipam();
    if let Some(host) = &args.host
        && ipam.host_settings(host).is_none()
    {
        return Err(Failure::no(
            "unknown_host",
            format!("nothing is known of `{host}`"),
            "--host",
        ));
    }
    let policy = RoutePolicy {
        wrap: match args.wrap {
            WrapArg::Never => Wrap::Never,
            WrapArg::CrossSubnet => Wrap::CrossSubnet,
            WrapArg::Always => Wrap::Always,
        },
        tunnel: match args.tunnel {
            TunnelArg::Ipip => Tunnel::Ipip,
            TunnelArg::Vxlan => Tunnel::Vxlan,
        },
        gateways_know: args.gateways_know,
    };
    let from = args.host.as_deref().and_then(|h| node(ipam, h));
    let mut routes = Vec::new();
    let mut text = String::new();
    for host in ipam.hosts().filter(|h| args.host.as_deref() != Some(h)) {
        let to = node(ipam, host);
        for prefix in ipam.routes(host) {
            let across = match (&from, &to) {
                (Some(from), Some(to)) => encapsulation(from, to, prefix.family(), policy)
                    .map_err(|e| Failure::no("undeliverable", e.to_string(), "--wrap"))?,
                // Without the hosts' addresses there is nothing to choose by.
                _ => Encapsulation::None,
            };
            let via = to.map_or_else(|| host.to_owned(), |n| n.address.to_string());
            text += &format!("{prefix}  {}  via {via}\n", across.name());
            routes.push(json!({
                "prefix": prefix, "encapsulation": across.name(), "via": via, "of": host,
            }));
        }
    }
    let text = if text.is_empty() {
        "no routes\n".into()
    } else {
        text
    };
    let host = args.host.as_deref().unwrap_or_default();
    Ok(Answer::done(text, json!({"host": host, "routes": routes})))
}

fn node<'a>(ipam: &'a Ipam, name: &'a str) -> Option<Node<'a>> {
    let settings = ipam.host_settings(name)?;
    Some(Node {
        name,
        address: settings.address?,
        subnet: settings.subnet?,
    })
}

pub(super) fn dump(session: &Session) -> Result<Answer, Failure> {
    let json = json!({"version": 1, "sequence": session.ipam().sequence(), "records": session.ipam().records()});
    let text = serde_json::to_string_pretty(&json)
        .map_err(|e| Failure::io(&std::io::Error::other(e), "dump"))?;
    Ok(Answer::done(text + "\n", json))
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
    let (mut ipam, misfits) = Ipam::restore(session.now(), records);
    if let Some(misfit) = misfits.first() {
        let message = format!(
            "{} {} ({} records do not fit)",
            misfit.what,
            misfit.why,
            misfits.len()
        );
        return Err(Failure::input(message, format!("{place}: {}", misfit.key)));
    }
    ipam.resume_sequence(document["sequence"].as_u64().unwrap_or(0));
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
