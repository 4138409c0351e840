//! `berth shape apply`: makes the kernel as the policy says, or leaves it as it was.

use super::live::{self, Seen, block_on};
use super::policy::{self, PolicyArgs};
use super::{FileArg, forms, plan};
use crate::answer::{Answer, Failure};
use clap::Args;
use netshape::kernel::{Kernel as _, Transaction, apply_or_undo};
use netshape::plan::{Plan, diff, idle_ifbs};
use netshape::policy::PolicyFile;
use netshape::{Capabilities, DevName, Host, Netns, ObservedState, Refusal};
use netshape_netlink::{Error, NetlinkKernel};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Arguments of `berth shape apply`.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Only what is for this network namespace: its name, `host`, or `pid:4242` for a process's.
    #[arg(long, value_name = "NAME|host")]
    netns: Option<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do nothing if anything of the policy is refused.
    #[arg(long)]
    strict: bool,
    /// Replace a root qdisc that is not ours, and move filters that are not ours behind ours.
    #[arg(long)]
    takeover: bool,
    /// Class numbers of an earlier plan: its document, or its `classes`. Containers keep theirs.
    #[arg(long, value_name = "FILE")]
    classes: Option<FileArg>,
}

/// What was planned from what.
struct Planned {
    host: Host,
    refused: Vec<Refusal>,
    observed: ObservedState,
    plan: Plan,
}

pub(super) fn run(args: &ApplyArgs) -> Result<Answer, Failure> {
    let policy = policy::read_policy(&args.policy)?;
    block_on(apply(args, &policy))?
}

async fn apply(args: &ApplyArgs, policy: &PolicyFile) -> Result<Answer, Failure> {
    let mut kernel = NetlinkKernel::new();
    let capabilities = kernel
        .probe()
        .await
        .map_err(|e| live::failure(&e))?
        .capabilities();
    let capabilities = capabilities.with_takeover(args.takeover);
    let mut planned = planned(args, policy, capabilities, &kernel).await?;
    let any_refused = !planned.refused.is_empty() || !planned.plan.refused().is_empty();
    if args.strict && any_refused {
        planned.plan.clear();
    }
    plan::tell_refused(&planned.refused, &planned.plan);
    if args.dry_run {
        return answer(&planned, None);
    }
    let made = planned.plan.required_devices().to_vec();
    if !made.is_empty() {
        kernel
            .create_ifbs(&made)
            .await
            .map_err(|e| live::failure(&e))?;
        // Filters that lead to them say their numbers.
        planned = self::planned(args, policy, capabilities, &kernel).await?;
    }
    let done = apply_or_undo(&mut kernel, &planned.plan, &planned.observed).await;
    if let Some(failure) = &done.failure {
        kernel
            .remove_ifbs(&made)
            .await
            .map_err(|e| live::failure(&e))?;
        return Err(undone(&planned.plan, failure));
    }
    let removed = remove_idle(&kernel, policy, &planned.host).await?;
    answer(&planned, Some((&done, &removed)))
}

async fn planned(
    args: &ApplyArgs,
    policy: &PolicyFile,
    capabilities: Capabilities,
    kernel: &NetlinkKernel,
) -> Result<Planned, Failure> {
    let Seen {
        state: observed, ..
    } = live::read_for(kernel, policy).await?;
    let place = args.policy.desired.display().to_string();
    let refusal = |r: Refusal| Failure::input(r.kind.to_string(), format!("{place}: {}", r.field));
    let numbers = plan::classes(args.classes.as_deref())?;
    let wanted = policy.host_on(&observed, capabilities, &numbers);
    let (host, refused) = wanted.map_err(refusal)?;
    let plan = diff(&observed, &host);
    let plan = match &args.netns {
        None => plan,
        Some(given) => forms::picked(&plan, &plan::netns(given)?, &host, &observed)?,
    };
    Ok(Planned {
        host,
        refused,
        observed,
        plan,
    })
}

/// Ifbs that nobody needs any more go.
async fn remove_idle(
    kernel: &NetlinkKernel,
    policy: &PolicyFile,
    host: &Host,
) -> Result<Vec<DevName>, Failure> {
    let Seen { state, .. } = live::read_for(kernel, policy).await?;
    let idle: Vec<DevName> = idle_ifbs(&state, host)
        .into_iter()
        .filter(|n| n.netns == Netns::Host)
        .collect();
    match kernel.remove_ifbs(&idle).await {
        Ok(()) => Ok(idle),
        // It looks like one of ours, and is somebody's.
        Err(Error::NotOurs(_)) => Ok(Vec::new()),
        Err(error) => Err(live::failure(&error)),
    }
}

/// What failed, and that all is as it was, or what is not.
fn undone(plan: &Plan, failure: &netshape::kernel::Failure<Error>) -> Failure {
    let step = plan
        .ops()
        .get(failure.step)
        .map(|op| plan.shell(op))
        .unwrap_or_default();
    let mut why = format!(
        "step {} of {} failed: {}: {step}; ",
        failure.step + 1,
        plan.len(),
        failure.error
    );
    match &*failure.left {
        [] => why.push_str("everything before it was taken back"),
        left => {
            let _ = write!(
                why,
                "{} steps could not be taken back, plan again:",
                left.len()
            );
            for (step, error) in left {
                let step = plan
                    .ops()
                    .get(*step)
                    .map(|op| plan.shell(op))
                    .unwrap_or_default();
                let _ = write!(why, " {step} ({error});");
            }
        }
    }
    Failure::io(&std::io::Error::other(why), "kernel").of_kind("undone")
}

fn answer(
    planned: &Planned,
    done: Option<(&Transaction<Error>, &[DevName])>,
) -> Result<Answer, Failure> {
    let Planned {
        host,
        refused,
        plan,
        ..
    } = planned;
    let mut json = plan::document(plan, host, refused)?;
    let mut text = plan::explained(plan, host, refused);
    if let Some((done, removed)) = done {
        let names = |names: &[DevName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (gone, removed) = (names(&done.gone), names(removed));
        let _ = writeln!(text, "{} of {} steps done", done.done, plan.len());
        for name in &gone {
            let _ = writeln!(text, "{name} went meanwhile");
        }
        for name in &removed {
            let _ = writeln!(text, "removed {name}");
        }
        if let Value::Object(map) = &mut json {
            map.insert("done".to_owned(), json!(done.done));
            map.insert("gone".to_owned(), json!(gone));
            map.insert("removed".to_owned(), json!(removed));
        }
    }
    let any_refused = !refused.is_empty() || !plan.refused().is_empty();
    Ok(Answer {
        text,
        json,
        status: u8::from(any_refused),
    })
}
