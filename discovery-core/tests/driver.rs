//! A driver between seams that are slow, or wait for ever, in virtual time and without a runtime.

use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use discovery_core::driver::{Prober, Sink, Source};
use discovery_core::endpoint::{Conditions, ServiceId};
use discovery_core::engine::DrainTarget;
use discovery_core::health::{CallOutcome, CheckKind, HealthCheck, OutlierDetection, ProbeOutcome};
use discovery_core::registry::{RegistrationStatus, diff};
use discovery_core::{
    Driver, Effect, EndpointId, EndpointSpec, Engine, Input, InputError, Registry, ServiceConfig,
    Timestamp,
};

/// What all parts share: the clock, the probes under way, what happened.
#[derive(Default)]
struct Shared {
    now: u64,
    probes: VecDeque<(u64, EndpointId, u32)>,
    /// How late each probe left, and how many there were of each endpoint.
    late: Vec<u64>,
    failed: BTreeSet<EndpointId>,
    batches: Vec<(usize, u64)>,
    registry: Option<Registry>,
}

type World = Arc<Mutex<Shared>>;

fn ms(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Ends at a time of the virtual clock, which the executor moves.
async fn at(world: &World, when: u64) {
    poll_fn(|_| match world.lock().unwrap().now >= when {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Tells the outcomes of probes, 100 ms after they left.
struct Outcomes(World);

#[async_trait]
impl Source for Outcomes {
    async fn wait(&mut self) {
        poll_fn(|_| {
            let shared = self.0.lock().unwrap();
            match shared.probes.front().is_some_and(|p| p.0 <= shared.now) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        let mut refused = Vec::new();
        let mut shared = self.0.lock().unwrap();
        while shared.probes.front().is_some_and(|p| ms(p.0) <= now) {
            let (answered, endpoint, attempt) = shared.probes.pop_front().unwrap();
            let outcome = match shared.failed.contains(&endpoint) {
                true => ProbeOutcome::Fail,
                false => ProbeOutcome::Pass,
            };
            let input = Input::Probed {
                endpoint,
                attempt,
                outcome,
            };
            refused.extend(engine.handle(ms(answered), input, out).err());
        }
        refused
    }
}

struct Probes(World);

impl Prober for Probes {
    fn probe(
        &mut self,
        _: &Engine,
        endpoint: EndpointId,
        _: ServiceId,
        attempt: u32,
        deadline: Timestamp,
    ) {
        let mut shared = self.0.lock().unwrap();
        let now = shared.now;
        shared
            .late
            .push(now + 1_000 - deadline.as_nanos() / 1_000_000);
        shared.probes.push_back((now + 100, endpoint, attempt));
    }
}

/// Tells one thing at a time, and then waits for ever.
struct Script<T: Send, F>(World, VecDeque<(u64, T)>, F);

#[async_trait]
impl<T, F> Source for Script<T, F>
where
    T: Send,
    F: FnMut(&mut Engine, Timestamp, T, &mut Vec<Effect>) -> Result<(), InputError> + Send,
{
    async fn wait(&mut self) {
        let Some(when) = self.1.front().map(|next| next.0) else {
            return pending().await;
        };
        at(&self.0, when).await;
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        let mut refused = Vec::new();
        while self.1.front().is_some_and(|next| ms(next.0) <= now) {
            let (_, what) = self.1.pop_front().unwrap();
            refused.extend((self.2)(engine, now, what, out).err());
        }
        refused
    }
}

/// A registry whose every write takes so long.
struct Slow(World, u64, Vec<discovery_core::registry::Op>);

#[async_trait]
impl Sink for Slow {
    fn take(&mut self, engine: &Engine, _: Timestamp, effects: &[Effect], lost: u64) {
        let mut shared = self.0.lock().unwrap();
        shared.batches.push((effects.len(), lost));
        let registry = shared.registry.get_or_insert_with(Registry::new);
        for (id, name) in engine.services() {
            self.2
                .extend(diff(name, engine.registrations(id), registry, "us"));
        }
    }

    async fn carry_out(&mut self) {
        let done = self.0.lock().unwrap().now + self.1;
        at(&self.0, done).await;
        let mut shared = self.0.lock().unwrap();
        let registry = shared.registry.get_or_insert_with(Registry::new);
        for op in std::mem::take(&mut self.2) {
            registry.apply(&op).unwrap();
        }
    }
}

/// Ten endpoints of one service, checked each second with a timeout of one.
fn engine() -> (Engine, EndpointSpec) {
    let mut engine = Engine::new(1);
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp).with_interval(Duration::from_secs(1)))
        .with_outlier_detection(
            OutlierDetection::default()
                .with_max_ejection_percent(50)
                .with_pass_returns(false),
        );
    let spec = EndpointSpec::new(
        engine.service("web", config).unwrap(),
        engine.node("n").unwrap(),
        engine.zone("z").unwrap(),
        engine.region("c").unwrap(),
        "10.0.0.1:80".parse().unwrap(),
    )
    .with_base_weight(1);
    (engine, spec)
}

/// Runs a driver until a time, millisecond by millisecond.
fn run(driver: &mut Driver<'_>, engine: &mut Engine, world: &World, until: u64) -> Vec<InputError> {
    let mut refused = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let now = world.lock().unwrap().now;
        refused.append(&mut driver.run_once(engine, ms(now)));
        let due = engine.next_deadline().unwrap_or(Timestamp::MAX);
        let due = due.as_nanos().div_ceil(1_000_000);
        loop {
            // Each look drops the future and takes it up again: nothing may be lost by that.
            let done = pin!(driver.wait(at(world, due))).poll(&mut context);
            if done.is_ready() {
                break;
            }
            let mut shared = world.lock().unwrap();
            if shared.now >= until {
                return refused;
            }
            shared.now += 1;
        }
    }
}

type Told = (&'static str, EndpointSpec);

fn pods(world: &World, told: Vec<(u64, Told)>) -> impl Source {
    Script(
        world.clone(),
        VecDeque::from(told),
        |engine: &mut Engine, now, (name, spec): Told, out: &mut Vec<Effect>| {
            engine.handle(now, Input::Upsert { name, spec }, out)
        },
    )
}

fn operator(world: &World, told: Vec<(u64, &'static str, bool)>) -> impl Source {
    let told = told.into_iter().map(|(at, name, on)| (at, (name, on)));
    Script(
        world.clone(),
        told.collect(),
        |engine: &mut Engine, now, (name, on): (&str, bool), out: &mut Vec<Effect>| {
            let target = DrainTarget::Endpoint(engine.find(name).unwrap());
            let over = Duration::ZERO;
            engine.handle(now, Input::Drain { target, on, over }, out)
        },
    )
}

fn calls(world: &World, told: Vec<(u64, &'static str)>) -> impl Source {
    Script(
        world.clone(),
        VecDeque::from(told),
        |engine: &mut Engine, now, name: &str, out: &mut Vec<Effect>| {
            let (endpoint, count) = (engine.find(name).unwrap(), 5);
            let outcome = CallOutcome::Error;
            let input = Input::CallsEnded {
                endpoint,
                outcome,
                count,
            };
            engine.handle(now, input, out)
        },
    )
}

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

fn standings(engine: &Engine, service: ServiceId) -> Vec<RegistrationStatus> {
    engine.registrations(service).map(|r| r.status).collect()
}

#[test]
fn a_source_that_waits_for_ever_fails_nobody() {
    let world = World::default();
    let (mut engine, spec) = engine();
    let all = NAMES.iter().map(|name| (0, (*name, spec))).collect();
    let mut driver = Driver::new(Probes(world.clone()), Slow(world.clone(), 0, Vec::new()))
        .source(Outcomes(world.clone()))
        .source(pods(&world, all));
    assert_eq!(run(&mut driver, &mut engine, &world, 60_000), []);
    assert_eq!(
        standings(&engine, spec.service),
        [RegistrationStatus::Passing; 10]
    );
    let shared = world.lock().unwrap();
    assert!(shared.late.len() > 10 * 50, "{} probes", shared.late.len());
    assert_eq!(shared.late.iter().max(), Some(&0), "none left late");
}

#[test]
fn everybody_is_heard_while_the_sink_is_busy() {
    let world = World::default();
    let (mut engine, spec) = engine();
    let mut told: Vec<(u64, Told)> = NAMES.iter().map(|name| (0, (*name, spec))).collect();
    let heavy = spec.with_base_weight(u32::MAX);
    told.extend([(20_000, ("k", heavy)), (20_000, ("l", spec))]);
    let slow = Slow(world.clone(), 30_000, Vec::new());
    let mut driver = Driver::new(Probes(world.clone()), slow)
        .source(Outcomes(world.clone()))
        .source(pods(&world, told))
        .source(operator(
            &world,
            vec![(5_000, "b", true), (15_000, "b", false)],
        ))
        .source(calls(&world, vec![(6_000, "c")]));
    run(&mut driver, &mut engine, &world, 5_000);
    assert_eq!(
        engine.weight(engine.find("b").unwrap()),
        0,
        "drained at once"
    );
    world.lock().unwrap().failed.extend(engine.find("d"));
    run(&mut driver, &mut engine, &world, 10_000);
    assert!(engine.endpoint(engine.find("c").unwrap()).unwrap().ejected);
    assert_eq!(
        engine.weight(engine.find("d").unwrap()),
        0,
        "its probes fail"
    );
    run(&mut driver, &mut engine, &world, 15_000);
    assert_eq!(engine.weight(engine.find("b").unwrap()), 1_000);
    assert_eq!(
        world.lock().unwrap().batches.len(),
        1,
        "the first write goes on"
    );
    let refused = run(&mut driver, &mut engine, &world, 21_000);
    assert_eq!(refused, [InputError::Weight { given: u32::MAX }]);
    assert_eq!(
        engine.weight(engine.find("l").unwrap()),
        1_000,
        "the rest goes on"
    );
    run(&mut driver, &mut engine, &world, 95_000);
    let shared = world.lock().unwrap();
    assert_eq!(shared.late.iter().max(), Some(&0), "no probe left late");
    let entries = shared.registry.as_ref().unwrap().service("web");
    let entries: Vec<(&str, u32)> = entries.map(|(n, e)| (n, e.weight)).collect();
    assert_eq!(entries.len(), 11);
    assert_eq!(entries[3], ("d", 0));
    assert!(entries.iter().all(|(n, w)| (*w == 1_000) == (*n != "d")));
}

#[test]
fn a_late_driver_counts_answers_that_came_in_time() {
    let world = World::default();
    let (mut engine, spec) = engine();
    let all = NAMES.iter().map(|name| (0, (*name, spec))).collect();
    let mut driver = Driver::new(Probes(world.clone()), Slow(world.clone(), 0, Vec::new()))
        .source(Outcomes(world.clone()))
        .source(pods(&world, all));
    run(&mut driver, &mut engine, &world, 10_050);
    for _ in 0..10 {
        // The process stands still for three seconds, with probes under way.
        world.lock().unwrap().now += 3_000;
        let until = world.lock().unwrap().now + 1_050;
        run(&mut driver, &mut engine, &world, until);
    }
    assert_eq!(
        standings(&engine, spec.service),
        [RegistrationStatus::Passing; 10]
    );
}

#[test]
fn what_waits_for_a_busy_sink_is_bounded_and_counted() {
    let world = World::default();
    let (mut engine, spec) = engine();
    let slow = Slow(world.clone(), 10, Vec::new());
    let mut driver = Driver::new(Probes(world.clone()), slow).source(Script(
        world.clone(),
        VecDeque::from([(0, 0..1u32), (1, 1..70_000)]),
        move |engine: &mut Engine, now, names: std::ops::Range<u32>, out: &mut Vec<Effect>| {
            for i in names {
                let conditions = Conditions::STARTING;
                let spec = spec.with_conditions(conditions);
                let name = &format!("e{i}");
                engine.handle(now, Input::Upsert { name, spec }, out)?;
            }
            Ok(())
        },
    ));
    run(&mut driver, &mut engine, &world, 30);
    let shared = world.lock().unwrap();
    assert_eq!(shared.batches, [(1, 0), (65_536, 69_999 - 65_536)]);
    let entries = shared.registry.as_ref().unwrap().service("web").count();
    assert_eq!(entries, 70_000, "a comparison mends what was left out");
}
