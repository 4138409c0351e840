//! `berth ipam serve`: what a host's daemon does about its addresses.

mod docker;
mod host;
mod metrics;
mod time;

use super::args::ServeArgs;
use super::session::{Parts, Session};
use super::stores::Runner;
use crate::answer::{Answer, Failure};
use crate::service::{self, Ending, say};
use docker::{Asked, Docker, Looked, Socket, Viewer, write_spec};
use host::Host;
use metrics::Metrics;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
pub(super) use time::Clock;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long what is under way when the command is told to end may take.
const LAST: Duration = Duration::from_secs(5);

/// Calls of an engine that wait for their turn.
const CALLS: usize = 64;

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
    let served = async {
        let mut ending = Ending::new()?;
        let listeners = Listeners::open(args, &metrics).await?;
        let (viewer, looked) = match (&args.docker.docker_engine, docker::name(args)) {
            (Some(engine), Some(name)) => {
                let (viewer, looked) = Viewer::start(engine.clone(), name);
                (Some(viewer), looked)
            }
            _ => (None, channel(1).1),
        };
        let docker = Docker::new(args, viewer);
        let mut host = Host::new(
            replica,
            Clock::new(time),
            args,
            Arc::clone(&metrics),
            docker,
        );
        say(&format!("serves {}", args.host));
        until_told(&mut host, args, listeners, looked, &mut ending).await;
        Ok(answer(args, &metrics))
    };
    runner.run(served, &place)?
}

/// Where others come in.
struct Listeners {
    socket: Option<Socket>,
    asked: Receiver<Asked>,
}

impl Listeners {
    async fn open(args: &ServeArgs, metrics: &Arc<Metrics>) -> Result<Self, Failure> {
        service::metrics(args.metrics, metrics.registry()).await?;
        let (asks, asked) = channel(CALLS);
        let socket = match &args.docker.docker {
            None => None,
            Some(path) => {
                let socket = Socket::open(path, asks, metrics).await?;
                if let Some(spec) = &args.docker.docker_spec {
                    write_spec(spec, path)?;
                }
                say(&format!("a Docker plugin on {}", path.display()));
                Some(socket)
            }
        };
        Ok(Self { socket, asked })
    }
}

async fn until_told(
    host: &mut Host,
    args: &ServeArgs,
    listeners: Listeners,
    mut looked: Receiver<Looked>,
    ending: &mut Ending,
) {
    let Listeners { socket, mut asked } = listeners;
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let work = tokio::select! {
            () = ending.told() => break,
            Some(asked) = asked.recv() => Work::Answer(asked),
            Some(looked) = looked.recv() => Work::Settle(looked),
            _ = ticks.tick() => Work::Step,
        };
        let mut work = std::pin::pin!(work.done(host));
        tokio::select! {
            () = &mut work => {}
            () = ending.told() => {
                if timeout(LAST, work).await.is_err() {
                    say("the store did not answer in time; what was under way may have happened");
                }
                break;
            }
        }
    }
    // Calls that wait are refused, and answers on their way are sent.
    drop(asked);
    if let Some(socket) = socket {
        socket.close().await;
    }
}

/// One thing at a time is done with the store.
enum Work {
    Step,
    Answer(Asked),
    Settle(Looked),
}

impl Work {
    async fn done(self, host: &mut Host) {
        match self {
            Self::Step => host.step().await,
            Self::Answer(asked) => host.answer(asked).await,
            Self::Settle(looked) => host.settle(looked).await,
        }
    }
}

fn answer(args: &ServeArgs, metrics: &Metrics) -> Answer {
    let totals = metrics.totals();
    let text = format!(
        "{}: {} renewed, {} refused, {} released, {} blocks given up\n",
        args.host, totals.renewed, totals.refused, totals.released, totals.blocks
    );
    let json = json!({
        "host": args.host, "renewed": totals.renewed, "refused": totals.refused,
        "released": totals.released, "blocks_reclaimed": totals.blocks,
    });
    Answer::done(text, json)
}
