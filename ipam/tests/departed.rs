//! Quarantines of pools that are gone, by clocks that differ and with times that cannot be.

use ipam::{
    Cidr, Ipam, PoolSpec, Request, Timestamp,
    claim::Holder,
    pool::Affinity,
    store::{DepartedAddress, Record},
};
use std::net::IpAddr;
use std::time::Duration;

const DAY: u64 = 24 * 3600;
const ADDRESS: &str = "10.0.0.1";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn address() -> IpAddr {
    ADDRESS.parse().expect("an address")
}

/// A store of nothing but an address in quarantine, as a process reads it.
fn before(begun: Timestamp, until: Timestamp, clock: Timestamp) -> Ipam {
    let block: Cidr = "10.0.0.0/26".parse().expect("a prefix");
    let quarantined = vec![DepartedAddress {
        offset: 1,
        at: begun,
        until,
    }];
    let record = Record::Departed { block, quarantined };
    let (key, bytes) = (record.key(), record.encode());
    let record = Record::decode(&key, &bytes).expect("a record");
    let (ipam, rejected) = Ipam::restore(clock, [record]);
    assert_eq!(rejected, []);
    ipam
}

/// Whether a new pool of this one address gives it.
fn gives(ipam: &Ipam, clock: Timestamp, quarantine: u64) -> bool {
    let mut ipam = ipam.clone();
    let spec = PoolSpec::new("p", "10.0.0.1/32".parse().expect("a prefix"));
    let spec = spec.affinity(Affinity::Off);
    let spec = spec.quarantine(Duration::from_secs(quarantine));
    ipam.add_pool(clock, spec).expect("a pool");
    ipam.check_invariants().expect("a sound state");
    let given = ipam.claim(clock, &Request::new("stranger")).is_ok();
    let held = matches!(ipam.holder(address()), Some(Holder::Quarantined(_)));
    assert_ne!(given, held, "{:?}", ipam.holder(address()));
    given
}

fn problems(ipam: &Ipam) -> Vec<(&'static str, String)> {
    let problems = ipam.fsck(Duration::from_secs(900), &[]);
    problems
        .iter()
        .map(|p| (p.kind, p.subject.clone()))
        .collect()
}

#[test]
fn a_quarantine_that_begins_ahead_of_the_clock_holds_its_address() {
    // An hour ahead: a clock that is behind, or another's ahead. Nothing to list.
    let ipam = before(at(DAY + 3600), at(DAY + 3660), at(DAY));
    assert_eq!(problems(&ipam), []);
    for quarantine in [0, 60, 3 * DAY] {
        assert!(!gives(&ipam, at(DAY), quarantine));
        assert!(!gives(&ipam, at(DAY + 3659), quarantine));
    }
    assert!(gives(&ipam, at(DAY + 3660), 0));
    // One that is to end before it begins ends no earlier.
    for until in [0, DAY - 1, DAY + 3600] {
        let ipam = before(at(DAY + 3600), at(until), at(DAY));
        assert!(!gives(&ipam, at(DAY), 0), "until {until}");
        assert!(gives(&ipam, at(DAY + 3600), 0), "until {until}");
    }
}

#[test]
fn one_more_than_a_day_ahead_is_listed_and_its_repair_begins_it_now() {
    let (far, end) = (at(100 * DAY), Timestamp::MAX);
    let lengths = [
        (far, far.after(Duration::from_secs(90)), 90),
        // Nothing tells how long these were to be.
        (far, at(5), 60),
        (far, far, 60),
        (end, end, 60),
        (Timestamp::from_nanos(end.as_nanos() - 1), end, 60),
    ];
    for (begun, until, length) in lengths {
        let mut ipam = before(begun, until, at(DAY));
        assert_eq!(problems(&ipam), [("future", ADDRESS.to_owned())]);
        assert!(!gives(&ipam, at(DAY), 0), "{begun} {until}");
        assert!(!gives(&ipam, at(50 * DAY), 0), "{begun} {until}");
        let found = ipam.fsck(Duration::from_secs(900), &[]);
        assert_eq!(ipam.repair(&found), 1);
        assert_eq!(problems(&ipam), []);
        // Stored like that, too.
        let (ipam, rejected) = Ipam::restore(at(DAY), ipam.records());
        assert_eq!(rejected, []);
        assert!(!gives(&ipam, at(DAY + length - 1), 0), "{begun} {until}");
        assert!(gives(&ipam, at(DAY + length), 0), "{begun} {until}");
    }
}
