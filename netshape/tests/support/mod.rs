//! Captured set-ups of `data/tc-samples`, read in place.
#![allow(dead_code, reason = "each test uses its own part")]

use netshape::netlink::{HexLine, hex_lines};
use netshape::tc::{IfIndexes, TickRounding};
use std::path::{Path, PathBuf};
use test_support::Need;

/// One set-up as captured with one tc.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) rounding: TickRounding,
}

/// The shared captures, for tests that need them.
pub(crate) const SHARED: Need = Need::Data("tc-samples");

/// Set-ups captured for this crate, with both tcs.
pub(crate) fn own() -> Vec<Sample> {
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured/set-ups"))
}

/// The shared set-ups, captured on the same kernel with both tcs.
pub(crate) fn shared() -> Vec<Sample> {
    below(&SHARED.path())
}

fn below(root: &Path) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut sets: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    sets.sort();
    for set in sets.iter().filter(|p| p.is_dir()) {
        for (tc, rounding) in [
            ("tc6.1", TickRounding::Truncating),
            ("tc7.1", TickRounding::Ceil),
        ] {
            let dir = set.join(tc);
            let name = format!("{}/{tc}", set.file_name().unwrap().to_string_lossy());
            if dir.is_dir() {
                samples.push(Sample {
                    name,
                    dir,
                    rounding,
                });
            }
        }
    }
    samples
}

/// Commands with what was sent for each; `None` where none were captured.
pub(crate) fn requests(path: &Path) -> Option<Vec<(String, Vec<Vec<u8>>)>> {
    if !path.exists() {
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let mut out: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for line in hex_lines(&text) {
        match line.unwrap() {
            HexLine::Command(c) => out.push((c.to_owned(), Vec::new())),
            HexLine::Sent(b) => out.last_mut().unwrap().1.push(b),
            HexLine::Received(_) => {}
        }
    }
    Some(out)
}

/// Devices' numbers, learnt from the messages of commands that name a device.
pub(crate) fn ifindexes(requests: &[(String, Vec<Vec<u8>>)]) -> IfIndexes {
    let mut found = IfIndexes::new();
    for (command, sent) in requests {
        let words: Vec<&str> = command.split_whitespace().collect();
        let dev = words
            .iter()
            .position(|w| *w == "dev")
            .and_then(|i| words.get(i + 1));
        if let (Some(dev), Some(bytes)) = (dev, sent.first()) {
            let index = u32::from_le_bytes(bytes[20..24].try_into().unwrap());
            found.insert((*dev).to_owned(), index);
            // A mirred action's target stands last in the command and at the end of `tc_mirred`.
            let target = words
                .iter()
                .rposition(|w| *w == "dev")
                .and_then(|i| words.get(i + 1));
            for message in netshape::netlink::decode(bytes).flatten() {
                let netshape::netlink::Message::Tc(message) = message else {
                    continue;
                };
                let Some(netshape::netlink::Options::U32(u32)) = &message.options else {
                    continue;
                };
                for action in u32.actions() {
                    if let netshape::object::TcAction::Mirred(m) = action {
                        found.insert(target.unwrap().to_string(), m.ifindex);
                    }
                }
            }
        }
    }
    found
}

/// A message with its sequence and port zeroed and without RTAB, CTAB, PTAB, lengths mended.
pub(crate) fn normal(bytes: &[u8]) -> Vec<u8> {
    let kind_at = find(&bytes[36..], 1)
        .map(|(_, d)| d.to_vec())
        .unwrap_or_default();
    let kind = String::from_utf8_lossy(&kind_at)
        .trim_end_matches('\0')
        .to_owned();
    let class = matches!(u16::from_le_bytes([bytes[4], bytes[5]]), 40..=43);
    let tables: &[u16] = match kind.as_str() {
        "htb" if class => &[3, 4],
        "tbf" => &[2, 3],
        _ => &[],
    };
    let mut out = bytes[..36].to_vec();
    out[8..16].fill(0);
    walk(&bytes[36..], |ty, data| {
        let mut data = data.to_vec();
        if ty & 0x3fff == 2 && !tables.is_empty() {
            let mut inner = Vec::new();
            walk(&data, |t, d| {
                if !tables.contains(&(t & 0x3fff)) {
                    put(&mut inner, t, d);
                }
            });
            data = inner;
        }
        put(&mut out, ty, &data);
    });
    let len = u32::try_from(out.len()).unwrap();
    out[..4].copy_from_slice(&len.to_le_bytes());
    out
}

fn put(out: &mut Vec<u8>, ty: u16, data: &[u8]) {
    out.extend(u16::try_from(data.len() + 4).unwrap().to_le_bytes());
    out.extend(ty.to_le_bytes());
    out.extend(data);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn walk(mut bytes: &[u8], mut each: impl FnMut(u16, &[u8])) {
    while bytes.len() >= 4 {
        let len = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        each(u16::from_le_bytes([bytes[2], bytes[3]]), &bytes[4..len]);
        bytes = &bytes[len.next_multiple_of(4).min(bytes.len())..];
    }
}

fn find(bytes: &[u8], ty: u16) -> Option<(u16, Vec<u8>)> {
    let mut found = None;
    walk(bytes, |t, d| {
        if t == ty {
            found = Some((t, d.to_vec()));
        }
    });
    found
}
