//! Subnets whose traffic is shaped, or is not: filters on the root of a container's tree. HTB sends what a filter leads to the root itself past all
//! classes.

use crate::config::{Config, Subnet};
use ipam_cni::{Code, Refusal};
use netshape::netlink::TcMessage;
use netshape::object::{Filter, FilterKind, Handle};
use netshape::tc::{IfIndexes, TickRounding, parse_line};
use netshape::{Device, Direction};

/// Priorities of these filters, from the first on; no others of ours are there.
const FIRST: u16 = 0xbe0;
const LAST: u16 = 0xcff;
pub(crate) const ROOT: Handle = Handle::qdisc(0xbe);

/// The filters of a device's root that are of this plugin's.
fn found(device: &Device) -> impl Iterator<Item = &Filter> {
    let ours = |f: &&Filter| f.parent == ROOT && (FIRST..=LAST).contains(&f.prio);
    device.filters().iter().filter(ours)
}

/// A filter as it is compared: priority, protocol, where it leads, what it matches.
type Said = (u16, u16, Option<Handle>, Vec<(u32, u32, i32)>);

fn said(filter: &Filter) -> Option<Said> {
    let FilterKind::U32(u32) = &filter.kind else {
        return None;
    };
    let keys = u32.sel()?.keys.iter().map(|k| (k.val, k.mask, k.off));
    Some((filter.prio, filter.protocol, u32.classid(), keys.collect()))
}

/// The lines that make them, for a device named `d`.
fn lines(config: &Config, direction: Direction) -> Vec<String> {
    // The other end: who sends to the container, whom it sends to.
    let side = match direction {
        Direction::Ingress => "src",
        Direction::Egress => "dst",
    };
    let to = if config.shaped_only { "be:10" } else { "be:0" };
    let mut prio = FIRST;
    let mut lines = Vec::new();
    let mut add = |protocol: &str, matches: &str, to: &str| {
        lines.push(format!("filter add dev d parent be: protocol {protocol} prio {prio} u32 match {matches} flowid {to}"));
        prio = prio.saturating_add(1);
    };
    for Subnet { v6, text } in &config.subnets {
        match v6 {
            true => add("ipv6", &format!("ip6 {side} {text}"), to),
            false => add("ip", &format!("ip {side} {text}"), to),
        }
    }
    if config.shaped_only {
        add("all", "u32 0 0", "be:0");
    }
    lines
}

fn parsed(line: &str, ifindex: i32) -> Result<TcMessage<'static>, Refusal> {
    let devices = IfIndexes::from([("d".to_owned(), u32::try_from(ifindex).unwrap_or(0))]);
    let message = parse_line(line, TickRounding::Ceil, &devices);
    let wrong = |why: String| Refusal::new(Code::InvalidConfig, format!("subnets: {why}"));
    message
        .map_err(|e| wrong(e.to_string()))?
        .ok_or_else(|| wrong(line.to_owned()))
}

/// The messages that make the filters of one direction.
pub(crate) fn wanted(
    config: &Config,
    direction: Direction,
    ifindex: i32,
) -> Result<Vec<TcMessage<'static>>, Refusal> {
    lines(config, direction)
        .iter()
        .map(|line| parsed(line, ifindex))
        .collect()
}

/// The messages that take off what is there.
pub(crate) fn stale(device: &Device, ifindex: i32) -> Result<Vec<TcMessage<'static>>, Refusal> {
    let mut prios: Vec<u16> = found(device).map(|f| f.prio).collect();
    prios.dedup();
    prios
        .iter()
        .map(|prio| parsed(&format!("filter del dev d parent be: prio {prio}"), ifindex))
        .collect()
}

/// Whether the filters that are there are those that are wanted.
pub(crate) fn alike(device: &Device, messages: &[TcMessage<'static>]) -> bool {
    let wanted: Vec<_> = messages.iter().filter_map(|m| said(&m.filter())).collect();
    let seen: Vec<_> = found(device)
        .filter(|f| f.handle & 0xfff != 0)
        .filter_map(said)
        .collect();
    seen == wanted
}
