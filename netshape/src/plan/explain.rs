//! A step in words: what, why, at what cost, and where each number comes from.

use super::Plan;
use super::op::{Action, Loss, Object, Op};
use super::origin::Origins;
use crate::host::Host;
use crate::object::{HtbClass, Qdisc, QdiscKind, RateSpec};
use crate::policy::default_burst;
use crate::rate::{Bytes, Rate};
use crate::text::printable;
use crate::ticks::{Era, bytes_of};
use alloc::string::String;
use core::fmt::Write as _;

/// What a loss class means.
const fn cost(loss: Loss) -> &'static str {
    match loss {
        Loss::Free => "no packet is lost",
        Loss::Refills => "no packet is lost, the bucket is filled anew",
        Loss::LosesLeaf => "what waits in this leaf is lost",
        Loss::LosesAll => "what waits on the device is lost",
        Loss::Unshaped => {
            "what waits on the device is lost, and traffic passes unshaped until later steps are done"
        }
    }
}

/// The whole plan.
pub(super) fn explain(plan: &Plan, host: &Host) -> String {
    let mut text = String::new();
    for left in plan.left_alone() {
        let _ = writeln!(
            text,
            "left alone: {} {} on {}: {}",
            left.object, left.handle, left.device, left.why
        );
    }
    for line in plan.needed_first() {
        let _ = writeln!(text, "needed first: {line}");
    }
    let origins = Origins::new(host);
    for op in plan.ops() {
        text.push_str(&step(plan, op, origins.said(plan, op)));
    }
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

/// A paragraph on one step; `origin` says where its rates come from.
fn step(plan: &Plan, op: &Op, origin: Option<String>) -> String {
    let mut text = plan.shell(op);
    let _ = write!(
        text,
        "\n  why: {}\n  cost: {}, {}\n",
        plan.why(op),
        op.loss.name(),
        cost(op.loss)
    );
    if op.action == Action::Delete {
        return text;
    }
    if let Some(origin) = origin {
        let _ = writeln!(text, "  {origin}");
    }
    match &op.object {
        Object::Class(c) => class(&mut text, &c.htb, plan.era),
        Object::Qdisc(q) => qdisc(&mut text, q),
        Object::Filter(_) => {}
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

fn class(text: &mut String, htb: &HtbClass, era: Era) {
    let rate = |text: &mut String, name: &str, spec: &RateSpec| {
        let bytes = spec.bytes_per_second;
        let _ = writeln!(
            text,
            "  {name} {bytes} B/s = {} / 8",
            Rate::from_bytes_per_second(bytes)
        );
    };
    let bucket = |text: &mut String, name: &str, spec: &RateSpec, ticks: u32| {
        let (bytes, _) = era.bytes(spec.bytes_per_second, ticks);
        let rounding = match era {
            Era::Truncating => "whole µs, then whole ticks, both rounded down",
            Era::Ceil => "rounded up once",
        };
        let _ = writeln!(
            text,
            "  {name} {ticks} ticks = {bytes} B / {} B/s in µs · 15.625 ({rounding}); the kernel holds {} B",
            spec.bytes_per_second,
            bytes_of(spec.bytes_per_second, ticks),
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
