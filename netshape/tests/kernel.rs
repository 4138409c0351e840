//! The model of the kernel against captured set-ups: the same answers, and the same dump in the end.

mod support;

use netshape::kernel::{DeviceProperties, KernelModel};
use netshape::netlink::{HexLine, Message, decode, hex_lines, load};
use netshape::object::{Filter, FilterKind, Qdisc, QdiscKind, U32Part};
use netshape::{DevName, Device};
use std::collections::BTreeMap;
use support::{SHARED, Sample, ifindexes, own, requests, shared};

/// The dumps of one device, loaded.
fn dumped(sample: &Sample, dev: &str) -> Option<Device> {
    let mut devices = BTreeMap::new();
    let mut number = None;
    for entry in std::fs::read_dir(&sample.dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with(&format!("{dev}.")) || !name.ends_with(".dump.nl") {
            continue;
        }
        for line in hex_lines(&std::fs::read_to_string(&path).unwrap()) {
            match line.unwrap() {
                // The kernel dumps the qdiscs of all devices; what was asked for says which is meant.
                HexLine::Sent(bytes) => {
                    number = Some(i32::from_le_bytes(bytes[20..24].try_into().unwrap()));
                }
                HexLine::Received(bytes) => load(&bytes, &mut devices).unwrap(),
                HexLine::Command(_) => {}
            }
        }
    }
    let shared = devices.remove(&-1).unwrap_or_default();
    let mut device = devices.remove(&number?).unwrap_or_default();
    // Filters of a shared block are dumped with the block's number for a parent.
    let hook = device.qdisc_at("ingress".parse().unwrap()).cloned();
    for filter in shared.filters() {
        let Some((hook, extras)) = hook.as_ref().and_then(|h| Some((h, h.extras.as_ref()?))) else {
            continue;
        };
        let block = Some(filter.parent.raw());
        let parent = match hook.kind {
            QdiscKind::Ingress if extras.ingress_block == block => "ffff:",
            _ if extras.ingress_block == block => "ffff:fff2",
            _ if extras.egress_block == block => "ffff:fff3",
            _ => continue,
        };
        device.put_filter(Filter {
            parent: parent.parse().unwrap(),
            ..filter.clone()
        });
    }
    Some(device)
}

/// The names of devices that were dumped.
fn devices(sample: &Sample) -> Vec<String> {
    let names = std::fs::read_dir(&sample.dir)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    let mut names: Vec<String> = names
        .filter_map(|n| {
            n.to_str()?
                .strip_suffix(".qdisc.dump.nl")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

/// Queues of a device, as an mq's dump shows them; devices of one kind have as many.
fn queues(sample: &Sample) -> u16 {
    let of = |d: &String| dumped(sample, d).unwrap();
    let mq = |d: &Device| d.root().is_some_and(|r| r.kind == QdiscKind::Mq);
    let count = |d: &Device| d.qdiscs().len() - 1;
    let found = devices(sample)
        .iter()
        .map(of)
        .find(mq)
        .map_or(1, |d| count(&d));
    u16::try_from(found).unwrap()
}

/// What can be compared: without counters, without the kernel's own default roots, parts in one order.
fn plain(device: &Device) -> (Vec<String>, Vec<String>, Vec<String>) {
    let qdisc = |q: &Qdisc| {
        let kind = match &q.kind {
            QdiscKind::Other(o) => return format!("{} {} {}", q.handle, q.parent, o.kind),
            kind => kind.clone(),
        };
        // Numbers that the kernel gives out by itself count through the whole machine.
        let auto = (0x8001..0x8100).contains(&q.handle.major());
        let handle = if auto {
            "auto".to_owned()
        } else {
            q.handle.to_string()
        };
        let extras = q.extras.clone().map(|mut e| {
            e.estimator = None;
            e
        });
        let extras = extras.filter(|e| **e != Default::default());
        format!("{handle} {} {kind:?} {extras:?}", q.parent)
    };
    let default_root = |q: &&Qdisc| !(q.handle.is_none() && q.parent.to_string() == "root");
    let filter = |f: &Filter| {
        let FilterKind::U32(u32) = &f.kind else {
            return format!("{f:?}");
        };
        let mut parts: Vec<String> = Vec::new();
        for part in &u32.parts {
            match part {
                U32Part::Raw(..) | U32Part::Flags(_) => {}
                // The kernel numbers actions.
                U32Part::Actions(list) => parts.push(
                    format!("{list:?}")
                        .split(", ")
                        .filter(|s| !s.contains("index:") || s.contains("ifindex"))
                        .collect(),
                ),
                U32Part::Mark(m) => parts.push(format!("mark {} {}", m.val, m.mask)),
                part => parts.push(format!("{part:?}")),
            }
        }
        parts.sort();
        format!(
            "{} {} {} {} {:#x} {parts:?}",
            f.parent, f.chain, f.prio, f.protocol, f.handle
        )
    };
    (
        device
            .qdiscs()
            .iter()
            .filter(default_root)
            .map(qdisc)
            .collect(),
        device.classes().iter().map(|c| format!("{c:?}")).collect(),
        device.filters().iter().map(filter).collect(),
    )
}

/// Return code and first line of standard error of each command.
fn outcomes(sample: &Sample) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(sample.dir.join("setup.txt")).unwrap();
    let mut out: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            out.push((command.to_owned(), String::new()));
        } else if let Some(answer) = line.strip_prefix("rc=") {
            out.last_mut().unwrap().1 = answer.trim_end().to_owned();
        }
    }
    out
}

/// A kernel like the one that a set-up was captured on.
fn model(sample: &Sample) -> KernelModel {
    let mut kernel = KernelModel::new();
    let queues = queues(sample);
    for dev in devices(sample) {
        let ifb = dev.starts_with("ifb");
        let tx_queue_len = if ifb { 32 } else { 1000 };
        let facts = DeviceProperties::default()
            .with_tx_queue_len(tx_queue_len)
            .with_tx_queues(queues)
            .with_fq_codel(false)
            .with_u32_mark(false);
        kernel.put_device(DevName::host(&dev), Device::new());
        kernel.set_properties(DevName::host(&dev), facts);
    }
    kernel
}

/// What the model has otherwise than the kernel dumped.
fn differences(sample: &Sample, kernel: &KernelModel, wrong: &mut Vec<String>) {
    assert!(!devices(sample).is_empty(), "{}", sample.name);
    for dev in devices(sample) {
        let Some(theirs) = dumped(sample, &dev) else {
            panic!("{} {dev}: nothing was asked for", sample.name)
        };
        let ours = kernel.device(&DevName::host(&dev)).unwrap();
        let (ours, theirs) = (plain(ours), plain(&theirs));
        for (ours, theirs) in [(ours.0, theirs.0), (ours.1, theirs.1), (ours.2, theirs.2)] {
            let only = |a: &[String], b: &[String]| {
                let missing: Vec<String> = a.iter().filter(|x| !b.contains(x)).cloned().collect();
                missing.join("\n    ")
            };
            if ours != theirs {
                let (ours, theirs) = (only(&ours, &theirs), only(&theirs, &ours));
                wrong.push(format!(
                    "{} {dev}:\n ours\n    {ours}\n kernel\n    {theirs}",
                    sample.name
                ));
            }
        }
    }
}

fn end_in_the_captured_dumps(samples: &[Sample]) {
    let (mut replayed, mut wrong) = (0, Vec::new());
    for sample in samples {
        let Some(requests) = requests(&sample.dir.join("requests.nl")) else {
            continue;
        };
        let numbers = ifindexes(&requests);
        let mut kernel = model(sample);
        let outcomes = outcomes(sample);
        for (i, (command, sent)) in requests.iter().enumerate() {
            let Some(bytes) = sent.first() else { continue };
            let Some(Ok(Message::Tc(message))) = decode(bytes).next() else {
                panic!("{command}")
            };
            let dev = numbers
                .iter()
                .find(|(_, n)| i64::from(**n) == i64::from(message.ifindex));
            let name = DevName::host(dev.map_or("", |(name, _)| name));
            let answer = kernel.request(&name, &message);
            let (said, expected) = &outcomes[i];
            assert_eq!(said, command, "{}", sample.name);
            let ours = match answer {
                Ok(()) => "0".to_owned(),
                Err(e) => format!("2 Error: {e}"),
            };
            let theirs = expected.replace("RTNETLINK answers: ", "Error: ");
            let same = ours == theirs || (ours == "0" && theirs.starts_with("0 Warning"));
            if !same {
                wrong.push(format!(
                    "{}: {command}\n ours {ours}\n kernel {theirs}",
                    sample.name
                ));
            }
        }
        differences(sample, &kernel, &mut wrong);
        replayed += 1;
    }
    eprintln!("{replayed} set-ups replayed on the model");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(replayed > 0);
}

fn own_set_ups_end_in_the_captured_dumps() {
    end_in_the_captured_dumps(&own());
}

fn shared_set_ups_end_in_the_captured_dumps() {
    end_in_the_captured_dumps(&shared());
}

test_support::tests! {
    own_set_ups_end_in_the_captured_dumps [],
    shared_set_ups_end_in_the_captured_dumps [SHARED],
}
