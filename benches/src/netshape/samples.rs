//! Captured requests of tc beside ours.

use crate::Measured;
use netshape::netlink::TcMessage;
use netshape::tc::parse_line;

/// Captured requests that come out byte for byte, of all of the listed kinds (1 is all).
pub(super) fn sample_bytes() -> Result<Measured, String> {
    let root = test_support::shared().join("data/tc-samples");
    let (mut equal, mut all) = (0_u32, 0_u32);
    let sets = std::fs::read_dir(&root).map_err(|e| format!("{}: {e}", root.display()))?;
    for set in sets.flatten() {
        for (tc, rounding) in [
            ("tc6.1", netshape::tc::TickRounding::Truncating),
            ("tc7.1", netshape::tc::TickRounding::Ceil),
        ] {
            let Ok(text) = std::fs::read_to_string(set.path().join(tc).join("requests.nl")) else {
                continue;
            };
            let (good, total) = requests(&text, rounding)?;
            equal += good;
            all += total;
        }
    }
    if all == 0 {
        return Err(format!("no requests below {}", root.display()));
    }
    Ok(Measured::alone(f64::from(equal) / f64::from(all)))
}

/// How many commands of a capture give the same decoded message, or are refused alike; decoding drops rate tables and
/// sequence numbers, and keeps every other field.
fn requests(text: &str, rounding: netshape::tc::TickRounding) -> Result<(u32, u32), String> {
    use netshape::netlink::{HexLine, Message, decode, hex_lines};
    let mut cases: Vec<(&str, Option<TcMessage<'static>>)> = Vec::new();
    for line in hex_lines(text) {
        match line.map_err(|e| e.to_string())? {
            HexLine::Command(command) => cases.push((command, None)),
            HexLine::Sent(bytes) => {
                let first = decode(&bytes).next();
                if let (Some(Ok(Message::Tc(m))), Some(case)) = (first, cases.last_mut()) {
                    let (mut message, none) = (m.into_owned(), 0);
                    (message.seq, message.pid) = (none, none);
                    case.1.get_or_insert(message);
                }
            }
            HexLine::Received(_) => {}
        }
    }
    let mut devices = netshape::tc::IfIndexes::new();
    for (command, message) in &cases {
        let mut words = command
            .split_whitespace()
            .skip_while(|w| *w != "dev")
            .skip(1);
        if let (Some(dev), Some(message)) = (words.next(), message) {
            devices.insert(dev.to_owned(), u32::try_from(message.ifindex).unwrap_or(0));
        }
        let target = command
            .split_whitespace()
            .rev()
            .zip(command.split_whitespace().rev().skip(1));
        let target = target
            .filter(|(_, before)| *before == "dev")
            .map(|(dev, _)| dev)
            .next();
        if let (Some(dev), Some(netshape::netlink::Options::U32(u32))) =
            (target, message.as_ref().and_then(|m| m.options.as_ref()))
        {
            for action in u32.actions() {
                if let netshape::object::TcAction::Mirred(m) = action {
                    devices.insert(dev.to_owned(), m.ifindex);
                }
            }
        }
    }
    let same = |(command, theirs): &&(&str, Option<TcMessage<'static>>)| {
        let ours = parse_line(command, rounding, &devices).ok().flatten();
        ours.as_ref().map(TcMessage::to_bytes) == theirs.as_ref().map(TcMessage::to_bytes)
    };
    let equal = cases.iter().filter(same).count();
    Ok((
        u32::try_from(equal).unwrap_or(0),
        u32::try_from(cases.len()).unwrap_or(0),
    ))
}
