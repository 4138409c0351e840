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
    for key in keys.iter().filter(|k| "cwxs".contains(&k[..1])) {
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
