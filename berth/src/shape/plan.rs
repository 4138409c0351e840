//! `berth shape plan`: from the observed state to the declared policy.

use super::{EraArg, FileArg, named, policy, read};
use crate::answer::{Answer, Failure};
use clap::{Args, ValueEnum};
use netshape::wire::hex_of;
use netshape::{Capabilities, Host, Kernel, Observed, Plan, Refusal, diff};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How the plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One tc command a line.
    Argv,
    /// Text for `tc -batch`.
    Batch,
    /// The promised document, as with --json.
    Json,
    /// Netlink messages in text form.
    Netlink,
}

/// Arguments of `berth shape plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The policy, TOML or JSON.
    #[arg(long, value_name = "FILE")]
    desired: FileArg,
    /// What `berth shape show --json` printed; without it nothing is on any device.
    #[arg(long, value_name = "FILE")]
    observed: Option<FileArg>,
    /// How to print the plan; for people, with each number's formula, when not given.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Plan nothing if anything of the policy is refused.
    #[arg(long)]
    strict: bool,
    /// The tc that will read it.
    #[arg(long, value_enum, default_value_t)]
    era: EraArg,
    /// The kernel has fq_codel.
    #[arg(long)]
    fq_codel: bool,
    /// Replace a root qdisc that is not ours.
    #[arg(long)]
    takeover: bool,
    /// Class numbers of an earlier plan: its document, or its `classes`. Containers keep theirs.
    #[arg(long, value_name = "FILE")]
    classes: Option<FileArg>,
}

fn observed(args: &PlanArgs) -> Result<Kernel, Failure> {
    let Some(path) = &args.observed else {
        return Ok(Kernel::new());
    };
    let place = path.display().to_string();
    let text = read(path)?;
    let seen: Observed = named::json(&text, &place)?;
    seen.kernel()
        .map_err(|e| Failure::input(e.to_string(), place))
}

fn classes(args: &PlanArgs) -> Result<BTreeMap<String, u16>, Failure> {
    let Some(path) = &args.classes else {
        return Ok(BTreeMap::new());
    };
    let place = path.display().to_string();
    let bad = |e: serde_json::Error| Failure::input(e.to_string(), place.clone());
    let document: Value = named::json(&read(path)?, &place)?;
    let given = document.get("classes").cloned().unwrap_or(document);
    serde_json::from_value(given).map_err(bad)
}

pub(super) fn run(args: &PlanArgs) -> Result<Answer, Failure> {
    let policy = policy::read_policy(&args.desired)?;
    let kernel = observed(args)?;
    let caps = Capabilities {
        era: args.era.into(),
        fq_codel: args.fq_codel,
        takeover: args.takeover,
        ..Capabilities::default()
    };
    let place = args.desired.display().to_string();
    // Without a sound host nothing can be planned at all.
    let refusal = |r: Refusal| Failure::input(r.kind.to_string(), format!("{place}: {}", r.field));
    let (host, refused) = policy.host(caps, &classes(args)?).map_err(refusal)?;
    let nothing = args.strict && !refused.is_empty();
    let plan = if nothing {
        Plan::new(args.era.into())
    } else {
        diff(&kernel, &host)
    };
    for refusal in &refused {
        eprintln!("berth: refused: {refusal}");
    }
    let text = match args.format {
        None => explained(&plan, &host, &refused),
        Some(Format::Argv) => argv(&plan),
        Some(Format::Batch) => plan.batch(),
        Some(Format::Json) => format!("{}\n", document(&plan, &host, &refused)?),
        Some(Format::Netlink) => netlink(&plan, &kernel)?,
    };
    let json = document(&plan, &host, &refused)?;
    Ok(Answer {
        text,
        json,
        status: u8::from(!refused.is_empty()),
    })
}

fn document(plan: &Plan, host: &Host, refused: &[Refusal]) -> Result<Value, Failure> {
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

fn explained(plan: &Plan, host: &Host, refused: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refused {
        let _ = writeln!(text, "refused: {refusal}");
    }
    for left in plan.left_alone() {
        let _ = writeln!(
            text,
            "left alone: {} {} on {}: {}",
            left.object, left.handle, left.device, left.why
        );
    }
    for device in plan.needs() {
        let _ = writeln!(
            text,
            "needed first: ip link add {} type ifb && ip link set {} up",
            device.dev, device.dev
        );
    }
    text.push_str(&plan.explain_all(host));
    let losses = plan.losses();
    let _ = writeln!(
        text,
        "{} steps: {} free, {} refill a bucket, {} lose a leaf's queue, {} a device's, {} open an unshaped window",
        plan.len(),
        losses.free,
        losses.refills,
        losses.loses_leaf,
        losses.loses_all,
        losses.unshaped
    );
    text
}

fn argv(plan: &Plan) -> String {
    let mut text = String::new();
    for op in plan.ops() {
        let netns = plan.device(op).and_then(|d| d.netns.as_deref());
        let netns = netns.map_or_else(String::new, |n| format!("-n {n} "));
        let _ = writeln!(text, "tc {netns}{}", plan.argv(op).join(" "));
    }
    text
}

/// Every device must have been observed with its number.
fn netlink(plan: &Plan, kernel: &Kernel) -> Result<String, Failure> {
    let mut text = String::new();
    let mut seq = 0_u32;
    for op in plan.ops() {
        let Some(name) = plan.device(op) else {
            continue;
        };
        let Some(ifindex) = kernel.device(name).and_then(|d| d.ifindex) else {
            let why = format!("the number of device {name} is not known: observe it");
            return Err(Failure::input(why, "--observed"));
        };
        seq = seq.wrapping_add(1);
        let mut message = plan.message(op, ifindex);
        message.seq = seq;
        let netns = name
            .netns
            .as_deref()
            .map_or_else(String::new, |n| format!("-n {n} "));
        let _ = writeln!(
            text,
            "# tc {netns}{}\n> {}",
            plan.argv(op).join(" "),
            hex_of(&message.to_bytes())
        );
    }
    Ok(text)
}
