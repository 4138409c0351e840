//! `berth ipam serve`: what a host's daemon does about its addresses.

mod host;
pub(super) mod http;
mod metrics;
mod time;

use super::args::ServeArgs;
use super::session::{Parts, Session};
use super::stores::Runner;
use crate::answer::{Answer, Failure};
use host::Host;
#[cfg(feature = "kube")]
pub(super) use http::Text;
use metrics::Metrics;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
pub(super) use time::Clock;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long what is under way when the command is told to end may take.
const LAST: Duration = Duration::from_secs(5);

/// Serves a host until the process is told to end.
pub(super) fn serve(session: Session, args: &ServeArgs) -> Result<Answer, Failure> {
    let Parts {
        replica,
        runner,
        time,
        place,
    } = session.into_parts();
    let runner = match runner {
        Runner::AtOnce => Runner::tokio(&place)?,
        runner => runner,
    };
    let metrics = Arc::new(Metrics::default());
    let host = Host::new(replica, Clock::new(time), args, Arc::clone(&metrics));
    runner.run(until_told(host, args, &metrics), &place)?
}

/// The signals that end a service.
pub(super) struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn until_told(
    mut host: Host,
    args: &ServeArgs,
    metrics: &Arc<Metrics>,
) -> Result<Answer, Failure> {
    let mut ending = Ending::new().map_err(|e| Failure::io(&e, "signals"))?;
    if let Some(address) = args.metrics {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|e| Failure::io(&e, format!("--metrics {address}")))?;
        // Port 0 is any port: which one, somebody has to be told.
        let bound = listener.local_addr();
        let bound = bound.map_err(|e| Failure::io(&e, format!("--metrics {address}")))?;
        eprintln!("berth: metrics on http://{bound}/metrics");
        tokio::spawn(http::serve(listener, Arc::clone(metrics)));
    }
    eprintln!("berth: serves {}", args.host);
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ending.told() => break,
            _ = ticks.tick() => {}
        }
        let mut step = std::pin::pin!(host.step());
        tokio::select! {
            () = &mut step => {}
            () = ending.told() => {
                if timeout(LAST, step).await.is_err() {
                    eprintln!("berth: the store did not answer in time; what was under way may have happened");
                }
                break;
            }
        }
    }
    let totals = metrics.totals();
    let text = format!(
        "{}: {} renewed, {} refused, {} released, {} blocks given up\n",
        args.host, totals.renewed, totals.refused, totals.released, totals.blocks
    );
    let json = json!({
        "host": args.host, "renewed": totals.renewed, "refused": totals.refused,
        "released": totals.released, "blocks_reclaimed": totals.blocks,
    });
    Ok(Answer::done(text, json))
}
