//! Many processes, and processes that are killed.

use crate::calls::{BERTH_CNI, Network};
use ipam::rng::stream;
use rand::RngExt as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// Processes at a time, and how many each does after another.
const AT_ONCE: usize = 16;
const EACH: usize = 8;

pub(crate) fn sixteen_processes_at_once_share_no_address() {
    let network = Network::of_subnet("parallel", "10.9.0.0/24");
    let given = std::thread::scope(|scope| {
        let one = |n: usize| {
            let network = &network;
            scope.spawn(move || {
                let add = |i: usize| network.add(&format!("c{n}-{i}"));
                (0..EACH).map(add).collect::<Vec<_>>()
            })
        };
        let all: Vec<_> = (0..AT_ONCE).map(one).collect();
        all.into_iter()
            .flat_map(|t| t.join().expect("a thread"))
            .collect::<Vec<_>>()
    });
    let mut apart = given.clone();
    apart.sort();
    apart.dedup();
    assert_eq!((given.len(), apart.len()), (AT_ONCE * EACH, AT_ONCE * EACH));
}

/// Processes killed at any moment of theirs. Whoever was answered has its address, no address has two owners, and at the end
/// all of them can be had again.
pub(crate) fn killed_processes_double_and_lose_nothing() {
    const ADDRESSES: usize = 13;
    let network = Network::of_subnet("killed", "10.9.0.0/28");
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    let mut rng = stream(7, "kills");
    for i in 0..120 {
        let container = format!("c{}", rng.random_range(0..10));
        let command = if held.contains_key(&container) && rng.random_bool(0.5) {
            "DEL"
        } else {
            "ADD"
        };
        let mut child = network.start(BERTH_CNI, command, &container, &[]);
        std::thread::sleep(Duration::from_micros(rng.random_range(0..20_000)));
        let _ = child.kill();
        let answer = test_support::cni::finish_killed(child);
        // Without an answer nothing is known but by asking again.
        let known = held.get(&container).cloned();
        match (command, answer) {
            ("ADD", Some(address)) => {
                assert!(known.is_none_or(|k| k == address), "step {i}");
                held.insert(container, address);
            }
            ("ADD", None) => {
                let address = network.add(&container);
                assert!(known.is_none_or(|k| k == address), "step {i}");
                held.insert(container, address);
            }
            _ => {
                network.call("DEL", &container).done();
                held.remove(&container);
            }
        }
        let mut apart: Vec<&String> = held.values().collect();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), held.len(), "step {i}: {held:?}");
    }
    for container in held.keys() {
        network.call("CHECK", container).done();
        network.call("DEL", container).done();
    }
    let all: Vec<String> = (0..ADDRESSES)
        .map(|i| network.add(&format!("d{i}")))
        .collect();
    assert_eq!(all.len(), ADDRESSES);
    assert_eq!(network.call("ADD", "one-more").code(), 11);
}
