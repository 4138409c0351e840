//! Times that are ahead of every clock.

use super::*;

/// Times more than a day ahead: of a claim, of what is sticky, of a quarantine, of an empty block.
#[test]
fn a_time_more_than_a_day_ahead_holds_its_address_until_it_is_repaired() {
    let far = at(100 * DAY);
    let mut store = Shared::new("10.0.0.0/29", QUARANTINE);
    let lease = Request::new("held").lease(seconds(300));
    let held = store.claim(far, &lease).expect("an address");
    let sticky = Request::new("s").workload("w").sticky(seconds(500));
    let sticky_address = store.claim(far, &sticky).expect("an address");
    store.release(far, "s");
    let quarantined = store.claim(far, &Request::new("r")).expect("an address");
    store.release(far, "r");
    let sane = at(DAY);
    let problems = store.read(sane).fsck(seconds(900), &[]);
    let listed: Vec<(&str, String)> = problems
        .iter()
        .map(|p| (p.kind, p.subject.clone()))
        .collect();
    let expected = [held, sticky_address, quarantined].map(|a| ("future", a.to_string()));
    assert_eq!(listed, expected);
    // A clock within a day of it sees nothing wrong.
    assert_eq!(store.read(at(99 * DAY)).fsck(seconds(900), &[]), []);
    // Whatever is tried, none of the three is given to a stranger.
    let mut ipam = store.read(sane);
    for i in 0..8 {
        let given = ipam.claim(sane, &Request::new(&format!("x{i}")));
        let given = given.ok().and_then(|g| g.address());
        assert!(
            given.is_none_or(|a| ![held, sticky_address, quarantined].contains(&a)),
            "{given:?}"
        );
    }
    for address in [held, sticky_address, quarantined] {
        let asked = [address];
        let request = Request::new("asked").addresses(&asked);
        assert!(ipam.claim(sane, &request).is_err(), "{address}");
    }
    store.by(sane, |ipam| {
        let problems = ipam.fsck(seconds(900), &[]);
        assert_eq!(ipam.repair(&problems), 3);
        assert_eq!(ipam.fsck(seconds(900), &[]), []);
    });
    // From now on their times are as long as they were.
    let repaired = store.read(sane);
    assert_eq!(
        repaired.claim_of("held").expect("a claim").until(),
        Some(sane.after(seconds(300)))
    );
    assert!(repaired.retained_for("w").eq([sticky_address]));
    assert_eq!(
        store
            .read(sane.after(seconds(500)))
            .retained_for("w")
            .count(),
        0
    );
    let after = store.read(sane.after(seconds(60)));
    assert!(
        matches!(after.holder(quarantined), Some(ipam::claim::Holder::Free)),
        "{:?}",
        after.holder(quarantined)
    );
}

#[test]
fn early_reuse_takes_nothing_whose_time_cannot_be() {
    let mut ipam = Ipam::new(7);
    let spec = PoolSpec::new("p", ONE.parse().expect("a prefix")).early_reuse();
    let spec = spec.affinity(Affinity::Off).quarantine(QUARANTINE);
    ipam.add_pool(at(1), spec).expect("a pool");
    let mut store = Shared::of(&ipam);
    store
        .claim(at(100 * DAY), &Request::new("o"))
        .expect("an address");
    store.release(at(100 * DAY), "o");
    assert_eq!(stranger(&mut store, 99 * DAY - 1), None);
    assert!(stranger(&mut store, 99 * DAY).is_some());
    assert!(stranger(&mut store, 100 * DAY + 1).is_some());
}

#[test]
fn a_move_and_an_empty_block_ahead_of_time_are_listed_and_repaired() {
    let (far, sane) = (at(100 * DAY), at(DAY));
    let mut ipam = Ipam::new(7);
    let spec = PoolSpec::new("p", "10.0.0.0/24".parse().expect("a prefix"));
    ipam.add_pool(at(1), spec.quarantine(Duration::ZERO))
        .expect("a pool");
    let mut store = Shared::of(&ipam);
    let fixed = Request::new("o").workload("w").host("h1").fixed(&[]);
    let address = store.claim(sane, &fixed).expect("an address");
    store
        .claim(sane, &Request::new("e").host("h2"))
        .expect("an address");
    store.by(far, |ipam| {
        ipam.begin_move(far, "w", "h1", "h2").expect("a move");
    });
    store.release(far, "e");
    let subjects = |store: &Shared| -> Vec<String> {
        let problems = store.read(sane).fsck(seconds(900), &[]);
        assert!(problems.iter().all(|p| p.kind == "future"), "{problems:?}");
        problems.into_iter().map(|p| p.subject).collect()
    };
    let listed = subjects(&store);
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert_eq!(&listed[..2], [address.to_string(), address.to_string()]);
    store.by(sane, |ipam| {
        let problems = ipam.fsck(seconds(900), &[]);
        ipam.repair(&problems);
    });
    assert_eq!(subjects(&store), [""; 0]);
    let repaired = store.read(sane);
    assert_eq!(repaired.move_of("w"), Some(("h1", "h2", sane)));
    // Nothing ahead: nothing changes, and a change that is about no address is refused.
    let mut again = repaired.clone();
    let pool = again.pool("p").expect("the pool").id();
    let kind = |address| ChangeKind::TimesCapped {
        pool: Some(pool),
        address,
    };
    let change = |address| ipam::Change {
        at: sane,
        kind: kind(address),
    };
    assert_eq!(again.apply(&change(address)), Ok(()));
    assert_eq!(again.records(), repaired.records());
    assert!(
        again
            .apply(&change("192.0.2.1".parse().expect("an address")))
            .is_err()
    );
}
