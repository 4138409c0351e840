//! The operations between what Consul has and what it should have.

use crate::catalog::{Check, CheckOp, Op, Service, ServiceOp, Weights};
use discovery_core::registry::RegistrationStatus;
use discovery_proxy::{Assignments, Member};
use std::collections::{BTreeMap, BTreeSet};

/// The key of who wrote a service.
const OWNER: &str = "berth-owner";

/// Operations that belong together, a service and its check, in their order.
pub(crate) type Group = Vec<Op>;

#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) groups: Vec<Group>,
    /// Entries of ours that nobody ever told of, and that stay since they are so many.
    pub(crate) withheld: usize,
    /// Names that another owner has.
    pub(crate) taken: Vec<String>,
}

/// What Consul has under our node.
#[derive(Debug, Default)]
pub(crate) struct There {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) checks: BTreeMap<String, Check>,
}

/// Compares. `known` are the names that were ever wanted.
pub(crate) fn plan(
    wanted: &Assignments,
    there: &There,
    node: &str,
    known: &BTreeSet<Box<str>>,
) -> Plan {
    let mut plan = Plan::default();
    let (mut opened, mut closed, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (service, assignment) in wanted.iter() {
        for member in &assignment.members {
            names.insert(&*member.name);
            let held = there.services.get(&*member.name);
            if held.is_some_and(|held| owner(held) != Some(node)) {
                plan.taken.push(member.name.to_string());
                continue;
            }
            let group = written(service, member, there, node);
            match member.weight > 0 {
                _ if group.is_empty() => {}
                true => opened.push(group),
                false => closed.push(group),
            }
        }
    }
    let ours = there.services.values().filter(|s| owner(s) == Some(node));
    let count = ours.clone().count();
    let surplus: Vec<&Service> = ours.filter(|s| !names.contains(&*s.id)).collect();
    let strange = surplus.iter().filter(|s| !known.contains(&*s.id)).count();
    let withholds = strange * 2 > count;
    let gone = surplus
        .into_iter()
        .filter(|s| !withholds || known.contains(&*s.id));
    let gone = gone.map(|service| {
        let (node, service) = (node.to_owned(), service.clone());
        vec![Op::Service(ServiceOp {
            verb: "delete-cas",
            node,
            service,
        })]
    });
    plan.withheld = if withholds { strange } else { 0 };
    plan.groups = opened.into_iter().chain(closed).chain(gone).collect();
    plan
}

fn owner(service: &Service) -> Option<&str> {
    service.meta.as_ref()?.get(OWNER).map(String::as_str)
}

/// What makes one endpoint as it should be; nothing if it is.
fn written(service: &str, member: &Member, there: &There, node: &str) -> Group {
    let mut group = Vec::new();
    let held = there.services.get(&*member.name);
    let mut wanted = entry(service, member, node);
    wanted.modify_index = held.map_or(0, |held| held.modify_index);
    if held != Some(&wanted) {
        group.push(Op::Service(ServiceOp {
            verb: "cas",
            node: node.to_owned(),
            service: wanted,
        }));
    }
    let id = format!("berth:{}", member.name);
    let held = there.checks.get(&id);
    let (status, output) = match (member.weight, member.status) {
        (1.., _) => ("passing", ""),
        (0, RegistrationStatus::Unknown) if held.is_some() => return group,
        (0, RegistrationStatus::Failing | RegistrationStatus::Unknown) => ("critical", "failing"),
        (0, _) => ("critical", "draining"),
    };
    let wanted = Check {
        node: node.to_owned(),
        name: "berth".into(),
        status: status.into(),
        output: output.into(),
        service_id: member.name.to_string(),
        modify_index: held.map_or(0, |held| held.modify_index),
        id,
    };
    if held != Some(&wanted) {
        let verb = "cas";
        group.push(Op::Check(CheckOp {
            verb,
            check: wanted,
        }));
    }
    group
}

fn entry(service: &str, member: &Member, node: &str) -> Service {
    let passing = member.weight.div_ceil(1000).clamp(1, 65_535);
    let meta = [
        (OWNER, node.to_owned()),
        ("berth-zone", member.zone.to_string()),
        ("berth-region", member.region.to_string()),
        ("berth-weight", member.weight.to_string()),
    ];
    let meta = meta.map(|(key, value)| (key.to_owned(), value));
    Service {
        id: member.name.to_string(),
        service: service.to_owned(),
        address: member.address.ip().to_string(),
        port: member.address.port(),
        weights: Some(Weights {
            passing,
            warning: 1,
        }),
        meta: Some(meta.into()),
        modify_index: 0,
    }
}
