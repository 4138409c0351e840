//! The commands between what is and what should be.

use super::state::{Backends, Server};
use crate::assignment::{Assignment, Assignments, Member};
use std::collections::{BTreeMap, BTreeSet};

/// Ids of servers from here on are ours.
const OURS: u32 = 1_000_000_000;
/// The heaviest weight of a server (HAProxy's `SRV_UWGHT_MAX`).
const MOST: u64 = 256;

/// A command; one that may wait is not done while connections are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) may_wait: bool,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) commands: Vec<Command>,
    pub(super) problem: Option<String>,
}

impl Plan {
    fn push(&mut self, text: String) {
        let may_wait = false;
        self.commands.push(Command { text, may_wait });
    }
}

/// Servers come before others lose weight, and go last.
pub(super) fn plan(wanted: &Assignments, there: &Backends) -> Plan {
    let mut plan = Plan::default();
    let none = BTreeMap::new();
    for (service, assignment) in wanted.iter() {
        let Some(backend) = name(service).filter(|name| name == service) else {
            let text = format!("{service:?} cannot name a backend");
            plan.problem.get_or_insert(text);
            continue;
        };
        let servers = there.0.get(&backend).unwrap_or(&none);
        added(&mut plan, &backend, assignment, servers);
        changed(&mut plan, &backend, assignment, servers);
        gone(&mut plan, &backend, assignment, servers);
    }
    plan
}

/// Endpoints with the names of their servers.
fn named(assignment: &Assignment) -> impl Iterator<Item = (String, &Member)> {
    let members = assignment.members.iter();
    members.filter_map(|member| Some((name(&member.name)?, member)))
}

fn added(
    plan: &mut Plan,
    backend: &str,
    assignment: &Assignment,
    servers: &BTreeMap<String, Server>,
) {
    let mut taken: BTreeSet<u32> = servers.values().map(|server| server.id).collect();
    let full = heaviest(assignment);
    for (server, member) in named(assignment).filter(|(name, _)| !servers.contains_key(name)) {
        let id = free_id(&server, &mut taken);
        let (address, weight) = (member.address, weight(member, full));
        plan.push(format!(
            "add server {backend}/{server} {address} id {id} weight {weight}"
        ));
        plan.push(format!("enable server {backend}/{server}"));
    }
}

fn changed(
    plan: &mut Plan,
    backend: &str,
    assignment: &Assignment,
    servers: &BTreeMap<String, Server>,
) {
    let full = heaviest(assignment);
    let there = |(name, member): (String, _)| Some((servers.get(&name)?, name, member));
    let mut differing: Vec<(&Server, String, &Member)> =
        named(assignment).filter_map(there).collect();
    // Those that gain come first: no service is without weight on the way.
    differing.sort_by_key(|(_, _, member)| std::cmp::Reverse(member.weight));
    for (server, name, member) in differing {
        let address = member.address;
        if (server.address, server.port) != (Some(address.ip()), address.port()) {
            let (ip, port) = (address.ip(), address.port());
            plan.push(format!("set server {backend}/{name} addr {ip} port {port}"));
        }
        let weight = weight(member, full);
        if server.weight != weight {
            plan.push(format!("set server {backend}/{name} weight {weight}"));
        }
        if server.in_maintenance && server.id >= OURS {
            plan.push(format!("enable server {backend}/{name}"));
        }
    }
}

fn gone(
    plan: &mut Plan,
    backend: &str,
    assignment: &Assignment,
    servers: &BTreeMap<String, Server>,
) {
    let wanted: BTreeSet<String> = named(assignment).map(|(name, _)| name).collect();
    let ours = servers.iter().filter(|(_, server)| server.id >= OURS);
    for (name, server) in ours.filter(|(name, _)| !wanted.contains(*name)) {
        if !server.in_maintenance {
            plan.push(format!("disable server {backend}/{name}"));
        }
        plan.commands.push(Command {
            text: format!("del server {backend}/{name}"),
            may_wait: true,
        });
    }
}

fn heaviest(assignment: &Assignment) -> u64 {
    let full = assignment.members.iter().map(|m| u64::from(m.full_weight));
    full.max().unwrap_or(0).max(1)
}

/// Its part of the heaviest endpoint when warm, in 256ths; at least 1 if it is given anything.
fn weight(member: &Member, full: u64) -> u32 {
    let part = (u64::from(member.weight) * MOST).div_ceil(full).min(MOST);
    u32::try_from(part).unwrap_or(0)
}

/// A name as HAProxy takes it: what is none of letters, digits, `_`, `.` and `-` is written as `:` and its bytes in hex. Nothing where it would
/// be too long for a line.
fn name(of: &str) -> Option<String> {
    let mut name = String::new();
    for byte in of.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => {
                name.push(char::from(byte));
            }
            _ => name.push_str(&format!(":{byte:02X}")),
        }
    }
    (!name.is_empty() && name.len() <= 1024).then_some(name)
}

/// An id of ours that no server of the backend has: by its name, so that it is the same after a restart as far as can be.
fn free_id(name: &str, taken: &mut BTreeSet<u32>) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let mut id = OURS + hash % OURS;
    while !taken.insert(id) {
        id = OURS + (id - OURS + 1) % OURS;
    }
    id
}
