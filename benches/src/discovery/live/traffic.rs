//! Constant load on an Envoy that retries nothing, while backends drain, warm up and die, and while the driver does.

use super::world::{Driver, World, source, until};
use crate::{Figure, Judge, Limit, Measured};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use test_support::proxies::{Backend, Proxy, get, start_envoy_without_retries};

/// Requests a second, by so many threads.
const RATE: u32 = 200;
const THREADS: u32 = 8;

/// A request: when it began after the load did, and the port that answered it with 200.
type Done = (Duration, Option<u16>);

struct Load {
    /// When it began, since the Unix epoch.
    since_epoch: Duration,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Done>>>,
}

impl Load {
    fn start(proxy: &Proxy) -> Self {
        let (begun, ends) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let pause = Duration::from_secs(1) * THREADS / RATE;
        let thread = |i| {
            let (address, ends) = (proxy.address.clone(), Arc::clone(&ends));
            let mut due = begun + pause * i / THREADS;
            std::thread::spawn(move || {
                let mut all = Vec::new();
                while !ends.load(Ordering::SeqCst) {
                    sleep(due.saturating_duration_since(Instant::now()));
                    due += pause;
                    let at = begun.elapsed();
                    let answered = get(&address).filter(|(status, _)| *status == 200);
                    all.push((at, answered.and_then(|(_, port)| port.parse().ok())));
                }
                all
            })
        };
        let threads = (0..THREADS).map(thread).collect();
        Self {
            since_epoch: since_epoch.unwrap_or_default(),
            ends,
            threads,
        }
    }

    fn end(self) -> Vec<Done> {
        self.ends.store(true, Ordering::SeqCst);
        let joined = self.threads.into_iter().map(JoinHandle::join);
        joined.flatten().flatten().collect()
    }
}

fn failed(done: &[Done]) -> usize {
    done.iter().filter(|(_, port)| port.is_none()).count()
}

struct Place {
    world: World,
    backends: Vec<Backend>,
    envoy: Proxy,
    sink: String,
    driver: Option<Driver>,
}

fn endpoints(backends: &[Backend]) -> Vec<Value> {
    let endpoint = |(i, backend): (usize, &Backend)| {
        json!({"id": format!("web-{i}"), "address": backend.address.to_string(), "node": format!("n{i}"),
            "zone": "a", "region": "north", "weight": 100,
            // Another port is another process: a restart, which warms up.
            "started_at_s": backend.address.port()})
    };
    backends.iter().enumerate().map(endpoint).collect()
}

impl Place {
    /// Backends that are warm.
    fn new(count: usize, window_s: f64) -> Result<Self, String> {
        test_support::proxies::envoy()?;
        let world = World::new()?;
        let backends: Vec<Backend> = (0..count).map(|_| Backend::start()).collect();
        world.replace(
            "source.json",
            &source(&endpoints(&backends), window_s, true),
        )?;
        let eds = world.folder.join("eds.json");
        let sink = format!("envoy-file:{}", eds.display());
        let driver = world.drive(&sink)?;
        for i in 0..count {
            world.until_weight(&format!("web-{i}"), 100.0)?;
        }
        let envoy = start_envoy_without_retries(&world.folder, &eds);
        until("Envoy serves", || {
            envoy.get().is_some_and(|(s, _)| s == 200)
        })?;
        Ok(Self {
            world,
            backends,
            envoy,
            sink,
            driver: Some(driver),
        })
    }

    fn ask(&self, args: &[&str]) -> Result<(), String> {
        let answer = self.world.ask(args);
        answer.map(drop).ok_or(format!("{args:?} is refused"))
    }
}

/// Three backends in turn are drained, end, begin anew and warm up.
fn drained() -> Result<Measured, String> {
    let mut place = Place::new(10, 3.0)?;
    let load = Load::start(&place.envoy);
    for i in 0..3 {
        let id = format!("web-{i}");
        place.ask(&["drain", "--endpoint", &id])?;
        sleep(Duration::from_secs(1));
        // Its successor stands elsewhere: the port is in use as long as a connection of its is.
        place.backends.push(Backend::start());
        drop(place.backends.swap_remove(i));
        let text = source(&endpoints(&place.backends), 3.0, true);
        place.world.replace("source.json", &text)?;
        place.ask(&["undrain", "--endpoint", &id])?;
        place.world.until_weight(&id, 100.0)?;
    }
    Ok(Measured::alone(failed(&load.end()) as f64))
}

/// Failed requests after a kill, as seconds of the share that the backend had.
fn killed() -> Result<Measured, String> {
    let mut place = Place::new(10, 0.0)?;
    let mut seconds: f64 = 0.0;
    for _ in 0..3 {
        let share = f64::from(RATE) / place.backends.len() as f64;
        let load = Load::start(&place.envoy);
        sleep(Duration::from_secs(2));
        let last = place.backends.len() - 1;
        drop(place.backends.pop());
        place.world.until_weight(&format!("web-{last}"), 0.0)?;
        sleep(Duration::from_secs(2));
        seconds = seconds.max(failed(&load.end()) as f64 / share);
    }
    Ok(Measured::alone(seconds))
}

const WINDOW_S: f64 = 10.0;
const WARM: usize = 4;

/// The largest distance of a second's share from the curve, after the first second.
fn shares() -> Result<Measured, String> {
    let mut place = Place::new(WARM, WINDOW_S)?;
    let load = Load::start(&place.envoy);
    let fresh = Backend::start();
    let port = fresh.address.port();
    place.backends.push(fresh);
    let text = source(&endpoints(&place.backends), WINDOW_S, true);
    place.world.replace("source.json", &text)?;
    let id = format!("web-{WARM}");
    place.world.until_weight(&id, 100.0)?;
    sleep(Duration::from_secs(1));
    // By the driver's clock it passed its first check then.
    let began = place.world.first_weight(&id).ok_or("no weight was told")?;
    let began = began - load.since_epoch.as_secs_f64();
    let done = load.end();
    let mut worst: f64 = 0.0;
    for second in 1..WINDOW_S as u32 {
        let (from, to) = (f64::from(second), f64::from(second + 1));
        let within = |done: &&Done| (from..to).contains(&(done.0.as_secs_f64() - began));
        let all: Vec<&Done> = done.iter().filter(within).collect();
        let its = all.iter().filter(|(_, by)| *by == Some(port)).count();
        let factor = (from + 0.5) / WINDOW_S;
        let expected = factor / (factor + WARM as f64);
        worst = worst.max((its as f64 / all.len() as f64 - expected).abs());
    }
    Ok(Measured::alone(worst))
}

/// The driver is killed without a word, five times while endpoints warm: deregistrations after, and endpoints that weigh less than before.
fn driver_killed() -> Result<Measured, String> {
    let mut place = Place::new(10, 20.0)?;
    for _ in 0..10 {
        place.backends.push(Backend::start());
    }
    let text = source(&endpoints(&place.backends), 20.0, true);
    place.world.replace("source.json", &text)?;
    until("all are given something", || {
        let weights = place.world.weights();
        weights.len() == 20 && weights.iter().all(|(_, weight)| *weight > 0.0)
    })?;
    let mut restarted = 0;
    for _ in 0..5 {
        sleep(Duration::from_secs(1));
        let before = place.world.weights();
        // The old one is killed before the new one starts.
        drop(place.driver.take());
        place.driver = Some(place.world.drive(&place.sink)?);
        let after = place.world.weights();
        let less = |(id, weight): &&(String, f64)| {
            let now = after.iter().find(|(other, _)| other == id);
            now.is_none_or(|(_, now)| now < weight)
        };
        restarted += before.iter().filter(less).count();
    }
    let wrong = restarted + place.world.told("deregister");
    Ok(Measured::alone(wrong as f64))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "discovery/drain-failures",
        what: "failed requests of 200/s through Envoy without retries, while 3 of 10 backends drain, end, begin anew and warm up",
        unit: "requests",
        judge: Judge::Ours,
        must: Limit::AtMost(0.0),
        aim: Limit::AtMost(0.0),
        long: false,
        run: drained,
    };
    vec![
        base,
        Figure {
            id: "discovery/kill-failures",
            what: "failed requests of 200/s through Envoy without retries after one of 10 backends is killed, in seconds of its share; checks each 0.2 s, 2 to fall; worst of 3",
            unit: "s",
            must: Limit::AtMost(1.0),
            aim: Limit::AtMost(0.5),
            run: killed,
            ..base
        },
        Figure {
            id: "discovery/slow-start-shares",
            what: "share of an endpoint that warms up for 10 s beside 4, each second's distance from the curve after the first; through Envoy, 200 requests/s",
            unit: "share",
            must: Limit::AtMost(0.03),
            aim: Limit::AtMost(0.015),
            run: shares,
            ..base
        },
        Figure {
            id: "discovery/driver-killed",
            what: "deregistrations, and endpoints that lost weight, after 5 kills of the driver while 10 of 20 endpoints warm",
            unit: "endpoints",
            run: driver_killed,
            ..base
        },
    ]
}
