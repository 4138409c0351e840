//! A step in words: what, why, at what cost, and where each number comes from.

use super::classify;
use super::disruption::Disruption;
use super::op::{Object, Op};
use super::origin::Origins;
use super::reason::Action;
use super::steps::Plan;
use crate::object::{HtbClass, Qdisc, QdiscKind, RateSpec};
use crate::policy::{Host, default_burst};
use crate::text::printable;
use crate::ticks::{TickRounding, bytes_of_ticks};
use crate::unit::{Bytes, Rate};
use alloc::string::String;
use core::fmt::Write as _;

/// What a loss class means.
const fn cost(disruption: Disruption) -> &'static str {
    match disruption {
        Disruption::Free => "no packet is lost",
        Disruption::Refills => "no packet is lost, the bucket is filled anew",
        Disruption::LosesLeaf => "what waits in this leaf is lost",
        Disruption::LosesAll => "what waits on the device is lost",
        Disruption::Unshaped => {
            "what waits on the device is lost, and traffic passes unshaped until later steps are done"
        }
    }
}

impl Plan {
    /// The whole plan in words: what is left alone, which devices are needed first, every step with its reason, its cost, the
    /// formula of each number and where in the policy that comes from, and the sums of the costs.
    /// O(steps + containers · log n).
    ///
    /// ```
    /// # use netshape::{Capabilities, Container, Direction, Host, ObservedState, Rate, Shape};
    /// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
    /// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
    /// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
    /// # let plan = netshape::plan::diff(&ObservedState::new(), &host);
    /// let text = plan.explain(&host);
    /// assert!(text.contains("why: class be:10 is missing"));
    /// assert!(text.contains("ceil 25000000 B/s = 200 Mbit/s / 8"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain(&self, host: &Host) -> String {
        explain(self, host)
    }
}

fn explain(plan: &Plan, host: &Host) -> String {
    let mut text = String::new();
    for left in plan.left_alone() {
        let _ = writeln!(
            text,
            "left alone: {} {} on {}: {}",
            left.object, left.handle, left.device, left.reason
        );
    }
    for line in plan.device_commands() {
        let _ = writeln!(text, "needed first: {line}");
    }
    let origins = Origins::new(host);
    for op in plan.ops() {
        text.push_str(&step(plan, op, origins.said(plan, op)));
    }
    let losses = plan.disruptions();
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

/// A paragraph on one step; `origin` says where its rates come from.
fn step(plan: &Plan, op: &Op, origin: Option<String>) -> String {
    let mut text = plan.shell(op);
    let _ = write!(
        text,
        "\n  why: {}\n  cost: {}, {}\n",
        plan.reason(op),
        op.disruption.name(),
        cost(op.disruption)
    );
    if op.action == Action::Delete {
        return text;
    }
    if let Some(origin) = origin {
        let _ = writeln!(text, "  {origin}");
    }
    match &op.object {
        Object::Class(c) => class(&mut text, &c.htb, plan.rounding),
        Object::Qdisc(q) => qdisc(&mut text, q),
        Object::Filter(f) => {
            if let Some(said) = classify::said(f) {
                let _ = writeln!(text, "  {said}");
            }
        }
        Object::Redirect(r) => {
            let _ = writeln!(
                text,
                "  every packet that comes in goes to {}, whose tree shapes it",
                printable(&r.to)
            );
        }
    }
    text
}

fn qdisc(text: &mut String, qdisc: &Qdisc) {
    let _ = match &qdisc.kind {
        QdiscKind::Htb(h) => writeln!(
            text,
            "  default {:x}: unclassified traffic goes to class {:x}:{:x}",
            h.default,
            qdisc.handle.major(),
            h.default
        ),
        QdiscKind::Bfifo(Some(limit)) => writeln!(
            text,
            "  limit {limit} = max(25 ms of the ceiling, largest GSO packet + 5 %, twice that where classes share), in bytes: a queue that can't hold one GSO packet drops them all; bfifo, since the kernel was not said to have fq_codel"
        ),
        QdiscKind::FqCodel(f) => writeln!(
            text,
            "  memory_limit {} = max(25 ms of the ceiling, largest GSO packet + 5 %, twice that where classes share), in bytes",
            f.memory_limit.unwrap_or(0)
        ),
        _ => Ok(()),
    };
}

fn class(text: &mut String, htb: &HtbClass, rounding: TickRounding) {
    let rate = |text: &mut String, name: &str, spec: &RateSpec| {
        let bytes = spec.bytes_per_second;
        let _ = writeln!(
            text,
            "  {name} {bytes} B/s = {} / 8",
            Rate::from_bytes_per_second(bytes)
        );
    };
    let bucket = |text: &mut String, name: &str, spec: &RateSpec, ticks: u32| {
        let (bytes, _) = rounding.bytes(spec.bytes_per_second, ticks);
        let rounding = match rounding {
            TickRounding::Truncating => "whole µs, then whole ticks, both rounded down",
            TickRounding::Ceil => "rounded up once",
        };
        let _ = writeln!(
            text,
            "  {name} {ticks} ticks = {bytes} B / {} B/s in µs · 15.625 ({rounding}); the kernel holds {} B",
            spec.bytes_per_second,
            bytes_of_ticks(spec.bytes_per_second, ticks),
        );
        let full = Rate::from_bytes_per_second(spec.bytes_per_second);
        if Bytes(bytes).0.abs_diff(default_burst(full).0) <= spec.bytes_per_second / 500_000 + 2 {
            let ms = if full > Rate::gbit(2) { 20 } else { 10 };
            let of = full.bytes_in_ms(ms);
            let _ = writeln!(
                text,
                "    {} by default: max({ms} ms of the rate, {of} B; 128 KiB), at most 2^32 ticks and 2^32 bytes",
                default_burst(full)
            );
        }
    };
    rate(text, "rate", &htb.rate);
    rate(text, "ceil", &htb.ceil);
    bucket(text, "buffer", &htb.rate, htb.buffer);
    bucket(text, "cbuffer", &htb.ceil, htb.cbuffer);
    let _ = writeln!(
        text,
        "  quantum {} bytes a turn: weight / smallest weight · the largest GSO packet (65536 at least), since a class sends one whole packet at the least",
        htb.quantum
    );
    let _ = writeln!(
        text,
        "  prio {}: 0 takes spare bandwidth first, 7 last",
        htb.prio
    );
}
