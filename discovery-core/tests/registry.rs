//! The registry converges, touches nothing of others, and no order of operations empties a service.

use discovery_core::Registry;
use discovery_core::registry::{
    ApplyError, Entry, MAX_TXN, Op, OpReason, Registration, RegistrationStatus, diff, transactions,
};

fn wanted(name: &str, weight: u32, status: RegistrationStatus) -> Registration<'_> {
    Registration {
        service: "web",
        name,
        node: "n1",
        zone: "a",
        region: "north",
        address: "10.0.0.1:80".parse().unwrap(),
        weight,
        status,
    }
}

fn converge(registry: &mut Registry, desired: &[Registration<'_>]) -> Vec<Op> {
    let ops = diff("web", desired.iter().copied(), registry, "us");
    for op in &ops {
        registry.apply(op).unwrap();
    }
    let again = diff("web", desired.iter().copied(), registry, "us");
    assert_eq!(
        again,
        Vec::new(),
        "a plan applied twice is empty the second time"
    );
    ops
}

#[test]
fn converges_and_says_why() {
    let mut registry = Registry::new();
    let first = [
        wanted("a", 1, RegistrationStatus::Passing),
        wanted("b", 1, RegistrationStatus::Passing),
    ];
    assert_eq!(converge(&mut registry, &first).len(), 2);
    let moved = Registration {
        node: "n2",
        ..wanted("b", 1, RegistrationStatus::Passing)
    };
    let second = [
        wanted("c", 1, RegistrationStatus::Passing),
        moved,
        wanted("d", 0, RegistrationStatus::Failing),
    ];
    let ops = converge(&mut registry, &second);
    let reason = |op: &Op| (op.name().to_owned(), op.reason());
    let said: Vec<_> = ops.iter().map(reason).collect();
    let expected = [
        ("b", OpReason::Moved),
        ("c", OpReason::Missing),
        ("d", OpReason::Missing),
        ("a", OpReason::Surplus),
    ];
    assert_eq!(said, expected.map(|(n, w)| (n.to_owned(), w)));
}

#[test]
fn what_others_wrote_is_left_alone() {
    let mut registry = Registry::new();
    let theirs = Entry::new(&wanted("a", 7, RegistrationStatus::Passing), "them", 3);
    registry.insert("web", "a", theirs.clone());
    registry.insert("web", "z", theirs.clone());
    converge(
        &mut registry,
        &[
            wanted("a", 1, RegistrationStatus::Passing),
            wanted("b", 1, RegistrationStatus::Passing),
        ],
    );
    converge(&mut registry, &[]);
    assert_eq!(registry.get("web", "a"), Some(&theirs));
    assert_eq!(
        (registry.get("web", "z"), registry.len()),
        (Some(&theirs), 2)
    );
    let (service, name) = ("web".to_owned(), "a".to_owned());
    let op = Op::Deregister {
        service,
        name,
        owner: "us".into(),
        revision: 3,
        reason: OpReason::Surplus,
    };
    assert!(matches!(
        registry.apply(&op),
        Err(ApplyError::Foreign { .. })
    ));
    assert_eq!(registry.len(), 2);
}

#[test]
fn an_operation_on_a_changed_entry_is_refused() {
    let mut registry = Registry::new();
    converge(
        &mut registry,
        &[wanted("a", 1, RegistrationStatus::Passing)],
    );
    let stale = diff(
        "web",
        [wanted("a", 2, RegistrationStatus::Passing)].into_iter(),
        &registry,
        "us",
    );
    converge(
        &mut registry,
        &[wanted("a", 3, RegistrationStatus::Passing)],
    );
    assert!(matches!(
        registry.apply(&stale[0]),
        Err(ApplyError::Stale { .. })
    ));
    assert_eq!(registry.get("web", "a").map(|e| e.weight), Some(3));
}

#[test]
fn a_standing_not_yet_known_leaves_the_entry_as_it_is() {
    let mut registry = Registry::new();
    converge(
        &mut registry,
        &[wanted("a", 100, RegistrationStatus::Passing)],
    );
    converge(
        &mut registry,
        &[wanted("a", 0, RegistrationStatus::Unknown)],
    );
    let entry = registry.get("web", "a").unwrap();
    assert_eq!(
        (entry.weight, entry.status),
        (100, RegistrationStatus::Passing)
    );
}

#[test]
fn no_prefix_of_the_operations_empties_a_service() {
    let names: Vec<String> = (0..200).map(|i| format!("e{i:03}")).collect();
    let all = |range: std::ops::Range<usize>| -> Vec<Registration<'_>> {
        names[range]
            .iter()
            .map(|n| wanted(n, 1, RegistrationStatus::Passing))
            .collect()
    };
    let mut registry = Registry::new();
    converge(&mut registry, &all(0..100));
    let mut next = all(100..200);
    next.extend(
        names[..50]
            .iter()
            .map(|n| wanted(n, 0, RegistrationStatus::Draining)),
    );
    let ops = diff("web", next.iter().copied(), &registry, "us");
    let mut seen = 0;
    for txn in transactions(&ops) {
        assert!(txn.len() <= MAX_TXN);
        for op in txn {
            registry.apply(op).unwrap();
            let serving = registry
                .service("web")
                .filter(|(_, e)| e.status.serves())
                .count();
            assert!(
                serving >= 100,
                "after operation {seen} only {serving} serve"
            );
            seen += 1;
        }
    }
    assert_eq!((seen, registry.len()), (200, 150));
}
