//! 10,000 endpoints probed each second over loopback.

use crate::measure::thread_cpu_ns;
use crate::{Figure, Judge, Limit, Measured};
use discovery_core::driver::Sink;
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::{
    Driver, Effect, EndpointSpec, Engine, Input, InputError, ServiceConfig, Timestamp,
};
use discovery_probe::{Limits, probes, raise_descriptors};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

const ENDPOINTS: usize = 10_000;
/// The first seconds are not counted: all begin at once.
const BEFORE: Duration = Duration::from_secs(3);
const COUNTED: Duration = Duration::from_secs(10);

/// What one run came to.
#[derive(Clone, Copy)]
struct Run {
    cpu_percent: f64,
    latest_ms: f64,
}

/// The longest queue of connections that wait to be accepted: the kernel takes less where it allows less.
const BACKLOG: u32 = 16_384;

/// Answers whoever connects, in a thread of its own until the process ends. One port, and as many addresses as 127.0.0.0/8 has.
fn server() -> Result<u16, String> {
    let text = |e: std::io::Error| e.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(text)?;
    let listener = {
        let _inside = runtime.enter();
        let socket = TcpSocket::new_v4().map_err(text)?;
        socket.bind(([0, 0, 0, 0], 0).into()).map_err(text)?;
        socket.listen(BACKLOG).map_err(text)?
    };
    let port = listener.local_addr().map_err(text)?.port();
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream));
                }
            }
        })
    });
    Ok(port)
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0; 1024];
    if stream.read(&mut request).await.is_ok() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(text).await;
    }
}

fn engine(port: u16) -> Result<Engine, InputError> {
    let mut engine = Engine::new(7);
    let check = HealthCheck::new(CheckKind::Http { path: "/".into() });
    let check = check.with_interval(Duration::from_secs(1));
    let config = ServiceConfig::default().with_health(check);
    let service = engine.service("web", config)?;
    let (node, zone, region) = (engine.node("n")?, engine.zone("a")?, engine.region("r")?);
    for i in 0..ENDPOINTS {
        let address = [127, 1, (i / 250) as u8, 1 + (i % 250) as u8];
        let spec = EndpointSpec::new(service, node, zone, region, (address, port).into());
        let name = &format!("web-{i}");
        engine.handle(
            Timestamp::ZERO,
            Input::Upsert { name, spec },
            &mut Vec::new(),
        )?;
    }
    Ok(engine)
}

/// Takes effects and does nothing.
struct Nothing;

#[async_trait::async_trait]
impl Sink for Nothing {
    fn take(&mut self, _: &Engine, _: Timestamp, _: &[Effect], _: u64) {}
    async fn carry_out(&mut self) {}
}

/// Probes in the thread that calls, as `berth discover run` does.
async fn probed(mut engine: Engine) -> Result<Run, String> {
    let start = Instant::now();
    let clock = move || Timestamp::from_secs(1).after(start.elapsed());
    raise_descriptors().map_err(|e| e.to_string())?;
    let (prober, outcomes) = probes(clock, Limits::default());
    let counts = prober.counts();
    let mut driver = Driver::new(prober, Nothing).source(outcomes);
    let (mut latest, mut cpu, mut before) = (Duration::ZERO, None, counts.now());
    while start.elapsed() < BEFORE + COUNTED {
        let due = engine.next_deadline().unwrap_or(Timestamp::MAX);
        let now = clock();
        driver.run_once(&mut engine, now);
        if start.elapsed() > BEFORE {
            if cpu.is_none() {
                (cpu, before) = (Some(thread_cpu_ns()?), counts.now());
            }
            // Until all that was due has been begun.
            latest = latest.max(clock().since(due));
        }
        let next = engine.next_deadline().unwrap_or(Timestamp::MAX);
        driver.wait(sleep(next.since(clock()))).await;
    }
    let spent = thread_cpu_ns()?.saturating_sub(cpu.ok_or("it did not begin")?);
    let after = counts.now();
    let passed = after.passed - before.passed;
    let wanted = ENDPOINTS as u64 * COUNTED.as_secs();
    if passed < wanted * 9 / 10 || after.unprobed() > before.unprobed() {
        return Err(format!("{passed} of {wanted} probes passed: {after:?}"));
    }
    Ok(Run {
        cpu_percent: spent as f64 / COUNTED.as_nanos() as f64 * 100.0,
        latest_ms: latest.as_secs_f64() * 1e3,
    })
}

/// Run once for both figures.
fn run() -> Result<Run, String> {
    static RUN: OnceLock<Result<Run, String>> = OnceLock::new();
    let run = || {
        let engine = engine(server()?).map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.map_err(|e| e.to_string())?.block_on(probed(engine))
    };
    RUN.get_or_init(run).clone()
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "discovery/probes-cpu",
        what: "10,000 endpoints probed each second over loopback (connect, GET, close) with the engine that asks for it, share of one core",
        unit: "%",
        judge: Judge::Ours,
        must: Limit::AtMost(60.0),
        aim: Limit::AtMost(35.0),
        long: false,
        run: || run().map(|run| Measured::alone(run.cpu_percent)),
    };
    vec![
        base,
        Figure {
            id: "discovery/probes-late",
            what: "the latest of them behind its time, in 10 s",
            unit: "ms",
            must: Limit::AtMost(200.0),
            aim: Limit::AtMost(20.0),
            run: || run().map(|run| Measured::alone(run.latest_ms)),
            ..base
        },
    ]
}
