//! Claims, workloads and summaries are rebuilt from what blocks tell of them.

use super::*;

#[test]
fn claims_and_workloads_are_rebuilt_from_their_blocks() {
    let mut store = store();
    let sound = open(store.clone(), NOW);
    let claims = |replica: &Memory| -> BTreeSet<String> {
        let line = |c: ipam::claim::ClaimRef<'_>| {
            let addresses: Vec<IpAddr> = c.addresses().collect();
            format!(
                "{} {:?} {:?} {} {addresses:?}",
                c.owner(),
                c.workload(),
                c.host(),
                c.sequence()
            )
        };
        replica.ipam().claims().map(line).collect()
    };
    let taken = taken(&store);
    let keys: Vec<String> = entries(&mut store).into_keys().collect();
    let mut rebuilt = 0;
    for key in keys.iter().filter(|k| "chwxs".contains(&k[..1])) {
        // Damaged, and lost without a trace.
        for lost in [false, true] {
            let mut store = store.clone();
            match lost {
                true => delete(&mut store, key),
                false => write(&mut store, key, vec![9; 20]),
            }
            let mut replica = open(store, NOW);
            assert_eq!(
                replica.rejected().len(),
                1,
                "`{key}`: {:?}",
                replica.rejected()
            );
            let store = exhaust(replica.into_store(), &taken, NOW);
            replica = open(store, NOW);
            let count = ready(replica.rebuild(NOW)).expect("at once");
            // A summary was written anew with the addresses that were given meanwhile.
            let done = count.is_ok_and(|n| n > 0 || key.starts_with("s/"));
            assert!(done, "`{key}` is not rebuilt");
            assert_eq!(replica.rejected(), [], "`{key}`");
            for claim in claims(&sound) {
                assert!(
                    claims(&replica).contains(&claim),
                    "`{key}`: {claim} is lost"
                );
            }
            for workload in ["p-wb", "q-wb", "p-wc"] {
                let retained = |r: &Memory| r.ipam().retained_for(workload).collect::<Vec<_>>();
                assert_eq!(retained(&replica), retained(&sound), "`{key}`");
            }
            rebuilt += 1;
        }
    }
    assert!(rebuilt >= 24, "{rebuilt} records");
}

#[test]
fn a_host_is_rebuilt_from_its_blocks_and_the_copy_of_its_settings() {
    let settings = ipam::change::HostSettings {
        block_limit: Some(3),
        draining: true,
        ..Default::default()
    };
    let set = |store, host: &str, settings: &ipam::change::HostSettings| {
        let kind = ipam::change::ChangeKind::HostSet {
            host: host.to_owned().into(),
            settings: settings.clone(),
        };
        let set = Change { at: NOW, kind };
        let mut replica = open(store, NOW);
        transact(&mut replica, NOW, |_| {
            Ok::<_, std::convert::Infallible>(((), vec![set.clone()]))
        })
        .expect("settings");
        replica.into_store()
    };
    // One with blocks, one that has only settings, and one whose settings were taken back.
    let store = set(store(), "h1", &settings);
    let store = set(store, "idle", &settings);
    let store = set(store, "h2", &settings);
    let mut store = set(store, "h2", &ipam::change::HostSettings::default());
    let sound = entries(&mut store);
    let keys = ["h/h1", "h/idle", "h/h2", "q/h/h1", "q/h/idle"];
    for (key, lost) in keys.iter().flat_map(|key| [(key, false), (key, true)]) {
        let mut store = store.clone();
        match lost {
            true => delete(&mut store, key),
            false => write(&mut store, key, vec![9; 20]),
        }
        let mut replica = open(store, NOW);
        let told: Vec<&str> = replica.rejected().iter().map(|r| &*r.key).collect();
        // A copy that is not there is written with the next settings.
        let copy_lost = lost && key.starts_with("q/");
        let expected: &[&str] = if copy_lost { &[] } else { &[key] };
        assert_eq!(told, expected, "lost: {lost}");
        let rebuilt = ready(replica.rebuild(NOW)).expect("at once");
        assert_eq!(rebuilt, Ok(expected.len()), "`{key}`, lost: {lost}");
        assert_eq!(replica.rejected(), [], "`{key}`, lost: {lost}");
        let now = entries(&mut replica.into_store());
        let same = now.get(*key) == sound.get(*key);
        assert!(copy_lost || same, "`{key}`, lost: {lost}");
    }
}

#[test]
fn what_a_workload_has_retained_until_just_now_is_in_quarantine_in_a_rebuilt_block() {
    let mut replica = open(MemoryStore::default(), NOW);
    let spec = pool("p", "10.7.0.0/28").quarantine(Duration::from_secs(60));
    add(&mut replica, &spec).expect("a pool");
    let request = Request::new("a").workload("w");
    let request = request.sticky(Duration::from_secs(40));
    let had = claim(&mut replica, NOW, &request).expect("an address");
    release(&mut replica, NOW, "a");
    let mut store = replica.into_store();
    let block = entries(&mut store)
        .into_keys()
        .find(|key| key.starts_with("b/"));
    let block = block.expect("a block");
    write(&mut store, &block, vec![9; 20]);
    let over = NOW.after(Duration::from_secs(41));
    let mut replica = open(store, over);
    assert_eq!(ready(replica.rebuild(over)).expect("at once"), Ok(1));
    let now = over.after(Duration::from_secs(1));
    let mut parts = ipam::store::PartialReplica::new(replica.into_store(), 7);
    let wait = |_| std::future::ready(());
    let asked = [had];
    for request in [Request::new("b"), Request::new("c").addresses(&asked)] {
        let given = ready(parts.claim(now, &request, wait)).expect("at once");
        assert!(given.is_err(), "{given:?}");
    }
    let later = now.after(Duration::from_secs(60));
    let request = Request::new("c").addresses(&asked);
    let given = ready(parts.claim(later, &request, wait)).expect("at once");
    assert!(given.is_ok(), "{given:?}");
}

#[test]
fn a_workload_is_rebuilt_with_all_that_it_has_reserved_beside_a_claim_of_it() {
    // A claim by which an address is reserved, both records damaged.
    let mut replica = open(MemoryStore::default(), NOW);
    add(&mut replica, &pool("p", "10.7.0.0/26").block_size(29)).expect("a pool");
    let request = Request::new("a").workload("w").fixed(&[]).host("h1");
    let first = claim(&mut replica, NOW, &request).expect("an address");
    let sound = replica.into_store();
    let mut store = sound.clone();
    for key in ["c/a", "w/w"] {
        write(&mut store, key, vec![9; 20]);
    }
    let mut replica = open(store, NOW);
    ready(replica.rebuild(NOW))
        .expect("at once")
        .expect("a repair");
    assert_eq!(replica.rejected(), []);
    let retained: Vec<IpAddr> = replica.ipam().retained_for("w").collect();
    let holder = replica.ipam().claim_of("a").expect("its claim");
    assert_eq!(
        (retained, holder.addresses().collect()),
        (vec![first], vec![first])
    );

    // Its record was written anew without that address, and with another since.
    let ranges = [AddressRange::from(IpAddr::from([10, 7, 0, 50]))];
    let bytes = entries(&mut sound.clone())
        .remove("w/w")
        .expect("its record");
    let mut record = Record::decode("w/w", &bytes).expect("it is sound");
    let Record::Workload { retained, .. } = &mut record else {
        panic!("{record:?}");
    };
    retained
        .iter_mut()
        .for_each(|(_, at)| *at = ranges[0].first());
    let mut other = open(sound, NOW);
    transact(&mut other, NOW, |ipam| {
        let change = ipam.decide_reserve("w", &ranges)?;
        Ok::<_, ipam::claim::ReserveError>(((), vec![change.into_owned()]))
    })
    .expect("one more");
    let mut store = other.into_store();
    write(&mut store, "w/w", record.encode());
    let mut replica = open(store, NOW);
    ready(replica.rebuild(NOW))
        .expect("at once")
        .expect("a repair");
    assert_eq!(replica.rejected(), []);
    let retained: Vec<IpAddr> = replica.ipam().retained_for("w").collect();
    assert_eq!(retained, [first, ranges[0].first()]);
}

#[test]
fn a_claim_and_its_block_damaged_together_stop_everything_until_the_claim_is_dropped() {
    let mut store = store();
    let taken = taken(&store);
    let blocks: Vec<String> = entries(&mut store)
        .into_keys()
        .filter(|k| k.starts_with("b/00000/"))
        .collect();
    for lost in [false, true] {
        let mut store = store.clone();
        write(&mut store, "c/p-a", vec![9; 20]);
        for block in &blocks {
            match lost {
                true => delete(&mut store, block),
                false => write(&mut store, block, vec![9; 20]),
            }
        }
        let store = exhaust(store, &taken, NOW);
        let mut replica = open(store, NOW);
        let later = NOW.after(Duration::from_secs(600));
        ready(replica.rebuild(NOW))
            .expect("at once")
            .expect("a look");
        assert!(replica.rejected().iter().any(|r| r.key == "c/p-a"));
        let mut replica = open(exhaust(replica.into_store(), &taken, later), later);
        let named = ["c/p-a".to_owned()];
        let one = ready(replica.discard(later, Some(&named))).expect("at once");
        assert_eq!(one, Ok(1));
        ready(replica.rebuild(later))
            .expect("at once")
            .expect("a look");
        assert_eq!(replica.rejected(), [], "lost: {lost}");
        claim(&mut replica, later, &Request::new("x").host("h1")).expect("all is well again");
    }
}
