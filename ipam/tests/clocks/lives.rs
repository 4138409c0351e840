//! Random lives under clocks that differ.

use super::*;
use ipam::{claim::RetentionKind, rng::stream};
use rand::{Rng, RngExt as _};
use std::collections::BTreeMap;

const TTL: Duration = Duration::from_secs(500);
const LEASE: Duration = Duration::from_secs(300);

/// Everything that is known of an address: the latest time, and from when on a stranger may have it.
#[derive(Clone, Copy, Debug)]
struct Known {
    at: Timestamp,
    lease: Option<Timestamp>,
    free: Timestamp,
}

/// Random lives under clocks that differ by up to twenty hours.
#[test]
fn whichever_clock_comes_next_nothing_ends_early() {
    for seed in 0..60 {
        let mut rng = stream(seed, "clocks");
        let mut lives = Lives {
            seed,
            store: Shared::new("10.0.0.0/30", QUARANTINE),
            known: BTreeMap::new(),
        };
        let mut now = 100_000u64;
        for _ in 0..120 {
            now += rng.random_range(0..120);
            let clock = at(match rng.random_range(0..4) {
                0 => now - rng.random_range(0..900),
                1 => now - rng.random_range(0..72_000),
                2 => now + rng.random_range(0..900),
                _ => now,
            });
            lives.step(&mut rng, clock);
        }
    }
}

/// The store beside what is known of each address.
struct Lives {
    seed: u64,
    store: Shared,
    known: BTreeMap<IpAddr, Known>,
}

impl Lives {
    /// One of four owners does something: renews or releases what it holds, or claims.
    fn step(&mut self, rng: &mut impl Rng, clock: Timestamp) {
        let (who, kind) = (rng.random_range(0..4), rng.random_range(0..4));
        let (owner, workload) = (format!("o{who}"), format!("w{who}"));
        let held = self.store.read(at(1)).claim_of(&owner).map(|c| {
            let address = c.addresses().next().expect("an address");
            (address, c.retention(), c.sequence())
        });
        let Some((address, retention, sequence)) = held else {
            self.claim(clock, &owner, &workload, kind);
            return;
        };
        if rng.random_range(0..3) == 0 {
            self.renew(clock, &owner, address, sequence);
            return;
        }
        self.release(clock, &owner, address, retention);
        if retention == RetentionKind::Fixed && rng.random_range(0..2) == 0 {
            self.store.by(clock, |ipam| {
                ipam.unreserve(clock, &*workload).expect("an end");
            });
            let entry = self.entry(address);
            entry.free = entry.at.after(QUARANTINE);
        }
    }

    fn entry(&mut self, address: IpAddr) -> &mut Known {
        let entry = self.known.get_mut(&address);
        entry.expect("what is held is known")
    }

    /// Renewed, unless its lease is over.
    fn renew(&mut self, clock: Timestamp, owner: &str, address: IpAddr, sequence: u64) {
        let length = self.entry(address).lease.map(|_| LEASE);
        let renew = |ipam: &mut Ipam| ipam.renew(clock, owner, sequence, length);
        let renewed = self.store.by(clock, renew);
        if renewed.is_ok() {
            let entry = self.entry(address);
            entry.at = entry.at.max(clock);
            entry.lease = length.map(|l| entry.at.after(l));
            let lease = entry.lease;
            assert_eq!(renewed, Ok(lease), "seed {}", self.seed);
        }
    }

    fn release(
        &mut self,
        clock: Timestamp,
        owner: &str,
        address: IpAddr,
        retention: RetentionKind,
    ) {
        self.store.release(clock, owner);
        let entry = self.entry(address);
        entry.at = entry.at.max(clock);
        entry.lease = None;
        entry.free = match retention {
            RetentionKind::Ephemeral => entry.at.after(QUARANTINE),
            RetentionKind::Sticky(ttl) => entry.at.after(ttl).after(QUARANTINE),
            RetentionKind::Fixed => Timestamp::MAX,
        };
    }

    /// Collection: it ends only what is over by the same clock.
    fn expire(&mut self, clock: Timestamp) {
        let before: BTreeMap<String, Option<Timestamp>> = {
            let ipam = self.store.read(at(1));
            ipam.claims()
                .map(|c| (c.owner().to_owned(), c.until()))
                .collect()
        };
        self.store.by(clock, |ipam| ipam.expire(clock));
        let left = self.store.read(at(1));
        for (owner, until) in before {
            if left.claim_of(&owner).is_none() {
                assert!(until.is_some_and(|u| u <= clock), "seed {}", self.seed);
                let gone = self.known.values_mut().find(|k| k.lease == until);
                let gone = gone.expect("a lease that is known");
                gone.at = gone.at.max(clock);
                (gone.free, gone.lease) = (gone.at.after(QUARANTINE), None);
            }
        }
    }

    /// A claim of one of four kinds, after a collection: it is given its own, or what a stranger may have by now.
    fn claim(&mut self, clock: Timestamp, owner: &str, workload: &str, kind: i32) {
        let base = Request::new(owner).workload(workload);
        let request = match kind {
            0 => base,
            1 => base.lease(LEASE),
            2 => base.sticky(TTL),
            _ => base.fixed(&[]),
        };
        let own = self.store.read(at(1)).retained_for(workload).next();
        self.expire(clock);
        let Some(address) = self.store.claim(clock, &request) else {
            return;
        };
        let seed = self.seed;
        let entry = self.known.entry(address).or_insert(Known {
            at: clock,
            lease: None,
            free: Timestamp::ZERO,
        });
        assert!(
            own == Some(address) || clock >= entry.free,
            "seed {seed}: {address} given at {clock}: {entry:?}"
        );
        entry.at = entry.at.max(clock);
        entry.lease = (kind == 1).then(|| entry.at.after(LEASE));
        let claimed = self.store.read(at(1));
        let until = claimed.claim_of(owner).expect("a claim").until();
        assert_eq!(until, entry.lease, "seed {seed}");
    }
}
