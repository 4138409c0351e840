//! The checks can fail: each test breaks one thing behind the cores' backs and must be told, with the step.

use super::*;
use crate::error::ErrorKind;
use crate::events::Detail;
use crate::trace::generate;

/// A small world in the middle of its first minute.
fn with_world(test: impl FnOnce(&mut World<'_>, &mut Events)) {
    let mut trace = generate(5);
    // Some of every service, so that there is room to move within what a host may hold of one.
    trace.containers = trace.containers.into_iter().step_by(26).collect();
    let setup = Setup {
        trace: &trace,
        hosts: 4,
        policy: Policy::Protected,
        warm_up: true,
        between: Between::Ramp,
        seed: 5,
    };
    let mut events = Events::open(None, Detail::All, Policy::Protected).expect("no file");
    let mut world = World::new(&setup, &mut events).expect("a world");
    let mut demand = vec![0.0; trace.containers.len()];
    let mut upsampler = Upsampler::new(&trace, Between::Ramp, 5);
    for second in 0..30 {
        upsampler.step(second, &mut demand);
        world
            .step(second, false, &demand, &mut events)
            .expect("nothing is broken yet");
    }
    test(&mut world, &mut events);
}

fn said(outcome: Result<(), Error>) -> String {
    let failure = outcome.expect_err("the check sees it");
    assert_eq!(failure.kind, ErrorKind::Invariant);
    assert_eq!(failure.place, "second 31");
    failure.message
}

#[test]
fn traffic_to_a_drained_replica_is_seen() {
    with_world(|world, _| {
        let tenant = world.tenants[3].as_mut().expect("a tenant");
        tenant.draining = Some(30);
        assert!(world.replicas[3].as_ref().is_some_and(|r| r.factor > 0.0));
        assert!(said(world.check(31)).contains("still has traffic"));
        // In the second in which it is drained the callers do not know yet.
        world.tenants[3].as_mut().expect("a tenant").draining = Some(31);
        world.check(31).expect("before its sync");
    });
}

#[test]
fn an_address_under_two_names_is_seen() {
    with_world(|world, events| {
        let held = world.tenants[0]
            .as_ref()
            .and_then(|t| t.held.clone())
            .expect("an address");
        world
            .addresses
            .release(
                31,
                &world.tenants[0].as_ref().expect("a tenant").name.clone(),
                &held,
                "tested",
                events,
            )
            .expect("released");
        world.changed = true;
        world.check(31).expect("the ledger follows a release");
        world.addresses.enter_for_test(held.address, "somebody");
        world.changed = true;
        assert!(said(world.check(31)).contains("in the ledger"));
    });
}

#[test]
fn a_tree_changed_behind_our_back_is_seen() {
    with_world(|world, events| {
        world.shaping[1].forget_for_test();
        let elsewhere = world.replicas.iter().flatten().find(|r| r.host != 1);
        let container = elsewhere.expect("one elsewhere").container;
        let outcome = world.shaping[1].add(31, 1, container, "x", &mut world.figures, events);
        assert!(said(outcome).contains("planned again after it was carried out"));
    });
}

#[test]
fn a_fixed_address_moves_with_its_container() {
    with_world(|world, events| {
        let cluster = world.protector.cluster();
        let fixed = (0..world.of.len()).filter(|&c| world.addresses.is_fixed(c));
        let ways = fixed.flat_map(|c| (0..4).map(move |h| (c, node_of(h))));
        let way = ways
            .into_iter()
            .find(|&(c, to)| cluster.may_begin(task_of(c), to).is_none());
        let (container, to) = way.expect("somebody can move");
        let from = cluster.node_of(task_of(container)).expect("placed").index();
        let before = world.tenants[container]
            .as_ref()
            .and_then(|t| t.held.clone());
        let demand = vec![0.2; world.of.len()];
        world
            .begin(31, task_of(container), from, to, events)
            .expect("begun");
        for second in 31..130 {
            world
                .step(second, false, &demand, events)
                .expect("nothing breaks");
        }
        let of_it = |r: &&Option<Replica>| r.as_ref().is_some_and(|r| r.container == container);
        let now: Vec<_> = world.replicas.iter().filter(of_it).flatten().collect();
        assert_eq!(now.len(), 1, "the old replica has ended");
        assert_eq!((now[0].host, now[0].factor), (to.index(), 1.0));
        let replica = world
            .replicas
            .iter()
            .position(|r| of_it(&r))
            .expect("it runs");
        let after = world.tenants[replica].as_ref().and_then(|t| t.held.clone());
        assert_eq!(before.map(|h| h.address), after.map(|h| h.address));
        // One second of its 0.2 cores, and nothing else.
        let unserved: f64 = world.figures.series.iter().map(|b| b.unserved).sum();
        assert!((unserved - 0.2).abs() < 1e-6, "the gap counts: {unserved}");
        assert!(!world.awaiting_address[container]);
    });
}
