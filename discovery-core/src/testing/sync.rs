//! Registries and what should be in them, decoded from bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ops::Bytes;
use crate::Registry;
use crate::registry::{Entry, Op, Registration, RegistrationStatus, diff, transactions};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
const STANDINGS: [RegistrationStatus; 5] = [
    RegistrationStatus::Unknown,
    RegistrationStatus::Passing,
    RegistrationStatus::Degraded,
    RegistrationStatus::Failing,
    RegistrationStatus::Draining,
];

fn registration(bytes: &mut Bytes<'_>, name: &'static str) -> Option<Registration<'static>> {
    let status = STANDINGS[bytes.below(5)? as usize];
    // What was never checked is given no weight.
    let weight = [0, 1, 500, u32::MAX][bytes.below(4)? as usize];
    Some(Registration {
        service: "web",
        name,
        node: ["n1", "n2"][bytes.below(2)? as usize],
        zone: "z",
        region: ["north", "south"][bytes.below(2)? as usize],
        address: ([10, 0, 0, bytes.below(2)?], 80).into(),
        weight: if status == RegistrationStatus::Unknown {
            0
        } else {
            weight
        },
        status,
    })
}

fn open(registry: &Registry) -> usize {
    registry.service("web").filter(|(_, e)| e.open()).count()
}

/// Two sets of entries, ours and others', and what should be there; the operations between them, one by one.
///
/// # Panics
/// When an operation is refused, another's entry changes, a prefix leaves fewer open than both ends, or something is
/// left to do.
pub fn fuzz_sync(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let (mut registry, mut desired) = (Registry::new(), Vec::new());
    for name in NAMES {
        let Some(kind) = bytes.below(8) else { break };
        let owner = if kind & 1 == 0 { "us" } else { "them" };
        if kind & 2 == 0 {
            let Some(there) = registration(&mut bytes, name) else {
                break;
            };
            let revision = u64::from(kind) + 1;
            registry.insert("web", name, Entry::new(&there, owner, revision));
        }
        if kind & 4 == 0 {
            desired.extend(registration(&mut bytes, name));
        }
    }
    if let Err(broken) = converge(&mut registry, &desired) {
        panic!("{broken}");
    }
}

fn converge(registry: &mut Registry, desired: &[Registration<'_>]) -> Result<(), String> {
    let theirs = |r: &Registry| -> Vec<(String, Entry)> {
        let all = r.service("web").filter(|(_, e)| e.owner != "us");
        all.map(|(n, e)| (n.into(), e.clone())).collect()
    };
    let (others, begin) = (theirs(registry), open(registry));
    let ops = diff("web", desired.iter().copied(), registry, "us");
    let mut end = registry.clone();
    for op in &ops {
        end.apply(op).map_err(|e| format!("{op:?}: {e}"))?;
    }
    let least = begin.min(open(&end));
    let cut: Vec<&Op> = transactions(&ops).flatten().collect();
    if cut.len() != ops.len() {
        return Err("transactions lost something".into());
    }
    for op in cut {
        registry.apply(op).map_err(|e| format!("{op:?}: {e}"))?;
        if open(registry) < least {
            return Err(format!("{op:?} left {} of {least}", open(registry)));
        }
    }
    if theirs(registry) != others {
        return Err("another's entry changed".into());
    }
    match diff("web", desired.iter().copied(), registry, "us").first() {
        None => Ok(()),
        Some(left) => Err(format!("{left:?} is left to do")),
    }
}
