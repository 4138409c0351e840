//! One netlink message as JSON; units are in the keys.

use netshape::netlink::{ObjectKind, Options, Stats, TcMessage, Verb, hex_of};
use netshape::object::{
    ActionExtras, FqCodel, Handle, HtbClass, RateSpec, Stab, Tbf, TcAction, U32, U32Part,
};
use serde_json::{Map, Value, json};

/// A message as `berth shape decode` promises it.
pub(super) fn json(m: &TcMessage<'_>) -> Value {
    let object = match m.object {
        ObjectKind::Qdisc => "qdisc",
        ObjectKind::Class => "class",
        ObjectKind::Filter => "filter",
    };
    let action = match m.verb {
        Verb::New => "new",
        Verb::Del => "del",
        Verb::Get => "get",
    };
    let handle = match m.object {
        ObjectKind::Filter => json!(u32_handle(m.handle.raw())),
        _ => json!(m.handle),
    };
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    set("action", json!(action));
    set("object", json!(object));
    set("flags", json!(m.flags));
    set("ifindex", json!(m.ifindex));
    set("kind", json!(m.kind));
    set("handle", handle);
    set("parent", json!(m.parent));
    set("info", json!(m.info));
    match m.object {
        ObjectKind::Filter => {
            set("prio", json!(m.prio()));
            set("protocol", json!(protocol(m.protocol())));
        }
        ObjectKind::Class if m.info != 0 => set("leaf", json!(Handle::from_raw(m.info))),
        _ => {}
    }
    set(
        "options",
        m.options
            .as_ref()
            .map_or_else(|| json!({}), |o| options(m.kind.as_deref(), o)),
    );
    let numbers = [
        ("chain", m.chain),
        ("ingress_block", m.ingress_block),
        ("egress_block", m.egress_block),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            set(key, json!(value));
        }
    }
    if let Some(e) = m.estimator {
        set(
            "estimator",
            json!({"interval": e.interval, "ewma_log": e.ewma_log}),
        );
    }
    if let Some(stab) = &m.stab {
        set("stab", json_stab(stab));
    }
    if let Some(stats) = &m.stats {
        set("stats", json_stats(stats));
    }
    Value::Object(out)
}

/// A message in one line, from its JSON.
pub(super) fn line(value: &Value) -> String {
    let text = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    let options = value
        .get("options")
        .map(Value::to_string)
        .unwrap_or_default();
    format!(
        "{} {} {} dev {} handle {} parent {} {options}",
        text("action"),
        text("object"),
        text("kind"),
        value.get("ifindex").unwrap_or(&Value::Null),
        text("handle"),
        text("parent"),
    )
}

/// An Ethertype as tc names it.
pub(super) fn protocol(number: u16) -> String {
    match number {
        0x0003 => "all".to_owned(),
        0x0800 => "ip".to_owned(),
        0x86dd => "ipv6".to_owned(),
        0x0806 => "arp".to_owned(),
        0x8100 => "802.1Q".to_owned(),
        other => format!("{other:#06x}"),
    }
}

/// A u32 handle: `800::800`, `800:` for a table, `none`.
pub(super) fn u32_handle(raw: u32) -> String {
    let (table, bucket, node) = (raw >> 20, (raw >> 12) & 0xff, raw & 0xfff);
    match (bucket, node) {
        _ if raw == 0 => "none".to_owned(),
        (0, 0) => format!("{table:x}:"),
        (0, node) => format!("{table:x}::{node:x}"),
        (bucket, node) => format!("{table:x}:{bucket:x}:{node:x}"),
    }
}

fn options(kind: Option<&str>, options: &Options<'_>) -> Value {
    match options {
        Options::Htb(h) => json!({
            "r2q": h.rate2quantum, "default": h.default, "debug": h.debug, "direct_qlen": h.direct_qlen,
            "offload": h.offload, "direct_packets": h.direct_packets,
        }),
        Options::HtbClass(c) => class(c),
        Options::Tbf(t) => tbf(t),
        // `bfifo` counts bytes, as the document of an observed state says it; the others packets.
        Options::Fifo(limit) if kind == Some("bfifo") => json!({"limit_bytes": limit}),
        Options::Fifo(limit) => json!({"limit": limit}),
        Options::FqCodel(f) => fq_codel(f),
        Options::U32(u) => u32(u),
        Options::Raw(bytes) => json!({"raw": hex_of(bytes)}),
    }
}

fn class(c: &HtbClass) -> Value {
    json!({
        "rate_bytes_per_second": c.rate.bytes_per_second,
        "ceil_bytes_per_second": c.ceil.bytes_per_second,
        "buffer_ticks": c.buffer, "cbuffer_ticks": c.cbuffer,
        "quantum": c.quantum, "prio": c.prio, "level": c.level,
        "overhead_bytes": c.rate.overhead, "mpu_bytes": c.rate.mpu, "linklayer": linklayer(&c.rate),
    })
}

fn linklayer(spec: &RateSpec) -> &'static str {
    match spec.linklayer {
        0 => "unspec",
        1 => "ethernet",
        2 => "atm",
        _ => "unknown",
    }
}

fn tbf(t: &Tbf) -> Value {
    json!({
        "rate_bytes_per_second": t.rate.bytes_per_second,
        "peak_bytes_per_second": t.peak.bytes_per_second,
        "limit_bytes": t.limit, "buffer_ticks": t.buffer, "mtu_ticks": t.mtu,
        "burst_bytes": t.burst, "peak_burst_bytes": t.pburst,
        "overhead_bytes": t.rate.overhead, "mpu_bytes": t.rate.mpu, "linklayer": linklayer(&t.rate),
    })
}

fn fq_codel(f: &FqCodel) -> Value {
    json!({
        "limit": f.limit, "flows": f.flows, "quantum": f.quantum, "target_us": f.target,
        "interval_us": f.interval, "ecn": f.ecn, "ce_threshold_us": f.ce_threshold,
        "memory_limit_bytes": f.memory_limit, "drop_batch": f.drop_batch,
    })
}

fn u32(u: &U32) -> Value {
    let mut out = Map::new();
    for part in &u.parts {
        let (key, value) = match part {
            U32Part::ClassId(id) => ("flowid", json!(id)),
            U32Part::Hash(hash) => ("hash_table", json!(u32_handle(*hash))),
            U32Part::Link(link) => ("link", json!(u32_handle(*link))),
            U32Part::Divisor(divisor) => ("divisor", json!(divisor)),
            U32Part::Sel(sel) => (
                "selector",
                json!({
                    "flags": sel.flags, "offset_shift": sel.offshift, "offset_mask": sel.offmask,
                    "offset": sel.off, "offset_at": sel.offoff, "hash_at": sel.hoff,
                    "hash_mask": format!("{:08x}", sel.hmask),
                    "keys": sel.keys.iter().map(|k| json!({
                        "mask": format!("{:08x}", k.mask), "value": format!("{:08x}", k.val),
                        "at": k.off, "next_header": k.offmask,
                    })).collect::<Vec<_>>(),
                }),
            ),
            U32Part::Actions(list) => ("actions", list.iter().map(action).collect()),
            U32Part::Indev(name) => ("indev", json!(name)),
            U32Part::Mark(m) => (
                "mark",
                json!({"value": m.val, "mask": m.mask, "success": m.success}),
            ),
            U32Part::Flags(flags) => ("flags", json!(flags)),
            _ => continue,
        };
        out.insert(key.to_owned(), value);
    }
    Value::Object(out)
}

pub(super) fn action(action: &TcAction) -> Value {
    match action {
        TcAction::Mirred(m) => {
            let value = json!({
                "kind": "mirred", "action": m.name(), "to_ifindex": m.ifindex, "index": m.index,
                "control": m.action, "block": m.block,
            });
            with_extras(value, m.extras.as_deref())
        }
        TcAction::Gact(g) => {
            let mut value = json!({"kind": "gact", "index": g.index, "control": g.action});
            if let (Some(r), Value::Object(map)) = (g.random, &mut value) {
                let random = json!({"kind": r.kind, "chance": r.chance, "control": r.action});
                map.insert("random".to_owned(), random);
            }
            with_extras(value, g.extras.as_deref())
        }
        TcAction::Other(kind) => json!({"kind": kind}),
        _ => Value::Null,
    }
}

/// What few actions carry is shown where it is there.
fn with_extras(mut value: Value, extras: Option<&ActionExtras>) -> Value {
    let (Some(extras), Value::Object(map)) = (extras, &mut value) else {
        return value;
    };
    if !extras.cookie.is_empty() {
        map.insert("cookie".to_owned(), json!(hex_of(&extras.cookie)));
    }
    for (name, bits) in [("hw_stats", extras.hw_stats), ("flags", extras.flags)] {
        if let Some((value, selector)) = bits {
            let bits = json!({"value": value, "selector": selector});
            map.insert(name.to_owned(), bits);
        }
    }
    value
}

fn json_stab(s: &Stab) -> Value {
    json!({
        "cell_log": s.cell_log, "size_log": s.size_log, "cell_align": s.cell_align,
        "overhead_bytes": s.overhead, "linklayer": s.linklayer, "mpu_bytes": s.mpu,
        "mtu_bytes": s.mtu, "table_size": s.tsize, "table": s.data,
    })
}

fn json_stats(s: &Stats) -> Value {
    let mut out = json!({
        "sent_bytes": s.sent_bytes, "sent_packets": s.sent_packets, "queue_packets": s.qlen,
        "backlog_bytes": s.backlog_bytes, "drops": s.drops, "requeues": s.requeues,
        "overlimits": s.overlimits,
        "estimated_bytes_per_second": s.estimated_bytes_per_second,
        "estimated_packets_per_second": s.estimated_packets_per_second,
    });
    if let (Some(h), Value::Object(map)) = (s.htb, &mut out) {
        let htb = json!({
            "lends": h.lends, "borrows": h.borrows, "giants": h.giants,
            "tokens": h.tokens, "ctokens": h.ctokens,
        });
        map.insert("htb".to_owned(), htb);
    }
    out
}
