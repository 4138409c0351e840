//! `tc -j [-s] -d qdisc|class|filter show`. A u32 filter repeats the key `match`, which a map of values would lose: it is
//! read entry by entry.

use super::entry::{Entry, get, hex, number, small, text};
use super::parsed::{ParsedObject, ParsedOutput, TBF};
use crate::object::{
    Class, Filter, FilterKind, Handle, Htb, HtbClass, Mirred, Other, Qdisc, QdiscKind, RateSpec,
    TcAction, U32, U32Key, U32Part, U32Sel,
};
use crate::tc::{IfIndexes, ethertype, u32_handle};
use crate::text::printable;
use crate::ticks::TickRounding;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::Value;

/// A text that is not tc's JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TcJsonError {
    /// tc before 6.2 prints classes as text, whatever it is told.
    #[error("not JSON but text: `tc -j class show` prints text before iproute2 6.2")]
    Text,
    /// Anything else.
    #[error("not tc's JSON: {}", printable(.0))]
    Json(String),
}

/// Reads object tc of this generation printed. `devices` gives the numbers of the devices that actions name.
///
/// ```
/// use netshape::observe::read_tc_json;
/// use netshape::tc::{IfIndexes, TickRounding};
///
/// let json = r#"[{"kind":"htb","handle":"1:","root":true,"options":{"r2q":10,"default":"0x10"}},
///                {"kind":"tbf","handle":"2:","parent":"1:10","options":{"rate":1000}}]"#;
/// let read = read_tc_json(json, TickRounding::Ceil, &IfIndexes::new())?;
/// assert_eq!(read.objects.len(), 1);
/// assert_eq!(read.unparsed[0].object, "qdisc tbf 2:"); // with the reason beside it
/// # Ok::<(), netshape::observe::TcJsonError>(())
/// ```
///
/// # Errors
/// A text that is not tc's JSON.
pub fn read_tc_json(
    json: &str,
    rounding: TickRounding,
    devices: &IfIndexes,
) -> Result<ParsedOutput, TcJsonError> {
    let json = json.trim();
    let mut reading = ParsedOutput::default();
    if json.is_empty() {
        return Ok(reading);
    }
    if !json.starts_with('[') {
        return Err(TcJsonError::Text);
    }
    let entries: Vec<Entry> =
        serde_json::from_str(json).map_err(|e| TcJsonError::Json(e.to_string()))?;
    for entry in &entries {
        match (text(&entry.fields, "class"), get(&entry.fields, "pref")) {
            (Some(kind), _) => class(kind, entry, rounding, &mut reading),
            (None, Some(_)) => filter(entry, devices, &mut reading),
            (None, None) => qdisc(entry, &mut reading),
        }
    }
    Ok(reading)
}

fn handle(entry: &Entry, key: &str) -> Option<Handle> {
    text(&entry.fields, key).and_then(|t| t.parse().ok())
}

fn parent(entry: &Entry) -> Option<Handle> {
    match get(&entry.fields, "root") {
        Some(_) => Some(Handle::ROOT),
        None => handle(entry, "parent"),
    }
}

fn qdisc(entry: &Entry, reading: &mut ParsedOutput) {
    let kind = text(&entry.fields, "kind").unwrap_or("");
    let object = format!(
        "qdisc {kind} {}",
        text(&entry.fields, "handle").unwrap_or("?")
    );
    let (Some(at), Some(parent)) = (handle(entry, "handle"), parent(entry)) else {
        return reading.refuse(&object, "its handle or parent can't be read");
    };
    let o = &entry.options;
    let read = match kind {
        "htb" => QdiscKind::Htb(Htb {
            rate2quantum: small(o, "r2q").unwrap_or(10),
            default: text(o, "default").and_then(hex).unwrap_or(0),
            // A counter, which is no part of object is there.
            direct_packets: 0,
            direct_qlen: small(o, "direct_qlen"),
            offload: get(o, "offload").is_some(),
            ..Htb::with_default_class(0)
        }),
        "pfifo" => QdiscKind::Pfifo(small(o, "limit")),
        "bfifo" => QdiscKind::Bfifo(small(o, "limit")),
        "ingress" => QdiscKind::Ingress,
        "clsact" => QdiscKind::Clsact,
        "mq" => QdiscKind::Mq,
        "tbf" => return reading.refuse(&object, TBF),
        "noqueue" | "pfifo_fast" => QdiscKind::Other(Box::new(Other {
            kind: kind.into(),
            options: None,
        })),
        _ => return reading.refuse(&object, "its options have no typed form"),
    };
    reading
        .objects
        .push(ParsedObject::Qdisc(Qdisc::new(at, parent, read)));
}

/// The only ticks that tc prints as so many bytes, if there is but one.
fn ticks(rounding: TickRounding, rate: u64, bytes: u64) -> Option<u32> {
    let prints = |ticks: u32| match rounding {
        TickRounding::Truncating => {
            (rate as f64 * ((f64::from(ticks) / 15.625) as u64 as f64) / 1e6) as u64
        }
        TickRounding::Ceil => (rate as f64 * (f64::from(ticks) / 15.625) / 1e6) as u64,
    };
    let near = rounding.ticks(rate, bytes)?;
    let mut fits =
        (near.saturating_sub(40)..=near.saturating_add(40)).filter(|t| prints(*t) == bytes);
    let only = fits.next()?;
    fits.next().is_none().then_some(only)
}

fn class(kind: &str, entry: &Entry, rounding: TickRounding, reading: &mut ParsedOutput) {
    let object = format!("class {}", text(&entry.fields, "handle").unwrap_or("?"));
    // Options stand in the object itself from 6.2 on, and below `options` in some versions.
    let o = if entry.options.is_empty() {
        &entry.fields
    } else {
        &entry.options
    };
    let (Some(id), Some(parent)) = (handle(entry, "handle"), parent(entry)) else {
        return reading.refuse(&object, "its handle or parent can't be read");
    };
    if kind != "htb" {
        return reading.refuse(&object, "its kind has no options");
    }
    let (Some(rate), Some(ceil)) = (number(o, "rate"), number(o, "ceil")) else {
        return reading.refuse(&object, "its rates can't be read");
    };
    let level = small(o, "level");
    let inner = level.is_some_and(|l| l > 0);
    if level.is_none() || (!inner && get(o, "quantum").is_none()) {
        return reading.refuse(&object, "quantum and level are printed with -d only");
    }
    let bucket = |rate, key| ticks(rounding, rate, number(o, key)?);
    let (Some(buffer), Some(cbuffer)) = (bucket(rate, "burst"), bucket(ceil, "cburst")) else {
        let why =
            "its burst is printed in whole bytes, which stand for more than one number of ticks";
        return reading.refuse(&object, why);
    };
    let linklayer = match text(o, "linklayer") {
        Some("atm") => 2,
        Some("ethernet") | None => 1,
        Some(_) => 0,
    };
    let spec = |rate, mpu| RateSpec {
        overhead: small(o, "overhead")
            .and_then(|n| u16::try_from(n).ok())
            .unwrap_or(0),
        mpu: small(o, mpu)
            .and_then(|n| u16::try_from(n).ok())
            .unwrap_or(0),
        linklayer,
        ..RateSpec::plain(rate).dumped()
    };
    let htb = HtbClass {
        rate: spec(rate, "mpu_rate"),
        ceil: spec(ceil, "mpu_ceil"),
        buffer,
        cbuffer,
        quantum: small(o, "quantum").unwrap_or(0),
        prio: small(o, "prio").unwrap_or(0),
        level: level.unwrap_or(0),
    };
    let parent = if parent == Handle::ROOT {
        id.of_qdisc()
    } else {
        parent
    };
    reading
        .objects
        .push(ParsedObject::Class(Class { id, parent, htb }));
}

fn filter(entry: &Entry, devices: &IfIndexes, reading: &mut ParsedOutput) {
    let (f, o) = (&entry.fields, &entry.options);
    let at = text(o, "fh").unwrap_or("");
    let object = format!("filter {} {at}", small(f, "pref").unwrap_or(0));
    let prio = small(f, "pref").and_then(|p| u16::try_from(p).ok());
    let protocol = text(f, "protocol").and_then(ethertype);
    let (Some(prio), Some(protocol), Some(parent)) = (prio, protocol, handle(entry, "parent"))
    else {
        return reading.refuse(&object, "its parent, priority or protocol can't be read");
    };
    if text(f, "kind") != Some("u32") {
        return reading.refuse(&object, "its kind has no typed form");
    }
    let mut parts: Vec<U32Part> = Vec::new();
    let node = at.rsplit(':').next().is_some_and(|n| !n.is_empty()) && at.matches(':').count() == 2;
    let mut sel = U32Sel {
        flags: 1,
        ..U32Sel::default()
    };
    for (key, value) in o {
        match key.as_str() {
            "ht_divisor" => parts.extend(
                value
                    .as_u64()
                    .and_then(|d| u32::try_from(d).ok())
                    .map(U32Part::Divisor),
            ),
            "flowid" => parts.extend(
                value
                    .as_str()
                    .and_then(|t| t.parse().ok())
                    .map(U32Part::ClassId),
            ),
            "link" => parts.extend(value.as_str().and_then(u32_handle).map(U32Part::Link)),
            "match" => match key_of(value) {
                Some(key) => sel.keys.push(key),
                None => return reading.refuse(&object, "a key can't be read"),
            },
            "offset" | "hash" | "mark" => {
                return reading
                    .refuse(&object, "offsets, hash keys and marks have no reading here");
            }
            "actions" => match actions(value, devices) {
                Ok(list) => parts.push(U32Part::Actions(list)),
                Err(why) => return reading.refuse(&object, why),
            },
            _ => {}
        }
    }
    if node {
        parts.push(U32Part::Sel(sel));
    }
    let kind = FilterKind::U32(Box::new(U32 { parts }));
    let chain = small(f, "chain").unwrap_or(0);
    let handle = u32_handle(at).unwrap_or(0);
    reading.objects.push(ParsedObject::Filter(Filter {
        parent,
        chain,
        prio,
        protocol,
        handle,
        kind,
    }));
}

fn key_of(value: &Value) -> Option<U32Key> {
    let word = |key: &str| value.get(key)?.as_str().and_then(hex);
    let off = i32::try_from(value.get("off")?.as_i64()?).ok()?;
    let next = value
        .get("offmask")
        .and_then(Value::as_str)
        .is_some_and(|m| !m.is_empty());
    Some(U32Key {
        mask: word("mask")?,
        val: word("value")?,
        off,
        offmask: if next { -1 } else { 0 },
    })
}

fn actions(value: &Value, devices: &IfIndexes) -> Result<Vec<TcAction>, &'static str> {
    let list = value.as_array().ok_or("its actions can't be read")?;
    let mut out = Vec::with_capacity(list.len());
    for action in list {
        let text = |key: &str| action.get(key).and_then(Value::as_str).unwrap_or("");
        if text("kind") != "mirred" {
            out.push(TcAction::Other(text("kind").into()));
            continue;
        }
        let ifindex = match text("to_dev") {
            "*" => {
                return Err("it redirects to a device that is gone, whose number is not printed");
            }
            dev => devices
                .get(dev)
                .copied()
                .ok_or("it redirects to a device whose number is not known")?,
        };
        let eaction = match (text("direction"), text("mirred_action")) {
            ("egress", "redirect") => 1,
            ("egress", "mirror") => 2,
            ("ingress", "redirect") => 3,
            ("ingress", "mirror") => 4,
            _ => return Err("a mirred action of an unknown kind"),
        };
        let control = action
            .get("control_action")
            .and_then(|c| c.get("type"))
            .and_then(Value::as_str);
        let verdict = match control {
            Some("stolen") => 4,
            Some("pipe") => 3,
            Some("drop") => 2,
            Some("reclassify") => 1,
            Some("pass") => 0,
            Some("continue") => -1,
            _ => return Err("a verdict that has no reading here"),
        };
        let index = action
            .get("index")
            .and_then(Value::as_u64)
            .and_then(|i| u32::try_from(i).ok());
        let index = index.unwrap_or(0);
        out.push(TcAction::Mirred(Mirred {
            index,
            action: verdict,
            eaction,
            ifindex,
            block: None,
            extras: None,
        }));
    }
    Ok(out)
}
