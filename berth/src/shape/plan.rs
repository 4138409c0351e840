//! `berth shape plan`: from the observed state to the declared policy.

use super::policy::{self, PolicyArgs};
use super::{EraArg, FileArg, forms, named, read};
use crate::answer::{Answer, Failure, json_text};
use clap::{Args, ValueEnum};
use netshape::observe::ObservedDocument;
use netshape::plan::{Plan, diff};
use netshape::text::printable;
use netshape::{Capabilities, Host, Netns, ObservedState, Refusal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// How the plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One command a line for a shell, each in the network namespace that it is for.
    Argv,
    /// Text for `tc -batch`, for one network namespace.
    Batch,
    /// The promised document, as with --json.
    Json,
    /// Netlink messages in text form, for one network namespace.
    Netlink,
}

/// Arguments of `berth shape plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// ObservedDocument state: the devices with their qdiscs, classes and filters, as one JSON document; without it nothing is on any device.
    #[arg(long, value_name = "FILE")]
    observed: Option<FileArg>,
    /// How to print the plan; for people, with each number's formula, when not given.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only what is for this network namespace: its name, `host`, or `pid:4242` for a process's (`netns:host` for one that is
    /// itself called host). A batch is run in it: `ip netns exec NAME tc -batch FILE`.
    #[arg(long, value_name = "NAME|host")]
    netns: Option<String>,
    /// Write a batch (or, with --format netlink, messages) for each network namespace into this folder, and a script that
    /// applies the batches in order.
    #[arg(long, value_name = "DIR")]
    out: Option<FileArg>,
    /// Plan nothing if anything of the policy is refused.
    #[arg(long)]
    strict: bool,
    /// The tc that will read it.
    #[arg(long, value_enum, default_value_t)]
    era: EraArg,
    /// The kernel has fq_codel.
    #[arg(long)]
    fq_codel: bool,
    /// Replace a root qdisc that is not ours, and move filters that are not ours behind ours.
    #[arg(long)]
    takeover: bool,
    /// Class numbers of an earlier plan: its document, or its `classes`. Containers keep theirs.
    #[arg(long, value_name = "FILE")]
    classes: Option<FileArg>,
}

pub(super) fn netns(text: &str) -> Result<Netns, Failure> {
    text.parse()
        .map_err(|e: Refusal| Failure::input(e.kind.to_string(), "--netns"))
}

fn observed(args: &PlanArgs) -> Result<ObservedState, Failure> {
    let Some(path) = &args.observed else {
        return Ok(ObservedState::new());
    };
    let place = path.display().to_string();
    let text = read(path)?;
    let seen: ObservedDocument = named::json(&text, &place)?;
    seen.state()
        .map_err(|e| Failure::input(e.to_string(), place))
}

/// Class numbers of an earlier plan.
pub(super) fn classes(file: Option<&Path>) -> Result<BTreeMap<String, u16>, Failure> {
    let Some(path) = file else {
        return Ok(BTreeMap::new());
    };
    let place = path.display().to_string();
    let bad = |e: serde_json::Error| Failure::input(e.to_string(), place.clone());
    let document: Value = named::json(&read(path)?, &place)?;
    let given = document.get("classes").cloned().unwrap_or(document);
    serde_json::from_value(given).map_err(bad)
}

pub(super) fn run(args: &PlanArgs) -> Result<Answer, Failure> {
    let policy = policy::read_policy(&args.policy)?;
    let observed = observed(args)?;
    let caps = Capabilities::default()
        .with_tick_rounding(args.era.into())
        .with_fq_codel(args.fq_codel)
        .with_takeover(args.takeover);
    let place = args.policy.desired.display().to_string();
    // Without a sound host nothing can be planned at all.
    let refusal = |r: Refusal| Failure::input(r.kind.to_string(), format!("{place}: {}", r.field));
    let planned = policy.host_on(&observed, caps, &classes(args.classes.as_deref())?);
    let (host, refused) = planned.map_err(refusal)?;
    let mut plan = diff(&observed, &host);
    let any_refused = !refused.is_empty() || !plan.refused().is_empty();
    if args.strict && any_refused {
        plan.clear();
    }
    tell_refused(&refused, &plan);
    let plan = match &args.netns {
        None => plan,
        Some(given) => forms::picked(&plan, &netns(given)?, &host, &observed)?,
    };
    let mut json = document(&plan, &host, &refused)?;
    let text = match &args.out {
        None => text(args, &plan, &host, &observed, &refused)?,
        Some(dir) => {
            let files = forms::files(&plan, &observed, out_format(args.format)?)?;
            write_files(dir, &files)?;
            let paths: Vec<String> = files
                .iter()
                .map(|(name, _)| dir.join(name).display().to_string())
                .collect();
            if let Value::Object(map) = &mut json {
                map.insert("files".to_owned(), json!(paths));
            }
            paths
                .iter()
                .map(|p| format!("{}\n", printable(p)))
                .collect()
        }
    };
    Ok(Answer {
        text,
        json,
        status: u8::from(any_refused),
    })
}

/// Says on standard error what is refused.
pub(super) fn tell_refused(refused: &[Refusal], plan: &Plan) {
    for refusal in refused.iter().chain(plan.refused()) {
        eprintln!("berth: refused: {refusal}");
    }
}

/// What `--out` writes: batches unless messages are asked for.
fn out_format(given: Option<Format>) -> Result<Format, Failure> {
    match given {
        None | Some(Format::Batch) => Ok(Format::Batch),
        Some(Format::Netlink) => Ok(Format::Netlink),
        Some(Format::Argv | Format::Json) => {
            let why = "files for each network namespace are batches or netlink messages: --format batch or netlink";
            Err(Failure::input(why, "--out"))
        }
    }
}

fn text(
    args: &PlanArgs,
    plan: &Plan,
    host: &Host,
    observed: &ObservedState,
    refused: &[Refusal],
) -> Result<String, Failure> {
    let one = |plan| match args.netns {
        None => forms::one_namespace(plan),
        Some(_) => Ok(()),
    };
    Ok(match args.format {
        None => explained(plan, host, refused),
        Some(Format::Argv) => plan.lines(),
        Some(Format::Batch) => {
            one(plan)?;
            forms::batch(plan)?
        }
        Some(Format::Json) => json_text(&document(plan, host, refused)?),
        Some(Format::Netlink) => {
            one(plan)?;
            forms::netlink(plan, observed)?
        }
    })
}

pub(super) fn document(plan: &Plan, host: &Host, refused: &[Refusal]) -> Result<Value, Failure> {
    let document = serde_json::to_value(plan.document(refused));
    let mut document = document.map_err(|e| Failure::input(e.to_string(), "plan"))?;
    let classes: BTreeMap<&str, u16> = host
        .containers()
        .filter_map(|(slot, c)| Some((c.id(), host.class_of(slot)?.minor())))
        .collect();
    if let Value::Object(map) = &mut document {
        map.insert("classes".to_owned(), json!(classes));
    }
    Ok(document)
}

pub(super) fn explained(plan: &Plan, host: &Host, refused: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refused.iter().chain(plan.refused()) {
        let _ = writeln!(text, "refused: {refusal}");
    }
    text.push_str(&plan.explain(host));
    text
}

/// Writes the files below `dir`, which is made where it is not there; says which.
fn write_files(dir: &Path, files: &[forms::File]) -> Result<(), Failure> {
    let io = |path: &Path| {
        let place = path.display().to_string();
        move |e: std::io::Error| Failure::io(&e, place)
    };
    std::fs::create_dir_all(dir).map_err(io(dir))?;
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(io(&path))?;
        #[cfg(unix)]
        if path.extension().is_some_and(|e| e == "sh") {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, mode).map_err(io(&path))?;
        }
    }
    Ok(())
}
