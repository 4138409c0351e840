//! A plan in the forms that other programs read, and which network namespace they are for.

use super::plan::Format;
use crate::answer::Failure;
use netshape::netlink::hex_of;
use netshape::plan::{BatchError, Plan};
use netshape::text::shell_line;
use netshape::{Host, Netns, ObservedState};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The namespaces of a plan, for messages.
pub(super) fn listed(given: &[Netns]) -> String {
    // The core says them, and how many where they are too many to list.
    let given = given.to_vec();
    BatchError::Namespaces { given }.to_string()
}

/// The part of the plan that is for one namespace, which must be among those that are known.
///
/// # Errors
/// A namespace that neither policy nor observed state nor plan has.
pub(super) fn picked(
    plan: &Plan,
    netns: &Netns,
    host: &Host,
    observed: &ObservedState,
) -> Result<Plan, Failure> {
    let wanted = host.device_names();
    let seen = observed.devices().map(|(name, _)| name);
    let names = wanted.iter().chain(seen).map(|name| &name.netns);
    let planned = plan.namespaces();
    let known: BTreeSet<&Netns> = names.chain(&planned).chain([&Netns::Host]).collect();
    if !known.contains(netns) {
        let shown: Vec<String> = known.iter().take(20).map(ToString::to_string).collect();
        let why = format!(
            "nothing is planned for or known of {netns}: there are {}",
            shown.join(", ")
        );
        return Err(Failure::input(why, "--netns"));
    }
    Ok(plan.in_netns(netns))
}

/// Refuses a form that is run in one namespace where the steps are for several, or for another than the host's without that
/// having been asked for: run where the command was typed, they would shape the host.
pub(super) fn one_namespace(plan: &Plan) -> Result<(), Failure> {
    let given = plan.namespaces();
    if given.iter().all(|n| *n == Netns::Host) {
        return Ok(());
    }
    let why = format!(
        "{}: pick one with --netns NAME or --netns host, or write a file for each with --out DIR",
        listed(&given)
    );
    Err(Failure::input(why, "--format"))
}

/// The text of `tc -batch` for one namespace.
pub(super) fn batch(plan: &Plan) -> Result<String, Failure> {
    plan.batch()
        .map_err(|e| Failure::input(e.to_string(), "--format"))
}

/// Netlink messages in text form. Every device must have been observed with its number.
pub(super) fn netlink(plan: &Plan, observed: &ObservedState) -> Result<String, Failure> {
    let needed = plan.device_commands();
    if let Some(first) = needed.first() {
        let why = format!("a device has no number yet; needed first: {first}; then observe again");
        return Err(Failure::input(why, "--observed"));
    }
    let mut text = String::new();
    let mut seq = 0_u32;
    for op in plan.ops() {
        let Some(name) = plan.device(op) else {
            continue;
        };
        let unknown = |dev: &dyn std::fmt::Display| {
            let why = format!("the number of device {dev} is not known: observe it");
            Failure::input(why, "--observed")
        };
        let Some(ifindex) = observed.device(name).and_then(|d| d.ifindex) else {
            return Err(unknown(name));
        };
        if let Some(ifb) = plan.unnumbered_target(op) {
            return Err(unknown(&netshape::text::printable(ifb)));
        }
        seq = seq.wrapping_add(1);
        let mut message = plan.message(op, ifindex);
        message.seq = seq;
        let _ = writeln!(
            text,
            "# {}\n> {}",
            plan.shell(op),
            hex_of(&message.to_bytes())
        );
    }
    Ok(text)
}

/// A file to write: its name, and what is in it.
pub(super) type File = (String, String);

/// One file for each namespace in the order of the plan, and for batches a script that applies them.
pub(super) fn files(
    plan: &Plan,
    observed: &ObservedState,
    format: Format,
) -> Result<Vec<File>, Failure> {
    let namespaces = plan.namespaces();
    let mut files = Vec::with_capacity(namespaces.len() + 1);
    let (mut checks, mut runs) = (String::new(), String::new());
    for (i, netns) in namespaces.iter().enumerate() {
        let part = plan.in_netns(netns);
        let stem = format!("{:02}-{}", i + 1, stem(netns));
        if format == Format::Netlink {
            files.push((format!("{stem}.nl"), netlink(&part, observed)?));
            continue;
        }
        let name = format!("{stem}.batch");
        let line = |more: &[&str]| {
            let mut words = netns.enter();
            words.extend(more.iter().map(|w| (*w).to_owned()));
            shell_line(&words)
        };
        let _ = writeln!(checks, "{} >/dev/null", line(&["tc", "-V"]));
        for needed in part.device_commands() {
            let _ = writeln!(runs, "# needed first\n{needed}");
        }
        let _ = writeln!(runs, "{}", line(&["tc", "-batch", &name]));
        files.push((name, batch(&part)?));
    }
    if format != Format::Netlink {
        files.push(("apply.sh".to_owned(), script(&checks, &runs)));
    }
    Ok(files)
}

/// What a namespace's file is called after its number; a long name is cut, since a file's name has an end too.
fn stem(netns: &Netns) -> String {
    match netns {
        Netns::Host => "host".to_owned(),
        Netns::Named(name) => format!("netns-{}", name.chars().take(100).collect::<String>()),
        Netns::Pid(pid) => format!("pid-{pid}"),
    }
}

fn script(checks: &str, runs: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # Applies this plan, one batch for each network namespace in order, and stops at the first step that fails:\n\
         # then observe and plan again.\n\
         set -eu\n\
         cd -- \"$(CDPATH='' cd -- \"$(dirname -- \"$0\")\" && pwd)\"\n\
         # Every namespace can be entered, or nothing is done.\n\
         {checks}{runs}"
    )
}
