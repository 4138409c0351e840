//! How an engine and a balancer divide a service's traffic when not all of its endpoints are healthy: the same verdicts,
//! by hosts, per priority and region.

mod ratios;
mod serving;
mod weightless;

use core::time::Duration;

use discovery_core::endpoint::{ServiceId, WarmUpStart};
use discovery_core::engine::Mode;
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::locality::{Balancer, EndpointHealth, Member, PriorityRules};
use discovery_core::pick::{LowDiscrepancy, Request};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};

/// An engine with one service, told of endpoints `(name, region, weight, outcome of its check, warmth)`.
struct Service {
    engine: Engine,
    id: ServiceId,
}

type Host<'a> = (&'a str, &'a str, u32, ProbeOutcome, WarmUpStart);

const PASS: ProbeOutcome = ProbeOutcome::Pass;
const FAIL: ProbeOutcome = ProbeOutcome::Fail;
const DEGRADED: ProbeOutcome = ProbeOutcome::Degraded;

impl Service {
    fn new(hosts: &[Host<'_>]) -> Self {
        let mut engine = Engine::new(1);
        let config = ServiceConfig::default()
            .with_health(HealthCheck::new(CheckKind::Tcp))
            .with_warm_up(WarmUp::envoy(Duration::from_secs(60)));
        let id = engine.service("web", config).unwrap();
        let mut service = Self { engine, id };
        hosts.iter().for_each(|host| service.add(host));
        service
    }

    fn add(&mut self, &(name, region, weight, outcome, warmth): &Host<'_>) {
        let spec = EndpointSpec::new(
            self.id,
            self.engine.node("n").unwrap(),
            self.engine.zone("z").unwrap(),
            self.engine.region(region).unwrap(),
            "10.0.0.1:80".parse().unwrap(),
        )
        .with_base_weight(weight)
        .with_warm_up_start(warmth);
        let mut out = Vec::new();
        let now = Timestamp::from_secs(1);
        self.engine
            .handle(now, Input::Upsert { name, spec }, &mut out)
            .unwrap();
        for effect in std::mem::take(&mut out) {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let input = Input::Probed {
                    endpoint,
                    attempt,
                    outcome,
                };
                self.engine.handle(now, input, &mut out).unwrap();
            }
        }
        self.engine.check_invariants().unwrap();
    }

    /// The part of the weight in use that these have, in percent.
    fn percent(&self, wanted: impl Fn(&str) -> bool) -> f64 {
        let weight = |name: &dyn Fn(&str) -> bool| -> f64 {
            let all = self.engine.endpoints(self.id);
            all.filter(|(id, _)| self.engine.endpoint(*id).is_some_and(|e| name(e.name)))
                .map(|(_, w)| f64::from(w))
                .sum()
        };
        100.0 * weight(&wanted) / weight(&|_| true).max(1.0)
    }

    fn mode(&self) -> Mode {
        self.engine.mode(self.id)
    }

    /// A balancer fed by this engine, for a caller who prefers regions in order of their names.
    fn balancer(&self) -> Balancer<LowDiscrepancy> {
        let mut b = Balancer::new(
            PriorityRules::default(),
            1,
            (|seed| LowDiscrepancy::new(&[], seed)) as fn(u64) -> LowDiscrepancy,
        );
        for (id, _) in self.engine.endpoints(self.id) {
            let endpoint = self.engine.endpoint(id).unwrap();
            let north = self.engine.region_name(endpoint.region) == Some("north");
            b.set(
                endpoint.slot,
                Some(Member::of(&endpoint, u32::from(!north))),
            );
        }
        b
    }

    /// Who gets 10,000 picks of such a balancer, in percent of them.
    fn picked(&self, wanted: impl Fn(&str) -> bool) -> f64 {
        let mut b = self.balancer();
        let name = |slot| {
            let id = self.engine.endpoint_at(self.id, slot).unwrap();
            self.engine.endpoint(id).unwrap().name
        };
        let picks = (0..10_000).filter(|_| {
            b.pick(&Request::default())
                .is_some_and(|slot| wanted(name(slot)))
        });
        picks.count() as f64 / 100.0
    }
}

fn named<'a>(names: &'a [&'a str]) -> impl Fn(&str) -> bool + 'a {
    move |name| names.contains(&name)
}

/// A cold host is a host: three of four healthy ones are no reason to send anything to the failing one.
#[test]
fn cold_hosts_count_in_full() {
    let mut hosts: Vec<Host<'_>> = ["a", "b", "c"]
        .map(|name| (name, "north", 100, PASS, WarmUpStart::WhenHealthy))
        .to_vec();
    hosts.push(("old", "north", 100, FAIL, WarmUpStart::Done));
    let service = Service::new(&hosts);
    assert_eq!(service.mode(), Mode::Normal);
    assert_eq!(service.percent(named(&["old"])), 0.0);
    let b = service.balancer();
    assert_eq!(
        (b.loads().panic.as_slice(), b.loads().healthy.as_slice()),
        (&[false][..], &[100][..])
    );
    assert_eq!(service.picked(named(&["old"])), 0.0);
}

/// Light hosts count in full, too: it is their number that decides.
#[test]
fn weights_are_not_counted() {
    let service = Service::new(&[
        ("a", "north", 1, PASS, WarmUpStart::Done),
        ("b", "north", 1, PASS, WarmUpStart::Done),
        ("big", "north", 1_000, FAIL, WarmUpStart::Done),
    ]);
    assert_eq!(service.mode(), Mode::Normal);
    assert_eq!(service.picked(named(&["big"])), 0.0);
    let service = Service::new(&[
        ("a", "north", 1_000, PASS, WarmUpStart::Done),
        ("b", "north", 1, FAIL, WarmUpStart::Done),
        ("c", "north", 1, FAIL, WarmUpStart::Done),
    ]);
    assert_eq!(service.mode(), Mode::Panic);
    assert!(service.balancer().loads().panic[0]);
}

#[test]
fn a_dead_region_gets_nothing_while_another_can_carry_all() {
    for south in 1..=4 {
        let mut hosts: Vec<Host<'_>> = ["n1", "n2", "n3"]
            .map(|name| (name, "north", 100, FAIL, WarmUpStart::Done))
            .to_vec();
        let names = ["s1", "s2", "s3", "s4"];
        hosts.extend(
            names[..south]
                .iter()
                .map(|name| (*name, "south", 100, PASS, WarmUpStart::Done)),
        );
        let service = Service::new(&hosts);
        assert_eq!(service.mode(), Mode::Normal);
        assert_eq!(service.percent(|n| n.starts_with('n')), 0.0);
        assert_eq!(service.picked(|n| n.starts_with('n')), 0.0);
    }
}

/// The other region cannot carry all either, but its hosts are no worse for that: only it is used.
#[test]
fn a_dead_region_gets_nothing_while_another_has_enough_hosts_not_to_panic() {
    let service = Service::new(&[
        ("n1", "north", 100, FAIL, WarmUpStart::Done),
        ("n2", "north", 100, FAIL, WarmUpStart::Done),
        ("n3", "north", 100, FAIL, WarmUpStart::Done),
        ("s1", "south", 100, PASS, WarmUpStart::Done),
        ("s2", "south", 100, FAIL, WarmUpStart::Done),
    ]);
    assert_eq!(
        (service.mode(), service.percent(named(&["s1"]))),
        (Mode::Normal, 100.0)
    );
    assert_eq!(service.picked(named(&["s1"])), 100.0);
}

/// A region that panics spreads what it carries over its own hosts; the other sends its share to healthy ones only.
#[test]
fn panic_stays_within_its_region() {
    let mut hosts: Vec<Host<'_>> = vec![("n0", "north", 100, PASS, WarmUpStart::Done)];
    hosts
        .extend(["n1", "n2", "n3", "n4"].map(|name| (name, "north", 100, FAIL, WarmUpStart::Done)));
    hosts.extend([
        ("s0", "south", 100, PASS, WarmUpStart::Done),
        ("s1", "south", 100, FAIL, WarmUpStart::Done),
    ]);
    let service = Service::new(&hosts);
    assert_eq!(service.mode(), Mode::Panic);
    assert!((service.percent(named(&["s0"])) - 50.0).abs() < 0.5);
    for north in ["n0", "n1", "n4"] {
        assert!((service.percent(named(&[north])) - 10.0).abs() < 0.2);
    }
    assert_eq!(service.percent(named(&["s1"])), 0.0);
    assert_eq!(service.balancer().loads().panic, [true, false]);
    assert_eq!(service.picked(named(&["s1"])), 0.0);
    // All of both: total panic.
    let (dead, all): (Vec<Host<'_>>, _) = (
        hosts.iter().map(|h| (h.0, h.1, h.2, FAIL, h.4)).collect(),
        ["n0", "s1"],
    );
    let service = Service::new(&dead);
    assert_eq!(service.mode(), Mode::Panic);
    all.iter()
        .for_each(|n| assert!(service.percent(named(&[n])) > 10.0));
    assert_eq!(service.balancer().loads().panic, [true, true]);
}

/// Envoy's figures: degraded hosts get what 1.4 times the healthy share leaves.
#[test]
fn degraded_hosts_are_no_step() {
    let expected = [
        0.0, 0.0, 0.0, 2.0, 16.0, 30.0, 44.0, 58.0, 72.0, 86.0, 100.0,
    ];
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    for warmth in [WarmUpStart::Done, WarmUpStart::WhenHealthy] {
        for (degraded, percent) in expected.into_iter().enumerate() {
            let host = |(i, name): (usize, &&'static str)| match i < degraded {
                true => (*name, "north", 100, DEGRADED, WarmUpStart::Done),
                false => (*name, "north", 100, PASS, warmth),
            };
            let hosts: Vec<Host<'_>> = names.iter().enumerate().map(host).collect();
            let service = Service::new(&hosts);
            let got = service.percent(named(&names[..degraded]));
            assert!(
                (got - percent).abs() < 0.4,
                "{degraded} degraded have {got} %, not {percent}"
            );
            let got = service.picked(named(&names[..degraded]));
            assert!(
                (got - percent).abs() < 0.1,
                "{degraded} degraded had {got} %, not {percent}"
            );
            let mode = if percent > 0.0 {
                Mode::Degraded
            } else {
                Mode::Normal
            };
            assert_eq!(service.mode(), mode);
        }
    }
}

/// 5 healthy, 3 degraded, 2 failing: 70 and 42 of 100, so 70 and 30. 3, 2 and 5: 42 and 28, so 60 and 40.
#[test]
fn failing_hosts_take_from_both() {
    for (counts, percent) in [
        ([5, 3, 2], 30.0),
        ([3, 2, 5], 40.0),
        ([4, 1, 5], 20.0),
        ([0, 5, 5], 100.0),
    ] {
        let outcomes = [PASS, DEGRADED, FAIL];
        let names: Vec<String> = (0..10).map(|i| format!("{i}")).collect();
        let outcome = |i: usize| {
            let kind = (0..3).find(|k| i < counts[..=*k].iter().sum()).unwrap();
            outcomes[kind]
        };
        let hosts: Vec<Host<'_>> = names
            .iter()
            .enumerate()
            .map(|(i, n)| (n.as_str(), "north", 100, outcome(i), WarmUpStart::Done))
            .collect();
        let service = Service::new(&hosts);
        assert_eq!(service.mode(), Mode::Degraded, "{counts:?}");
        let degraded = |n: &str| outcome(n.parse().unwrap()) == DEGRADED;
        let failing = |n: &str| outcome(n.parse().unwrap()) == FAIL;
        assert!(
            (service.percent(degraded) - percent).abs() < 0.8,
            "{counts:?}: {}",
            service.percent(degraded)
        );
        assert!(
            (service.picked(degraded) - percent).abs() < 0.2,
            "{counts:?}: {}",
            service.picked(degraded)
        );
        assert_eq!(
            (service.percent(failing), service.picked(failing)),
            (0.0, 0.0)
        );
    }
}

/// Degraded hosts of different base weights share what is theirs by weight, and healthy ones likewise.
#[test]
fn degraded_hosts_share_by_weight_while_healthy_ones_warm_up() {
    let hosts: Vec<Host<'_>> = vec![
        ("h1", "north", 100, PASS, WarmUpStart::WhenHealthy),
        ("h2", "north", 300, PASS, WarmUpStart::Done),
        ("d1", "north", 10, DEGRADED, WarmUpStart::Done),
        ("d2", "north", 30, DEGRADED, WarmUpStart::Done),
    ];
    let mut service = Service::new(&hosts);
    // 2 of 4 healthy carry 70.
    let mut last = 0.0;
    for second in 1..=70 {
        let (now, mut out) = (Timestamp::from_secs(second), Vec::new());
        service.engine.handle(now, Input::Time, &mut out).unwrap();
        for effect in std::mem::take(&mut out) {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let name = service.engine.endpoint(endpoint).unwrap().name;
                let outcome = if name.starts_with('d') {
                    DEGRADED
                } else {
                    PASS
                };
                service
                    .engine
                    .handle(
                        now,
                        Input::Probed {
                            endpoint,
                            attempt,
                            outcome,
                        },
                        &mut out,
                    )
                    .unwrap();
            }
        }
        service.engine.check_invariants().unwrap();
        let degraded = service.percent(|n| n.starts_with('d'));
        assert!((degraded - 30.0).abs() < 0.8, "{second} s: {degraded}");
        assert!((service.percent(named(&["d2"])) - 22.5).abs() < 0.7);
        let warming = service.percent(named(&["h1"]));
        assert!(warming > last - 0.5, "{second} s: {warming} after {last}");
        last = warming;
    }
    assert!((last - 17.5).abs() < 0.5, "{last}");
}
