//! What the fuzz target `docker_calls` calls.

use crate::{AutoRange, Call, Driver, LONGEST_BODY, Reply};
use ipam::store::{MemoryStore, ready};
use ipam::{Replica, Timestamp};
use std::collections::BTreeSet;

/// Carries out calls read from arbitrary bytes, one a line (a path, a space, a body), on an empty store: whatever they are, each is
/// answered or refused, the state keeps its invariants, and no address is given twice.
///
/// # Panics
/// When something of that does not hold.
pub fn fuzz_calls(data: &[u8]) {
    let open = Replica::open(MemoryStore::default(), Timestamp::ZERO, 7);
    let mut replica = ready(open).expect("at once").expect("a store in memory");
    let range: AutoRange = "10.200.0.0/22:24".parse().expect("a range");
    let driver = Driver::new("h1").auto(range);
    let mut given: BTreeSet<String> = BTreeSet::new();
    for (second, line) in data.split(|byte| *byte == b'\n').take(64).enumerate() {
        let space = line
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(line.len());
        let (path, body) = line.split_at(space);
        let path = String::from_utf8_lossy(path);
        let call = match Call::read(&path, body) {
            Ok(call) => call,
            Err(refusal) => {
                assert!(!refusal.message.is_empty() && body.len() <= LONGEST_BODY * 2);
                continue;
            }
        };
        let now = Timestamp::from_secs(second as u64);
        let wait = |_| std::future::ready(());
        let before = replica.ipam().claim_count();
        let answer = ready(driver.answer(&mut replica, now, &call, wait)).expect("at once");
        let ipam = replica.ipam();
        assert_eq!(ipam.check_invariants(), Ok(()), "{call:?}");
        match (&call, answer) {
            (_, Err(refusal)) => assert_eq!(ipam.claim_count(), before, "{refusal}"),
            (Call::RequestAddress(request), Ok(Reply::Address(address)))
                if !request.is_gateway() =>
            {
                assert!(given.insert(address.clone()), "{address} is given twice");
            }
            (Call::ReleaseAddress(_) | Call::ReleasePool(_), Ok(_)) => {
                let held: BTreeSet<String> = ipam
                    .claims()
                    .flat_map(ipam::claim::ClaimRef::leases)
                    .map(|l| format!("{}/{}", l.address, l.prefix_length))
                    .collect();
                given.retain(|address| held.contains(address));
            }
            (_, Ok(reply)) => assert!(reply.to_json().is_object()),
        }
    }
}
