//! `discovery-tower` beside tower's own balancer: 100 backends of which 5 are slow and 2 fail fast.

use crate::{Figure, Judge, Limit, Measured};
use discovery_core::health::CallOutcome;
use discovery_core::pick::{P2c, PeakEwma};
use discovery_core::rng;
use discovery_tower::{Balance, Policy};
use rand::RngExt as _;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};
use tower::balance::p2c::Balance as TowerBalance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwma as TowerEwma};
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt as _, service_fn};

const BACKENDS: usize = 100;
const SLOW: usize = 5;
const FAILING: usize = 2;
/// Requests a second, and for how long; the first second is not counted.
const RATE: u64 = 2_000;
const SECONDS: u64 = 8;

type Backend = BoxCloneService<(), (), &'static str>;

/// Numbers calls, each of which draws its own time.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// 5 to 15 ms; ten times as long if it is slow; no time at all if it fails.
fn backend(i: usize) -> Backend {
    BoxCloneService::new(service_fn(move |()| async move {
        let mut draws = rng::stream(CALLS.fetch_add(1, Ordering::Relaxed), "backend");
        let millis = 5 + draws.random_range(0..10_u64);
        match i {
            i if i < FAILING => return Err("down"),
            i if i < FAILING + SLOW => sleep(Duration::from_millis(10 * millis)).await,
            _ => sleep(Duration::from_millis(millis)).await,
        }
        Ok(())
    }))
}

/// No call is tried again, here and there.
struct Once;

impl Policy<(), (), &'static str> for Once {
    fn outcome(&self, result: &Result<(), &'static str>) -> CallOutcome {
        match result {
            Ok(()) => CallOutcome::Ok,
            Err(_) => CallOutcome::Local,
        }
    }
}

/// The 99th percentile of the latency of what was answered, in ms, and what failed of 1,000.
#[derive(Clone, Copy)]
struct Came {
    p99_ms: f64,
    failed_permille: f64,
}

/// Requests in even steps, however long each takes.
async fn load<F, E>(mut call: impl FnMut() -> F) -> Came
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let start = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for i in 0..RATE * SECONDS {
        sleep_until(start + Duration::from_secs(1) * i as u32 / RATE as u32).await;
        let call = call();
        let counts = i >= RATE;
        calls.push(tokio::spawn(async move {
            let begun = Instant::now();
            let result = call.await;
            counts.then(|| result.map(|()| begun.elapsed()))
        }));
    }
    let (mut latencies, mut failed) = (Vec::new(), 0);
    for call in calls {
        match call.await {
            Ok(Some(Ok(latency))) => latencies.push(latency.as_secs_f64() * 1e3),
            Ok(None) => {}
            Ok(Some(Err(_))) | Err(_) => failed += 1,
        }
    }
    latencies.sort_by(f64::total_cmp);
    let p99 = latencies.get(latencies.len() * 99 / 100).copied();
    Came {
        p99_ms: p99.unwrap_or(f64::NAN),
        failed_permille: f64::from(failed) * 1e3 / (latencies.len() as f64 + f64::from(failed)),
    }
}

async fn ours() -> Came {
    let picker = P2c::new(&[], PeakEwma::default(), 7);
    let (balance, endpoints) = Balance::new(picker, Once);
    for i in 0..BACKENDS {
        endpoints.insert(i, backend(i), 100_000);
    }
    load(|| balance.clone().oneshot(())).await
}

async fn towers() -> Came {
    let service = |i| {
        let (unknown, decay) = (Duration::from_millis(300), Duration::from_secs(10));
        let done = CompleteOnResponse::default();
        TowerEwma::new(backend(i), unknown, decay.as_nanos() as f64, done)
    };
    let mut balance = TowerBalance::new(ServiceList::new((0..BACKENDS).map(service)));
    load(move || {
        let waker = std::task::Waker::noop();
        let ready = balance.poll_ready(&mut std::task::Context::from_waker(waker));
        // All of these services always are.
        let call = matches!(ready, std::task::Poll::Ready(Ok(()))).then(|| balance.call(()));
        async move {
            match call {
                Some(call) => call.await,
                None => Err("not ready".into()),
            }
        }
    })
    .await
}

/// Both, measured once for the two figures.
fn run() -> Result<(Came, Came), String> {
    static RUN: OnceLock<Result<(Came, Came), String>> = OnceLock::new();
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        Ok((runtime.block_on(ours()), runtime.block_on(towers())))
    };
    RUN.get_or_init(run).clone()
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "discovery/tower-p99",
        what: "100 backends, 5 of them slow tenfold and 2 failing at once, 2,000 requests/s, none retried: p99 of what is answered; peer tower's balance with peak-EWMA",
        unit: "ms",
        judge: Judge::Ratio,
        must: Limit::AtMost(1.0),
        aim: Limit::AtMost(0.5),
        long: false,
        run: || run().map(|(ours, tower)| Measured::beside(ours.p99_ms, tower.p99_ms)),
    };
    vec![
        base,
        Figure {
            id: "discovery/tower-failed",
            what: "its failed requests",
            unit: "permille",
            run: || run().map(|(o, t)| Measured::beside(o.failed_permille, t.failed_permille)),
            ..base
        },
    ]
}
