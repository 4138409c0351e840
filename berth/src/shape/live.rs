//! The kernel that this runs on.

use crate::answer::Failure;
use netshape::observe::ObservedDocument;
use netshape::policy::PolicyFile;
use netshape::{DevName, Netns, ObservedState};
use netshape_netlink::{Error, NamespaceDump, NetlinkKernel};
use std::future::Future;

/// Where namespaces have names.
const NAMED: &str = "/run/netns";

/// Runs something that waits for the kernel.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build();
    Ok(runtime
        .map_err(|e| Failure::io(&e, "runtime"))?
        .block_on(future))
}

/// What the kernel says, as a failure.
pub(super) fn failure(error: &Error) -> Failure {
    let hint = match error {
        Error::Namespace { source, .. } | Error::Socket { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            ": it takes root, or CAP_NET_ADMIN and CAP_SYS_ADMIN"
        }
        Error::Refused { errno: 1, .. } => ": it takes root, or CAP_NET_ADMIN",
        _ => "",
    };
    let io = std::io::Error::other(format!("{error}{hint}"));
    Failure::io(&io, "kernel")
}

/// The namespaces of a policy's containers, the host's first; what is no name is refused by whoever reads the policy.
pub(super) fn of_policy(policy: &PolicyFile) -> Vec<Netns> {
    let mut all = vec![Netns::Host];
    for container in &policy.container {
        let netns = match (&container.netns, container.pid) {
            (Some(name), None) => format!("netns:{name}").parse().ok(),
            (None, Some(pid)) if pid != 0 => Some(Netns::Pid(pid)),
            _ => None,
        };
        all.extend(netns);
    }
    all
}

/// The namespaces that have names on this host. One that nobody may say in a policy is passed over.
pub(super) fn named() -> Result<Vec<Netns>, Failure> {
    let entries = match std::fs::read_dir(NAMED) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Failure::io(&e, NAMED)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| Failure::io(&e, NAMED))?.file_name();
        let netns = name
            .to_str()
            .and_then(|name| format!("netns:{name}").parse().ok());
        names.extend(netns);
    }
    names.sort_unstable();
    Ok(names)
}

/// What was read.
pub(super) struct Seen {
    pub(super) state: ObservedState,
    pub(super) document: ObservedDocument,
}

/// Reads the namespaces of a policy, and those with names besides: what is left over there goes.
pub(super) async fn read_for(kernel: &NetlinkKernel, policy: &PolicyFile) -> Result<Seen, Failure> {
    let wanted = of_policy(policy);
    let mut all = wanted.clone();
    all.extend(named()?);
    let dumps = kernel.dump(&all).await.map_err(|e| failure(&e))?;
    for dump in &dumps {
        // Under two names, each would take the other's for left over.
        if let Some(alias) = dump.aliases.iter().find(|a| wanted.contains(a)) {
            let why = format!(
                "{} and {alias} are one network namespace: call it by one name",
                dump.netns
            );
            return Err(Failure::input(why, "container.netns"));
        }
    }
    let marked = marked(&dumps);
    for (i, container) in policy.container.iter().enumerate() {
        if let Some(name) = marked
            .iter()
            .find(|n| n.netns == Netns::Host && container.veth.as_deref() == Some(&*n.dev))
        {
            let why = format!(
                "{name} is shaped by berth-bandwidth: leave it to the plugin, or take the plugin out of the network's chain"
            );
            return Err(Failure::input(why, format!("container[{i}].veth")));
        }
    }
    let mut seen = seen(dumps)?;
    for name in &marked {
        seen.state.remove_device(name);
    }
    Ok(seen)
}

/// The devices that `berth-bandwidth` shapes, here and in namespaces with names: nothing of them is this policy's.
fn marked(dumps: &[NamespaceDump]) -> Vec<DevName> {
    let ours = |alias: &String| alias.starts_with(super::BANDWIDTH_MARK);
    let all = dumps
        .iter()
        .flat_map(|d| d.links.iter().map(move |l| (&d.netns, l)));
    all.filter(|(_, l)| l.alias.as_ref().is_some_and(ours))
        .map(|(netns, l)| DevName {
            netns: netns.clone(),
            dev: l.name.as_str().into(),
        })
        .collect()
}

/// What was read, in the forms that are asked for.
pub(super) fn seen(dumps: Vec<NamespaceDump>) -> Result<Seen, Failure> {
    let mut state = ObservedState::new();
    let mut counted = Vec::new();
    for dump in dumps {
        let counters = netshape::netlink::Counters::read(&dump.messages);
        let counters = counters.map_err(|e| Failure::io(&std::io::Error::other(e), "kernel"))?;
        counted.push((dump.netns.clone(), counters));
        dump.put_into(&mut state);
    }
    let mut document = ObservedDocument::from(&state);
    for (netns, counters) in &counted {
        document.add_counters(netns, counters);
    }
    Ok(Seen { state, document })
}
