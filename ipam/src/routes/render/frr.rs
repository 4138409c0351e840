//! FRR: what vtysh reads.

use super::super::RouteDelta;
use super::super::plan::{ObservedRoute, RoutePlan, Step};
use super::super::table::NextHop;
use super::{RenderError, heading, one_family};
use crate::cidr::{Cidr, Family};
use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

/// How our lines in FRR's configuration are told from others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrrMarks {
    /// The autonomous system whose BGP instance announces.
    pub as_number: u32,
    /// The tag of our static routes.
    pub tag: u32,
}

impl FrrMarks {
    /// The route map that our `network` statements name, which tells them from others'. It must be there, and permit.
    pub const ROUTE_MAP: &'static str = "berth";
}

/// Lines for `vtysh -f`: the steps of `plan` among the static routes, and of `networks` among the `network` statements. What is new is
/// announced once its route is there; what is over is withdrawn before its route goes.
///
/// # Errors
/// [`RenderError::NextHopFamily`].
pub fn frr(
    host: &str,
    plan: &RoutePlan,
    networks: &RouteDelta,
    marks: FrrMarks,
) -> Result<String, RenderError> {
    let mut text = heading('!', host);
    for left in &plan.left_alone {
        let prefix = left.route.prefix;
        let _ = writeln!(text, "! left alone: {prefix} is another's static route");
    }
    let adding = |step: &&Step| matches!(step, Step::Add(_));
    let last_added = plan.steps.iter().rposition(|step| adding(&step));
    let (first, rest) = plan.steps.split_at(last_added.map_or(0, |i| i + 1));
    for step in first {
        line(&mut text, step, marks.tag)?;
    }
    announce(&mut text, networks, marks);
    for step in rest {
        line(&mut text, step, marks.tag)?;
    }
    Ok(text)
}

fn line(text: &mut String, step: &Step, tag: u32) -> Result<(), RenderError> {
    let (no, prefix, hop) = match step {
        Step::Add(route) => {
            one_family(route, "FRR")?;
            ("", route.prefix, Some(&route.hop))
        }
        Step::Remove(ObservedRoute { prefix, hop, .. }) => ("no ", *prefix, hop.as_ref()),
    };
    // A line that could not be read is none of ours.
    let Some(hop) = hop else { return Ok(()) };
    let ip = match prefix.family() {
        Family::V4 => "ip",
        Family::V6 => "ipv6",
    };
    let hop = match hop {
        NextHop::Blackhole => "blackhole".into(),
        NextHop::Device(device) => format!("{device}"),
        NextHop::Host(via) => format!("{via}"),
        NextHop::Tunnel { device, via } => format!("{via} {device} onlink"),
    };
    let _ = writeln!(text, "{no}{ip} route {prefix} {hop} tag {tag}");
    Ok(())
}

fn announce(text: &mut String, networks: &RouteDelta, marks: FrrMarks) {
    if networks.is_empty() {
        return;
    }
    let _ = writeln!(text, "router bgp {}", marks.as_number);
    for (name, family) in [("ipv4", Family::V4), ("ipv6", Family::V6)] {
        let of = |cidr: &&Cidr| cidr.family() == family;
        let added = networks.add.iter().filter(of).map(|cidr| ("", cidr));
        let removed = networks.remove.iter().filter(of).map(|cidr| ("no ", cidr));
        let mut all = added.chain(removed).peekable();
        if all.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, " address-family {name} unicast");
        for (no, cidr) in all {
            let map = FrrMarks::ROUTE_MAP;
            let _ = writeln!(text, "  {no}network {cidr} route-map {map}");
        }
        *text += " exit-address-family\n";
    }
    *text += "exit\n";
}
