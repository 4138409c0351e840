//! Registries brought in line by engines that know, and by engines that do not.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::endpoint::Conditions;
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::registry::{Entry, Op, RegistrationStatus};
use discovery_core::{Engine, Input, Registry, ServiceConfig};

const OURS: &str = "us";

/// Deregistered by name, and how many entries were withheld.
fn goes(b: &Bench, registry: &Registry) -> (Vec<String>, usize) {
    let found = b.engine.reconcile(b.service, registry, OURS);
    let name = |op: &Op| match op {
        Op::Deregister { name, .. } => Some(name.clone()),
        _ => None,
    };
    (found.ops.iter().filter_map(name).collect(), found.withheld)
}

/// A registry with these, as an earlier engine wrote them, and somebody else's.
fn registry(names: &[&'static str]) -> Registry {
    let mut b = Bench::new(ServiceConfig::default());
    let mut registry = Registry::new();
    for name in names {
        b.put(name, |_| {});
    }
    for op in b.engine.reconcile(b.service, &registry, OURS).ops {
        registry.apply(&op).unwrap();
    }
    let theirs = Entry {
        owner: "them".into(),
        ..registry.get("web", names[0]).unwrap().clone()
    };
    registry.insert("web", "theirs", theirs);
    registry
}

fn list(b: &mut Bench, names: &[&'static str]) {
    let spec = b.spec();
    let all: Vec<_> = names.iter().map(|name| (*name, spec)).collect();
    b.tell(Input::Snapshot {
        service: b.service,
        endpoints: &all,
    });
}

#[test]
fn an_engine_that_knows_nothing_takes_nobody_away() {
    let registry = registry(&["a", "b", "c", "d"]);
    let mut b = Bench::new(ServiceConfig::default());
    assert!(!b.engine.settled(b.service));
    assert_eq!(goes(&b, &registry), (vec![], 4));
    b.put("a", |_| {});
    assert_eq!(
        goes(&b, &registry),
        (vec![], 3),
        "the source has more to tell"
    );
    b.run_until(secs(30));
    assert!(b.engine.settled(b.service), "or so it seems by now");
    assert_eq!(
        goes(&b, &registry),
        (vec![], 3),
        "three of four are too many"
    );
    b.put("b", |_| {});
    let rest = vec!["c".to_owned(), "d".to_owned()];
    assert_eq!(goes(&b, &registry), (rest, 0), "two of four may go");
}

#[test]
fn an_empty_first_view_is_held_until_confirmed() {
    let registry = registry(&["a", "b", "c"]);
    let mut b = Bench::new(ServiceConfig::default());
    list(&mut b, &[]);
    assert!(b.engine.settled(b.service));
    assert_eq!(goes(&b, &registry), (vec![], 3));
    let service = b.service;
    b.tell(Input::Confirm { service });
    let all = ["a", "b", "c"].map(String::from).to_vec();
    assert_eq!(goes(&b, &registry), (all, 0));
}

#[test]
fn own_departures_are_deregistered() {
    let mut b = Bench::new(ServiceConfig::default());
    let names = ["a", "b", "c", "d"];
    list(&mut b, &names);
    let registry = registry(&names);
    // One by one, announced: never many at once, however long the registry was away.
    for name in ["a", "b", "c"] {
        b.put(name, |spec| spec.conditions = Conditions::TERMINATING);
        b.tell(Input::Remove { name });
    }
    let gone = ["a", "b", "c"].map(String::from).to_vec();
    assert_eq!(goes(&b, &registry), (gone.clone(), 0));
    b.engine = Engine::restore(&b.engine.snapshot(), b.now).unwrap();
    assert_eq!(goes(&b, &registry), (gone, 0), "a restart remembers");
}

#[test]
fn who_left_and_came_again_is_no_stranger() {
    let health = Some(HealthCheck::new(CheckKind::Tcp));
    let mut b = Bench::new(ServiceConfig::default().with_health(health));
    b.failing.insert("a");
    b.put("a", |_| {});
    b.tell(Input::Remove { name: "a" });
    // Added without a probe's answer: what a registry still says of its former life is not to be kept.
    let spec = b.spec();
    let input = Input::Upsert { name: "a", spec };
    b.engine.handle(b.now, input, &mut Vec::new()).unwrap();
    let status = |b: &Bench| b.engine.registration(b.id("a")).unwrap().status;
    assert_eq!(status(&b), RegistrationStatus::Failing);
    let input = Input::Upsert { name: "b", spec };
    b.engine.handle(b.now, input, &mut Vec::new()).unwrap();
    let status = b.engine.registration(b.id("b")).unwrap().status;
    assert_eq!(
        status,
        RegistrationStatus::Unknown,
        "a newcomer may be an old one"
    );
}

#[test]
fn self_preservation_turned_off_holds_nothing() {
    let mut b = Bench::new(
        ServiceConfig::default()
            .with_hold_percent(100)
            .with_hold_window(Duration::ZERO),
    );
    assert_eq!(
        goes(&b, &registry(&["a"])),
        (vec![], 1),
        "nothing was told yet"
    );
    list(&mut b, &[]);
    assert_eq!(goes(&b, &registry(&["a"])), (vec!["a".to_owned()], 0));
    for _ in 0..3 {
        b.put("a", |_| {});
        b.tell(Input::Remove { name: "a" });
        assert!(
            b.engine.is_empty(),
            "come and gone more often than there are members"
        );
    }
}
