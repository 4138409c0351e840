//! `berth shape watch`: divides the uplink anew each second among those who use it, and shows who is held up and who borrows.

mod metrics;
mod output;
mod session;
mod usage;

use super::FileArg;
use super::policy::{self, PolicyArgs};
use crate::answer::{Answer, Failure};
use crate::service::{self, Complaints, Ending, say};
use clap::Args;
use metrics::Metrics;
use output::Output;
use serde_json::json;
use session::Session;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::{MissedTickBehavior, interval};
use usage::Counted;

/// Arguments of `berth shape watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// How often the uplink is divided anew.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// End after so many intervals; without it, when told to (Ctrl-C).
    #[arg(long, value_name = "N")]
    intervals: Option<u64>,
    /// Put the kernel back as it was found when this ends; without it all stays as it was last planned.
    #[arg(long)]
    restore: bool,
    /// Only watch what the kernel has: plan and divide nothing.
    #[arg(long, conflicts_with = "restore")]
    dry_run: bool,
    /// Replace a root qdisc that is not ours, and move filters that are not ours behind ours.
    #[arg(long)]
    takeover: bool,
    /// Class numbers of an earlier plan: its document, or its `classes`. Containers keep theirs.
    #[arg(long, value_name = "FILE")]
    classes: Option<FileArg>,
    /// Serve Prometheus metrics at /metrics there.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
}

/// A tenth of a second to an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    let given: Option<f64> = text.parse().ok();
    let given = given.filter(|s| (0.1..=3_600.0).contains(s));
    given
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("`{text}` is not a number of seconds from 0.1 to 3600"))
}

/// How often the whole kernel is read and compared, whatever changed: somebody may have meddled, containers may have gone.
const RECONCILE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &WatchArgs, lines: bool) -> Result<Answer, Failure> {
    service::runtime("runtime")?.block_on(watch(args, lines))
}

async fn watch(args: &WatchArgs, lines: bool) -> Result<Answer, Failure> {
    let mut ending = Ending::new()?;
    let metrics = Metrics::default();
    service::metrics(args.metrics, metrics.registry()).await?;
    let mut stamp = Stamp::of(&args.policy);
    let wanted = policy::read_policy(&args.policy)?;
    let mut session = Session::begin(args, wanted).await?;
    let mut output = Output::new(lines);
    let (mut complaints, mut counted) = (Complaints::default(), Counted::default());
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    session.count(&mut counted).await?;
    let (mut done, mut compared) = (0_u64, Instant::now());
    while args.intervals.is_none_or(|most| done < most) {
        tokio::select! {
            () = ending.told() => break,
            _ = ticks.tick() => {}
        }
        let now = Stamp::of(&args.policy);
        if now != stamp {
            stamp = now;
            match policy::read_policy(&args.policy) {
                Ok(policy) => {
                    session.replace(policy);
                    counted = Counted::default();
                    metrics.forget();
                }
                Err(failure) => complaints.say(&format!(
                    "the policy stays as it was: {}: {}",
                    failure.place, failure.message
                )),
            }
        }
        if session.stale || compared.elapsed() >= RECONCILE {
            compared = Instant::now();
            if let Err(failure) = session.reconcile().await {
                metrics.failures.inc();
                complaints.say(&failure.message);
            }
        }
        match session.interval(&mut counted).await {
            Ok(rows) => {
                metrics.note(&rows);
                output.show(&rows);
            }
            Err(failure) => {
                metrics.failures.inc();
                complaints.say(&failure.message);
                session.stale = true;
            }
        }
        done += 1;
    }
    output.end();
    if args.restore {
        session.restore().await?;
        say("the kernel is as it was found");
    }
    let document = json!({"intervals": done, "changes": session.changes, "restored": args.restore});
    Ok(Answer::done(String::new(), document))
}

/// What tells one version of the files from another without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64, u64)>; 2]);

impl Stamp {
    fn of(args: &PolicyArgs) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let files = [Some(&args.desired), args.addresses.as_ref()];
        Self(files.map(|path| {
            let data = std::fs::metadata(path?).ok()?;
            Some((data.modified().ok()?, data.len(), data.ino()))
        }))
    }
}
