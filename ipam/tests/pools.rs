//! Pools that come, change and go while in use: which ranges are refused, what may change, what outlives a pool.

use ipam::{
    Ipam, PoolSpec, Request, Timestamp,
    claim::{Holder, PoolReason},
    net::AddressRange,
    pool::{Order, PoolError},
    store::Record,
};
use std::net::IpAddr;
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn spec(cidr: &str) -> PoolSpec {
    let spec = PoolSpec::new("p", cidr.parse().expect("a prefix"));
    spec.order(Order::Lowest)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn range(text: &str) -> AddressRange {
    text.parse().expect("a range")
}

#[test]
fn too_many_ranges_and_labels_name_the_limit_that_they_pass() {
    let mut ranges = spec("10.0.0.0/8");
    for i in 1..=4097_u32 {
        let [_, a, b, c] = (2 * i).to_be_bytes();
        ranges = ranges.exclude(range(&format!("10.{a}.{b}.{c}")));
    }
    let refused = Ipam::new(1).add_pool(at(1), ranges);
    let expected = PoolError::TooManyRanges {
        given: 4097,
        limit: 4096,
    };
    assert_eq!(refused, Err(expected));
    let mut labels = spec("10.0.0.0/24");
    for i in 0..65 {
        labels = labels.label(format!("k{i}"), "v");
    }
    let refused = Ipam::new(1).add_pool(at(1), labels);
    let expected = PoolError::TooManyLabels {
        given: 65,
        limit: 64,
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn ranges_that_no_container_may_have_are_refused() {
    for cidr in [
        "0.0.0.0/8",
        "0.1.2.0/24",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "224.0.0.0/8",
        "239.255.255.0/24",
        "240.0.0.0/8",
        "255.255.255.255/32",
        "169.254.0.0/16",
        "169.254.7.0/24",
        "::/64",
        "::1/128",
        "::/0",
        "::ffff:0:0/96",
        "::ffff:10.0.0.0/120",
        "::10.0.0.0/120",
        "ff02::/64",
        "ff00::/8",
        "fe80::/64",
        "fe80::/10",
        "febf:ffff::/64",
        "fe00::/8",
    ] {
        let refused = Ipam::new(1).add_pool(at(1), spec(cidr));
        assert!(
            matches!(refused, Err(PoolError::Reserved { .. })),
            "{cidr}: {refused:?}"
        );
    }
    for cidr in [
        "1.0.0.0/24",
        "126.255.255.0/24",
        "128.0.0.0/24",
        "169.253.255.0/24",
        "169.255.0.0/24",
        "223.255.255.0/24",
        "100.64.0.0/16",
        "fc00::/64",
        "fd00::/64",
        "2001:db8::/64",
        "fec0::/64",
        "::1:0:0/96",
    ] {
        let added = Ipam::new(1).add_pool(at(1), spec(cidr));
        assert!(added.is_ok(), "{cidr}: {added:?}");
    }
}

#[test]
fn link_local_ranges_are_allowed_by_their_flag_and_no_others_are() {
    for cidr in ["169.254.0.0/16", "fe80::/64"] {
        let added = Ipam::new(1).add_pool(at(1), spec(cidr).link_local());
        assert!(added.is_ok(), "{cidr}: {added:?}");
    }
    for cidr in ["127.0.0.0/8", "::1/128", "ff02::/64"] {
        let refused = Ipam::new(1).add_pool(at(1), spec(cidr).link_local());
        assert!(matches!(refused, Err(PoolError::Reserved { .. })), "{cidr}");
    }
}

#[test]
fn a_pool_does_not_grow_into_what_is_refused_and_a_stored_one_goes_on() {
    let mut ipam = Ipam::new(1);
    ipam.add_pool(at(1), spec("169.253.0.0/16"))
        .expect("a pool");
    let grown = "169.252.0.0/14".parse().expect("a prefix");
    let refused = ipam.grow_pool(at(2), "p", grown);
    assert!(matches!(refused, Err(PoolError::Reserved { .. })));
    // An earlier version may have stored it: what was given out stays given.
    let record = Record::Pool {
        id: ipam.pool("p").expect("the pool").id(),
        draining: false,
        spec: Box::new(spec("169.254.0.0/24")),
    };
    let (ipam, rejected) = Ipam::restore(at(3), [record]);
    assert_eq!(rejected, []);
    assert!(ipam.pool("p").is_some());
}

#[test]
fn quarantine_outlives_its_pool_whatever_comes_next() {
    for (cidr, quarantine) in [
        ("10.0.0.0/29", 60),
        ("10.0.0.0/29", 0),
        ("10.0.0.0/28", 10),
        ("10.0.0.0/30", 600),
    ] {
        let mut ipam = Ipam::new(1);
        let old = spec("10.0.0.0/29").quarantine(Duration::from_secs(60));
        ipam.add_pool(at(0), old).expect("a pool");
        let grant = ipam.claim(at(1), &Request::new("a")).expect("an address");
        let address = grant.address().expect("an address");
        ipam.release(at(100), "a", grant.sequence)
            .expect("a release");
        ipam.remove_pool(at(110), "p").expect("nobody holds it");
        // It is stored, and stored again.
        let (mut ipam, rejected) = Ipam::restore(at(111), ipam.records());
        assert_eq!(rejected, []);
        let new = spec(cidr).quarantine(Duration::from_secs(quarantine));
        ipam.add_pool(at(120), new).expect("a pool");
        ipam.check_invariants().expect("a sound state");
        let (mut ipam, rejected) = Ipam::restore(at(121), ipam.records());
        assert_eq!(rejected, []);
        let until = 160.max(100 + quarantine);
        let asked = [address];
        let request = Request::new("b").addresses(&asked);
        let early = ipam.claim(at(until - 1), &request);
        assert!(early.is_err(), "{cidr} {quarantine}: {early:?}");
        let other = ipam.claim(at(until - 1), &Request::new("c"));
        let other = other.expect("another address").address();
        assert_ne!(other, Some(address), "{cidr} {quarantine}");
        ipam.claim(at(until), &request)
            .expect("its quarantine is over");
        ipam.check_invariants().expect("a sound state");
    }
}

#[test]
fn quarantine_outlives_two_pools_and_a_pool_that_grows_over_it() {
    let mut ipam = Ipam::new(1);
    let minute = |s: PoolSpec| s.quarantine(Duration::from_secs(60));
    ipam.add_pool(at(0), minute(spec("10.0.0.128/26")))
        .expect("a pool");
    let grant = ipam.claim(at(1), &Request::new("a")).expect("an address");
    let address = grant.address().expect("an address");
    ipam.release(at(10), "a", grant.sequence)
        .expect("a release");
    ipam.remove_pool(at(11), "p").expect("removed");
    ipam.add_pool(at(12), spec("10.0.0.128/25").quarantine(Duration::ZERO))
        .expect("a pool");
    ipam.remove_pool(at(13), "p").expect("removed");
    ipam.add_pool(at(14), spec("10.0.0.0/25")).expect("a pool");
    let larger = "10.0.0.0/24".parse().expect("a prefix");
    ipam.grow_pool(at(15), "p", larger).expect("it grows");
    ipam.check_invariants().expect("a sound state");
    assert!(
        matches!(ipam.holder(address), Some(Holder::Quarantined(until)) if (at(70)..at(75)).contains(&until)),
        "{:?}",
        ipam.holder(address)
    );
    ipam.advance(at(75));
    assert!(matches!(ipam.holder(address), Some(Holder::Free)));
}

#[test]
fn a_sparse_pool_that_comes_back_quarantines_what_was_in_quarantine() {
    let mut ipam = Ipam::new(1);
    ipam.add_pool(at(0), spec("fd00::/64")).expect("a pool");
    let request = Request::new("a").families(ipam::claim::Families::V6);
    let grant = ipam.claim(at(1), &request).expect("an address");
    let address = grant.address().expect("an address");
    ipam.release(at(2), "a", grant.sequence).expect("a release");
    ipam.remove_pool(at(3), "p").expect("removed");
    ipam.add_pool(at(4), spec("fd00::/56")).expect("a pool");
    ipam.check_invariants().expect("a sound state");
    let again = ipam.claim(at(5), &request).expect("an address");
    assert_ne!(again.address(), Some(address));
    assert!(matches!(ipam.holder(address), Some(Holder::Quarantined(_))));
}

#[test]
fn what_a_live_pool_gives_out_can_change() {
    let mut ipam = Ipam::new(1);
    ipam.add_pool(at(0), spec("10.0.0.0/29")).expect("a pool");
    let grant = ipam.claim(at(1), &Request::new("a")).expect("an address");
    assert_eq!(grant.address(), Some(ip("10.0.0.1")));
    let change = |ipam: &mut Ipam, to: PoolSpec| {
        let changed = ipam.change_pool(at(2), to);
        ipam.check_invariants().expect("a sound state");
        let (again, rejected) = Ipam::restore(at(2), ipam.records());
        assert_eq!(rejected, []);
        assert_eq!(again.records(), ipam.records());
        changed
    };
    // Nobody loses an address to a gateway or an excluded range.
    let gateway = change(&mut ipam, spec("10.0.0.0/29").gateway(ip("10.0.0.1")));
    let held = PoolError::BarredInUse {
        address: ip("10.0.0.1"),
        holder: "a".into(),
    };
    assert_eq!(gateway, Err(held.clone()));
    let excluded = spec("10.0.0.0/29").exclude(range("10.0.0.0-10.0.0.3"));
    assert_eq!(change(&mut ipam, excluded), Err(held));
    let to = spec("10.0.0.0/29")
        .gateway(ip("10.0.0.6"))
        .exclude(range("10.0.0.2-10.0.0.4"))
        .label("env", "prod");
    assert_eq!(change(&mut ipam, to), Ok(()));
    let labels = [("env", "prod")];
    let grant = ipam.claim(at(3), &Request::new("b").labels(&labels));
    let grant = grant.expect("an address");
    assert_eq!(grant.address(), Some(ip("10.0.0.5")));
    assert_eq!(grant.leases[0].gateway, Some(ip("10.0.0.6")));
    let full = ipam.claim(at(3), &Request::new("c"));
    assert!(
        matches!(&full, Err(ipam::claim::ClaimError::Exhausted { considered, .. })
            if matches!(considered[0].reason, PoolReason::Full { held: 2, .. })),
        "{full:?}"
    );
    // What is given back is given out again.
    assert_eq!(change(&mut ipam, spec("10.0.0.0/29")), Ok(()));
    let grant = ipam.claim(at(4), &Request::new("c")).expect("an address");
    assert_eq!(grant.address(), Some(ip("10.0.0.2")));
}

#[test]
fn what_is_excluded_while_it_rests_rests_on() {
    let mut ipam = Ipam::new(1);
    ipam.add_pool(at(0), spec("10.0.0.0/29")).expect("a pool");
    let grant = ipam.claim(at(1), &Request::new("a")).expect("an address");
    ipam.release(at(2), "a", grant.sequence).expect("a release");
    let excluded = spec("10.0.0.0/29").exclude(range("10.0.0.1-10.0.0.2"));
    ipam.change_pool(at(3), excluded).expect("nobody has it");
    ipam.check_invariants().expect("a sound state");
    let (mut ipam, rejected) = Ipam::restore(at(4), ipam.records());
    assert_eq!(rejected, []);
    ipam.change_pool(at(5), spec("10.0.0.0/29"))
        .expect("given back");
    assert!(matches!(
        ipam.holder(ip("10.0.0.1")),
        Some(Holder::Quarantined(_))
    ));
    assert!(matches!(ipam.holder(ip("10.0.0.2")), Some(Holder::Free)));
    ipam.advance(at(62));
    assert!(matches!(ipam.holder(ip("10.0.0.1")), Some(Holder::Free)));
    ipam.check_invariants().expect("a sound state");
    // And excluded to its end.
    let grant = ipam.claim(at(63), &Request::new("b")).expect("an address");
    ipam.release(at(64), "b", grant.sequence)
        .expect("a release");
    let excluded = spec("10.0.0.0/29").exclude(range("10.0.0.1-10.0.0.2"));
    ipam.change_pool(at(65), excluded).expect("nobody has it");
    ipam.advance(at(200));
    ipam.check_invariants().expect("a sound state");
    assert_eq!(ipam.pool("p").expect("the pool").usage().free, 4);
}
