//! A step as the arguments of `tc`.

use super::filter_words::made_as;
use super::filter_words::number;
use super::op::{Object, Op};
use super::ownership::REDIRECT_PRIO;
use super::readd;
use super::reason::Action;
use super::redirect::Redirect;
use crate::object::{
    Class, Filter, FilterKind, FqCodel, Handle, Htb, Qdisc, QdiscKind, RateSpec, Tbf, U32Key,
    U32Part, U32Sel,
};
use crate::ticks::TickRounding;
use crate::unit::Rate;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Words being gathered.
struct Words(Vec<String>);

impl Words {
    fn word(&mut self, word: &str) {
        self.0.push(word.into());
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "numbers and texts alike, mostly made on the spot"
    )]
    fn pair(&mut self, name: &str, value: impl ToString) {
        self.word(name);
        self.0.push(value.to_string());
    }
}

/// The words after `tc`.
pub(super) fn argv(
    op: &Op,
    dev: &str,
    rounding: TickRounding,
    targets: &[(u32, Arc<str>)],
) -> Vec<String> {
    let mut words = Words(Vec::with_capacity(24));
    words.word(op.object.kind().name());
    words.word(op.action.word());
    words.pair("dev", dev);
    let whole = op.action != Action::Delete;
    match &op.object {
        Object::Qdisc(q) => qdisc(&mut words, q, whole, rounding),
        Object::Class(c) => class(&mut words, c, whole, rounding),
        Object::Redirect(r) => redirect(&mut words, r, whole),
        Object::Filter(f) => filter(&mut words, f, whole, targets),
    }
    words.0
}

fn redirect(words: &mut Words, r: &Redirect, whole: bool) {
    words.pair(
        "parent",
        format!("{:x}:{}", r.parent.major(), minor(r.parent)),
    );
    words.pair("protocol", "all");
    words.pair("prio", REDIRECT_PRIO);
    filter_handle(words, r.handle, whole);
    words.word("u32");
    if whole {
        let rest = [
            "match", "u32", "0", "0", "action", "mirred", "egress", "redirect",
        ];
        rest.iter().for_each(|w| words.word(w));
        words.pair("dev", &r.to);
    }
}

/// A filter that is made is said by its number alone, since its table is the priority's own, which the kernel numbers. Where only
/// that is known of one that goes, its priority is its own, and goes whole.
fn filter_handle(words: &mut Words, handle: u32, whole: bool) {
    let said = if whole { made_as(handle) } else { handle };
    if said != 0 && (whole || said >> 20 != 0) {
        words.pair("handle", number(said));
    }
}

/// Somebody else's u32 filter: its numbers, and to bring it back what it matches and where that goes.
fn filter(words: &mut Words, f: &Filter, whole: bool, targets: &[(u32, Arc<str>)]) {
    words.pair(
        "parent",
        format!("{:x}:{}", f.parent.major(), minor(f.parent)),
    );
    match f.protocol {
        3 => words.pair("protocol", "all"),
        0x0800 => words.pair("protocol", "ip"),
        0x86dd => words.pair("protocol", "ipv6"),
        0x8100 => words.pair("protocol", "802.1Q"),
        other => words.pair("protocol", format!("{other:#x}")),
    }
    words.pair("prio", f.prio);
    if f.chain != 0 {
        words.pair("chain", f.chain);
    }
    filter_handle(words, f.handle, whole);
    words.word(f.kind.name());
    let FilterKind::U32(u32) = &f.kind else {
        return;
    };
    if !whole {
        return;
    }
    if let Some(divisor) = u32.divisor() {
        words.pair("divisor", divisor);
        return;
    }
    // One that stays in its priority's own table is not told its table: the kernel numbers that.
    if let Some(hash) = u32.hash().filter(|h| *h < FIRST_ROOT) {
        words.pair("ht", bucket(hash));
    }
    // tc takes what comes after an action for one more action, so that actions come last.
    for key in u32.sel().into_iter().flat_map(keys) {
        words.word("match");
        words.pair("u32", format!("{:#010x}", key.val));
        words.word(&format!("{:#010x}", key.mask));
        let from = if key.offmask == 0 { "" } else { "nexthdr+" };
        words.pair("at", format!("{from}{}", key.off));
    }
    if let Some(sel) = u32.sel().filter(|s| s.hmask != 0) {
        words.word("hashkey");
        words.pair("mask", format!("{:#010x}", sel.hmask));
        words.pair("at", sel.hoff);
        if sel.off != 0 {
            words.word("offset");
            words.pair("plus", sel.off);
            words.word("eat");
        }
    }
    for part in &u32.parts {
        match part {
            U32Part::ClassId(class) => words.pair("flowid", class),
            U32Part::Link(table) => words.pair("link", number(*table)),
            _ => {}
        }
    }
    words.0.extend(readd::words(u32.actions(), targets));
}

/// First hash table that the kernel makes of its own accord.
const FIRST_ROOT: u32 = 0x8000_0000;

/// A table and a bucket in it.
fn bucket(hash: u32) -> String {
    format!("{:x}:{:x}:", hash >> 20, hash >> 12 & 0xff)
}

/// The keys of a selector. None matches everything, which tc has only one word for.
fn keys(sel: &U32Sel) -> &[U32Key] {
    const ALL: &[U32Key] = &[U32Key {
        mask: 0,
        val: 0,
        off: 0,
        offmask: 0,
    }];
    if sel.keys.is_empty() { ALL } else { &sel.keys }
}

/// The minor half of a hook; nothing where it is 0.
fn minor(handle: Handle) -> String {
    if handle.minor() == 0 {
        String::new()
    } else {
        format!("{:x}", handle.minor())
    }
}

fn qdisc(words: &mut Words, q: &Qdisc, whole: bool, rounding: TickRounding) {
    match q.parent {
        Handle::ROOT => words.word("root"),
        Handle::INGRESS => {
            words.word(q.kind.name());
            return;
        }
        parent => words.pair("parent", parent),
    }
    if !q.handle.is_none() {
        words.pair("handle", q.handle);
    }
    if !whole {
        return;
    }
    words.word(q.kind.name());
    match &q.kind {
        QdiscKind::Htb(h) => htb(words, h),
        QdiscKind::Tbf(t) => tbf(words, t, rounding),
        QdiscKind::Bfifo(Some(limit)) | QdiscKind::Pfifo(Some(limit)) => words.pair("limit", limit),
        QdiscKind::FqCodel(f) => fq_codel(words, f),
        _ => {}
    }
}

fn htb(words: &mut Words, h: &Htb) {
    words.pair("default", format!("{:x}", h.default));
    if h.rate2quantum != 10 {
        words.pair("r2q", h.rate2quantum);
    }
    if let Some(qlen) = h.direct_qlen {
        words.pair("direct_qlen", qlen);
    }
    if h.offload {
        words.word("offload");
    }
}

fn tbf(words: &mut Words, t: &Tbf, rounding: TickRounding) {
    let bytes = |ticks| rounding.bytes(t.rate.bytes_per_second, ticks).0;
    words.pair("rate", tc_rate(&t.rate));
    words.pair(
        "burst",
        format!("{}b", t.burst.map_or_else(|| bytes(t.buffer), u64::from)),
    );
    words.pair("limit", format!("{}b", t.limit));
    if t.peak.bytes_per_second > 0 {
        let mtu = rounding.bytes(t.peak.bytes_per_second, t.mtu).0;
        words.pair("peakrate", tc_rate(&t.peak));
        words.pair("mtu", format!("{}b", t.pburst.map_or(mtu, u64::from)));
    }
    layer(words, &t.rate);
}

fn fq_codel(words: &mut Words, f: &FqCodel) {
    let numbers = [
        ("limit", f.limit),
        ("flows", f.flows),
        ("quantum", f.quantum),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            words.pair(name, value);
        }
    }
    for (name, value) in [
        ("target", f.target),
        ("interval", f.interval),
        ("ce_threshold", f.ce_threshold),
    ] {
        if let Some(value) = value {
            words.pair(name, format!("{value}us"));
        }
    }
    if let Some(bytes) = f.memory_limit {
        words.pair("memory_limit", format!("{bytes}b"));
    }
    if let Some(batch) = f.drop_batch {
        words.pair("drop_batch", batch);
    }
    match f.ecn {
        Some(0) => words.word("noecn"),
        Some(_) => words.word("ecn"),
        None => {}
    }
}

fn class(words: &mut Words, c: &Class, whole: bool, rounding: TickRounding) {
    if whole {
        words.pair("parent", c.parent);
    }
    words.pair("classid", c.id);
    if !whole {
        return;
    }
    let h = &c.htb;
    words.word("htb");
    words.pair("rate", tc_rate(&h.rate));
    words.pair("ceil", tc_rate(&h.ceil));
    words.pair(
        "burst",
        format!("{}b", rounding.bytes(h.rate.bytes_per_second, h.buffer).0),
    );
    words.pair(
        "cburst",
        format!("{}b", rounding.bytes(h.ceil.bytes_per_second, h.cbuffer).0),
    );
    layer(words, &h.rate);
    if h.prio != 0 {
        words.pair("prio", h.prio);
    }
    if h.quantum != 0 {
        words.pair("quantum", h.quantum);
    }
}

fn layer(words: &mut Words, spec: &RateSpec) {
    if spec.mpu != 0 {
        words.pair("mpu", spec.mpu);
    }
    if spec.overhead != 0 {
        words.pair("overhead", spec.overhead);
    }
    if spec.linklayer == 2 {
        words.pair("linklayer", "atm");
    }
}

fn tc_rate(spec: &RateSpec) -> impl core::fmt::Display {
    Rate::from_bytes_per_second(spec.bytes_per_second).tc()
}
