//! Untrusted bytes and texts.

use super::Draws;
use crate::netlink::{Message, decode, hex_lines, hex_of, load};
use crate::tc::{IfIndexes, TickRounding, batch_commands, parse_line_with_speeds};
use alloc::collections::BTreeMap;
use alloc::string::String;

/// Any bytes as netlink messages: no panic; what was read and is written comes back the same when read again.
pub fn fuzz_decode(data: &[u8]) {
    let mut devices = BTreeMap::new();
    let _ = load(data, &mut devices);
    for message in decode(data).flatten() {
        let Message::Tc(mut message) = message else {
            continue;
        };
        // Counters are only read.
        message.stats = None;
        let bytes = message.to_bytes();
        let again = decode(&bytes).next();
        let same = matches!(&again, Some(Ok(Message::Tc(m))) if *m == message);
        assert!(same || bytes.len() > 0xf000, "{message:?}\n{again:?}");
    }
}

/// Any text as a tc batch and as captured messages.
pub fn fuzz_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let devices: IfIndexes = [("d0".into(), 3), ("d1".into(), 2)].into_iter().collect();
    let speeds: IfIndexes = [("d0".into(), 10_000)].into_iter().collect();
    for (_, line) in batch_commands(&text) {
        for rounding in [TickRounding::Truncating, TickRounding::Ceil] {
            let Ok(Some(message)) = parse_line_with_speeds(&line, rounding, &devices, &speeds)
            else {
                continue;
            };
            let bytes = message.to_bytes();
            assert!(
                decode(&bytes).next().is_some_and(|m| m.is_ok()),
                "{line}: {}",
                hex_of(&bytes)
            );
        }
    }
    for line in hex_lines(&text) {
        if line.is_err() {
            break;
        }
    }
}

/// Any bytes as the texts of a policy's fields: refused or taken, never more promised than there is.
#[cfg(feature = "serde")]
pub fn fuzz_policy(data: &[u8]) {
    use crate::plan::diff;
    use crate::policy::{
        ContainerSection, HostSection, PolicyFile, ShapeSection, TierSection, UplinkSection,
    };
    use crate::{Capabilities, Direction};
    let text = String::from_utf8_lossy(data);
    let mut fields = text.split('\n').map(String::from);
    let mut next = || fields.next();
    let uplink = next().map(|dev| UplinkSection {
        dev,
        capacity: next().unwrap_or_default(),
        reserve: next(),
        ..UplinkSection::default()
    });
    let tier = alloc::vec![TierSection {
        name: next().unwrap_or_default(),
        weight: Some(1)
    }];
    let mut container = alloc::vec::Vec::new();
    while let Some(id) = next() {
        let mut shape = || {
            let (guarantee, ceiling, burst) = (next(), next(), next());
            ShapeSection {
                guarantee,
                ceiling,
                burst,
                priority: None,
            }
        };
        let (ingress, egress) = (shape(), shape());
        let number = Draws(id.as_bytes()).u8();
        container.push(ContainerSection {
            veth: next(),
            netns: (number % 2 == 0).then(|| id.clone()),
            tier: (number % 3 == 0)
                .then(|| tier.first().map(|t| t.name.clone()).unwrap_or_default()),
            id,
            ingress: Some(ingress),
            egress: Some(egress),
            addresses: match number % 3 {
                0 => alloc::vec![],
                1 => alloc::vec![alloc::format!("10.0.0.{number}")],
                _ => alloc::vec![
                    alloc::format!("fd00::{number}"),
                    alloc::format!("10.1.{number}.1/32")
                ],
            },
            ..ContainerSection::default()
        });
    }
    let file = PolicyFile {
        host: HostSection { uplink },
        tier,
        container,
    };
    let Ok((host, _refused)) = file.host(Capabilities::default(), &BTreeMap::new()) else {
        return;
    };
    for direction in [Direction::Ingress, Direction::Egress] {
        let bound = host.uplink().map(crate::Uplink::for_containers);
        assert!(bound.is_none_or(|b| host.promised(direction) <= b));
    }
    let plan = diff(&crate::ObservedState::new(), &host);
    assert_eq!(plan.is_empty(), host.device_names().is_empty());
}

/// Without serde there is no policy file.
#[cfg(not(feature = "serde"))]
pub fn fuzz_policy(data: &[u8]) {
    let _ = Draws(data).more();
}
