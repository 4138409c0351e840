//! Several allocators on one store, which learn of one another by conflicts only.

use super::{at, now, spec, wait, whole};
use crate::shared::Shared;
use ipam::{
    Request, Timestamp,
    claim::ClaimRef,
    store::{HostReplica, MemoryStore, TransactError},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Claim(usize, u8, Option<u8>, bool),
    Release(usize, u8),
    Renew(usize, u8),
    Collect(usize),
    CollectAll,
    Later(u8),
    Refresh(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (host, owner) = (0..4usize, 0..20u8);
    let workload = prop::option::weighted(0.5, 0..6u8);
    let claim = (host.clone(), owner.clone(), workload, any::<bool>());
    prop_oneof![
        8 => claim.prop_map(|(h, o, w, s)| Step::Claim(h, o, w, s)),
        5 => (host.clone(), owner.clone()).prop_map(|(h, o)| Step::Release(h, o)),
        2 => (host.clone(), owner).prop_map(|(h, o)| Step::Renew(h, o)),
        1 => host.clone().prop_map(Step::Collect),
        1 => Just(Step::CollectAll),
        3 => (0..100u8).prop_map(Step::Later),
        1 => host.prop_map(Step::Refresh),
    ]
}

/// The allocators, and what owners were told.
struct Hosts {
    store: Shared,
    allocators: Vec<HostReplica<Shared>>,
    time: Timestamp,
    tokens: BTreeMap<String, u64>,
    /// The highest token of an address.
    fences: BTreeMap<IpAddr, u64>,
}

impl Hosts {
    fn new(history: Option<usize>) -> Self {
        let store = history.map_or_else(MemoryStore::default, MemoryStore::with_history);
        let store = Shared::new(store);
        let spec = spec("10.0.0.0/26").block_size(29);
        let spec = spec.quarantine(Duration::from_secs(30));
        now(whole(&store).add_pool(at(0), spec, wait)).expect("a pool");
        let allocator = |i: u8| HostReplica::new(store.clone(), &format!("h{i}"), 7);
        Self {
            allocators: (0..4).map(allocator).collect(),
            store,
            time: at(0),
            tokens: BTreeMap::new(),
            fences: BTreeMap::new(),
        }
    }

    /// The token of an owner's claim, if its lease is not over.
    fn current(&self, owner: &str) -> Option<u64> {
        let all = whole(&self.store);
        let claim = all.ipam().claim_of(owner);
        let claim = claim.filter(|c| c.until().is_none_or(|until| until > self.time));
        claim.map(ClaimRef::sequence)
    }

    fn take(&mut self, step: &Step) {
        self.time = self.time.after(Duration::from_millis(1));
        let time = self.time;
        match *step {
            Step::Claim(host, owner, workload, sticky) => {
                self.claim(host, &format!("o{owner}"), workload, sticky);
            }
            Step::Release(host, owner) => self.release(host, &format!("o{owner}")),
            Step::Renew(host, owner) => {
                let owner = format!("o{owner}");
                let sequence = self.tokens.get(&owner).copied().unwrap_or(0);
                let lasts = self.current(&owner) == Some(sequence);
                let lease = Some(Duration::from_secs(50));
                let done = self.allocators[host].renew(time, &owner, sequence, lease, wait);
                let done = now(done);
                assert_eq!(done.is_ok(), lasts, "{done:?}");
            }
            Step::CollectAll => {
                now(whole(&self.store).collect(time, None, wait)).expect("a pass");
            }
            Step::Collect(host) => {
                now(self.allocators[host].collect(time, None, wait)).expect("a pass");
            }
            Step::Later(secs) => self.time = time.after(Duration::from_secs(secs.into())),
            Step::Refresh(host) => now(self.allocators[host].refresh()).expect("a watch"),
        }
        let all = whole(&self.store);
        assert_eq!(all.rejected(), []);
        all.ipam().check_invariants().expect("sound");
    }

    fn claim(&mut self, host: usize, owner: &str, workload: Option<u8>, sticky: bool) {
        let workload = workload.map(|w| format!("w{w}"));
        let mut request = Request::new(owner);
        if let Some(workload) = &workload {
            request = request.workload(workload);
            if sticky {
                request = request.sticky(Duration::from_secs(60));
            }
        }
        let before = self.current(owner);
        let claim = now(self.allocators[host].claim(self.time, &request, wait));
        let grant = match claim {
            Ok(grant) => grant,
            Err(TransactError::Refused(_)) => return,
            Err(other) => panic!("{other}"),
        };
        let token = grant.sequence;
        let last = self.tokens.insert(owner.to_owned(), token);
        let address = grant.address().expect("one address");
        let fence = self.fences.insert(address, token).unwrap_or(0);
        match before {
            Some(sequence) => assert_eq!(sequence, token, "{owner}"),
            None => {
                assert!(last.is_none_or(|last| last < token), "{owner}");
                assert!(fence < token, "{address}");
            }
        }
    }

    fn release(&mut self, host: usize, owner: &str) {
        let Some(&sequence) = self.tokens.get(owner) else {
            return;
        };
        let all = whole(&self.store);
        let current = all.ipam().claim_of(owner).map(ClaimRef::sequence);
        let done = now(self.allocators[host].release(self.time, owner, sequence, wait));
        assert_eq!(done.is_ok(), current == Some(sequence), "{done:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn allocators_that_know_little_of_one_another_keep_every_promise(
        steps in prop::collection::vec(step(), 1..120),
        history in prop::option::of(0..8usize),
    ) {
        let mut hosts = Hosts::new(history);
        for step in &steps {
            hosts.take(step);
        }
    }
}
