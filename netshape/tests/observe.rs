//! What `tc show` prints against the netlink dump of the same moment: what is read is exact, the rest is refused.

mod support;

use netshape::Device;
use netshape::netlink::{HexLine, hex_lines, load};
use netshape::object::{FilterKind, U32Part};
use netshape::observe::{ParsedObject, TcJsonError, read_tc_json, read_tc_text};
use netshape::tc::{IfIndexes, TickRounding};
use std::collections::BTreeMap;
use support::{SHARED, Sample, ifindexes, own, requests, shared};

/// The device's dump of the same moment; `None` where none was taken.
fn dumped(path: &std::path::Path) -> Option<Device> {
    if !path.exists() {
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let (mut devices, mut number) = (BTreeMap::new(), None);
    for line in hex_lines(&text) {
        match line.unwrap() {
            HexLine::Sent(b) => number = Some(i32::from_le_bytes(b[20..24].try_into().unwrap())),
            HexLine::Received(b) => load(&b, &mut devices).unwrap(),
            HexLine::Command(_) => {}
        }
    }
    let number = number.unwrap_or_else(|| panic!("{}: nothing was asked for", path.display()));
    Some(devices.remove(&number).unwrap_or_default())
}

/// Whether the dump has the same.
fn agrees(shown: &ParsedObject, device: &Device) -> bool {
    match shown {
        ParsedObject::Qdisc(q) => device.qdisc_at(q.parent).is_some_and(|d| {
            let plain = |k: &netshape::object::QdiscKind| match k {
                netshape::object::QdiscKind::Other(o) => o.kind.clone(),
                kind => format!("{kind:?}"),
            };
            d.handle == q.handle && plain(&d.kind) == plain(&q.kind)
        }),
        ParsedObject::Class(c) => device.class(c.id).is_some_and(|d| {
            // A class with children prints neither turns.
            d.parent == c.parent
                && d.htb.same_rates(&c.htb, 0)
                && (c.htb.level > 0 || d.htb.same_quantum_and_prio(&c.htb))
        }),
        ParsedObject::Filter(f) => device.filters().iter().any(|d| {
            let (FilterKind::U32(a), FilterKind::U32(b)) = (&d.kind, &f.kind) else {
                return false;
            };
            let keys =
                |u: &netshape::object::U32| u.sel().map(|s| s.keys.clone()).unwrap_or_default();
            let targets = |u: &netshape::object::U32| format!("{:?}", u.actions());
            let divisor = |u: &netshape::object::U32| {
                u.parts.iter().any(|p| matches!(p, U32Part::Divisor(_)))
            };
            (d.parent, d.prio, d.protocol, d.handle) == (f.parent, f.prio, f.protocol, f.handle)
                && (keys(a), a.classid(), targets(a), divisor(a))
                    == (keys(b), b.classid(), targets(b), divisor(b))
        }),
    }
}

/// How much of a set-up was read, so that a check that saw nothing fails.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    qdiscs: usize,
    classes: usize,
    filters: usize,
    refused: usize,
    /// Files that are text where JSON was asked for.
    as_text: usize,
    /// Files without a dump of the same moment.
    without_dump: usize,
}

/// What was shown of one set-up against its dumps.
fn held_against_dumps(sample: &Sample) -> Seen {
    let devices =
        requests(&sample.dir.join("requests.nl")).map_or_else(IfIndexes::new, |r| ifindexes(&r));
    let mut paths: Vec<_> = std::fs::read_dir(&sample.dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    let mut seen = Seen::default();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let json = name.ends_with(".json");
        let txt = name.ends_with(".txt") && name != "setup.txt" && name != "show.txt";
        if !json && !txt {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let parts = name.rsplitn(if json { 3 } else { 2 }, '.');
        let stem = parts.last().unwrap();
        let reading = if txt {
            read_tc_text(&text)
        } else {
            match read_tc_json(&text, sample.rounding, &devices) {
                Ok(reading) => reading,
                Err(TcJsonError::Text) if sample.rounding == TickRounding::Truncating => {
                    seen.as_text += 1;
                    continue;
                }
                Err(e) => panic!("{}: {e}", path.display()),
            }
        };
        seen.refused += reading.unparsed.len();
        let Some(device) = dumped(&sample.dir.join(format!("{stem}.dump.nl"))) else {
            seen.without_dump += 1;
            continue;
        };
        for shown in &reading.objects {
            let place = path.display();
            assert!(agrees(shown, &device), "{place}: {shown:?}\n{device:?}");
            match shown {
                ParsedObject::Qdisc(_) => seen.qdiscs += 1,
                ParsedObject::Class(_) => seen.classes += 1,
                ParsedObject::Filter(_) => seen.filters += 1,
            }
        }
    }
    seen
}

/// A set-up captured for this crate, so that something is read wherever the tests run.
fn what_is_read_of_our_own_captures_is_exact() {
    let own = own().into_iter().find(|s| s.name == "shown/tc6.1");
    let seen = held_against_dumps(&own.expect("a set-up of our own"));
    // Three qdiscs in each of four files, six rows of filters in each of three; what is text has three classes and the rows of
    // filters, all refused; three files are text where JSON was asked for.
    let expected = Seen {
        qdiscs: 12,
        classes: 0,
        filters: 18,
        refused: 9,
        as_text: 3,
        without_dump: 0,
    };
    assert_eq!(seen, expected);
}

fn what_is_read_is_exact() {
    let (mut exact, mut classes) = (0, 0);
    for sample in own().into_iter().chain(shared()) {
        let seen = held_against_dumps(&sample);
        eprintln!("{}: {seen:?}", sample.name);
        // Two set-ups come with what was shown only.
        let shown_only = ["30-", "32-"].iter().any(|n| sample.name.starts_with(n));
        assert_eq!(seen.without_dump > 0, shown_only, "{}", sample.name);
        exact += seen.qdiscs + seen.filters;
        classes += seen.classes;
    }
    assert!(exact > 0 && classes > 0, "{exact} {classes}");
}

fn repeated_keys_are_all_read_and_a_device_that_is_gone_is_refused() {
    let two = r#"[{"parent":"1:","protocol":"ip","pref":1,"kind":"u32","chain":0,"options":{"fh":"800::800",
        "match":{"value":"1","mask":"ffffffff","offmask":"","off":12},"match":{"value":"2","mask":"ff","offmask":"nexthdr+","off":16}}}]"#;
    let reading = read_tc_json(two, TickRounding::Ceil, &IfIndexes::new()).unwrap();
    let ParsedObject::Filter(filter) = &reading.objects[0] else {
        panic!()
    };
    let FilterKind::U32(u32) = &filter.kind else {
        panic!()
    };
    assert_eq!(
        u32.sel()
            .unwrap()
            .keys
            .iter()
            .map(|k| (k.val, k.offmask))
            .collect::<Vec<_>>(),
        [(1, 0), (2, -1)]
    );
    let gone = r#"[{"parent":"ffff:","protocol":"all","pref":1,"kind":"u32","chain":0,"options":{"fh":"800::800",
        "actions":[{"kind":"mirred","mirred_action":"redirect","direction":"egress","to_dev":"*"}]}}]"#;
    let reading = read_tc_json(gone, TickRounding::Ceil, &IfIndexes::new()).unwrap();
    assert!(
        reading.objects.is_empty() && reading.unparsed[0].reason.contains("device that is gone")
    );
}

test_support::tests! {
    what_is_read_of_our_own_captures_is_exact [],
    what_is_read_is_exact [SHARED],
    repeated_keys_are_all_read_and_a_device_that_is_gone_is_refused [],
}
