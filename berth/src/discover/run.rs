//! `berth discover run`: the loop around the engine.

use super::args::{RunArgs, added};
use super::control::{Control, Operator, Reply, document};
use super::metrics::Metrics;
use super::report::Report;
use super::sink::{Named, Numbers, Sinks, open, snapshot};
use super::source::{Ask, Origin, Told};
use super::state::{State, Unread};
use super::table::Screen;
use crate::answer::{Answer, Failure, json_text};
use crate::service::{self, Ending, say};
use discovery_core::{Driver, Engine, Timestamp};
use discovery_probe::{Counts, Limits, probes, raise_descriptors};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep, timeout};

/// How often what is counted is brought up to date, and the table.
const TICK: Duration = Duration::from_millis(500);
/// How many problems of a source are said at once.
const PROBLEMS: usize = 20;
/// How long what is under way when the command is told to end may take.
const LAST: Duration = Duration::from_secs(5);

/// Runs until the process is told to end.
pub(super) fn run(args: &RunArgs, json: bool) -> Result<Answer, Failure> {
    let runtime = service::runtime("discover run")?;
    let ended = runtime.block_on(served(args, json));
    // Programs and connections that are under way are dropped.
    runtime.shutdown_background();
    ended
}

/// Since the Unix epoch: the state outlives the process.
fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from(since.unwrap_or_default())
}

/// What the loop has at hand besides the driver.
struct Desk {
    engine: Engine,
    metrics: Metrics,
    counts: Arc<Counts>,
    told: Ask,
    replies: Arc<Mutex<Vec<Reply>>>,
    state: Option<State>,
    numbers: Numbers,
    screen: Option<Screen>,
    /// With the source, since its last read, and at the one before.
    problems: BTreeSet<String>,
    earlier: BTreeSet<String>,
    ticked: Option<Instant>,
}

async fn served(args: &RunArgs, json: bool) -> Result<Answer, Failure> {
    let mut ending = Ending::new()?;
    let sinks = open(args)?;
    let path = args
        .state
        .clone()
        .or_else(|| sinks.iter().find_map(Named::state));
    let state = path.as_deref().map(State::take).transpose()?;
    let restored = restored(state.as_ref());
    let (source, told) = Origin::open(&args.source, restored.is_none()).await?;
    let engine = restored.unwrap_or_else(|| Engine::new(clock().as_nanos()));
    if let Err(error) = raise_descriptors() {
        say(&format!("the limit of descriptors is not raised: {error}"));
    }
    let mut limits = Limits::default();
    limits.connections = args.probes.unwrap_or(limits.connections);
    let (prober, outcomes) = probes(clock, limits);
    let metrics = Metrics::default();
    service::metrics(args.metrics, metrics.registry(prober.counts())).await?;
    let (control, operator) = control(args, path.as_deref()).await?;
    let mut desk = Desk {
        counts: prober.counts(),
        told,
        replies: operator.as_ref().map(Operator::replies).unwrap_or_default(),
        numbers: Numbers::default(),
        screen: if json { None } else { Screen::new() },
        ticked: None,
        problems: BTreeSet::new(),
        earlier: BTreeSet::new(),
        state,
        metrics,
        engine,
    };
    let (mut proxies, mut tasks) = (Vec::new(), Vec::new());
    for sink in &sinks {
        if let Some((proxy, task)) = sink.start(args, &desk.engine, &desk.metrics)? {
            proxies.push(proxy);
            tasks.push(task);
        }
    }
    let sink = Sinks {
        state: desk.state.clone(),
        numbers: Arc::clone(&desk.numbers),
        snapshot: None,
        proxies,
        report: match desk.screen {
            Some(_) => Report::none(),
            None => Report::lines(),
        },
        metrics: desk.metrics.clone(),
    };
    let mut driver = Driver::new(prober, sink).source(outcomes).source(source);
    if let Some(operator) = operator {
        driver = driver.source(operator);
    }
    say(&format!("follows {}", args.source));
    desk.until_told(&mut driver, &mut ending).await;
    drop((control, driver));
    let told = async {
        for task in tasks {
            // One that panicked has said so.
            let _ = task.await;
        }
    };
    if timeout(LAST, told).await.is_err() {
        say("a sink did not answer in time; it may lack what was decided last");
    }
    desk.end().await
}

fn restored(state: Option<&State>) -> Option<Engine> {
    match state?.engine(clock()) {
        Ok(engine) => engine,
        Err(Unread(problem)) => {
            say(&format!("begins without its state: {problem}"));
            None
        }
    }
}

async fn control(
    args: &RunArgs,
    state: Option<&Path>,
) -> Result<(Option<Control>, Option<Operator>), Failure> {
    let path = args.control.clone();
    let Some(path) = path.or_else(|| state.map(|state| added(state, ".sock"))) else {
        return Ok((None, None));
    };
    let (control, operator) = Control::open(&path).await?;
    Ok((Some(control), Some(operator)))
}

impl Desk {
    async fn until_told(&mut self, driver: &mut Driver<'_>, ending: &mut Ending) {
        loop {
            for refused in driver.run_once(&mut self.engine, clock()) {
                self.metrics.complain("engine", &refused.to_string());
            }
            self.reply();
            self.tick();
            let next = self.engine.next_deadline().unwrap_or(Timestamp::MAX);
            let pause = next.since(clock()).min(TICK);
            tokio::select! {
                () = driver.wait(sleep(pause)) => {}
                () = ending.told() => return,
            }
        }
    }

    /// Answers the operator once what was decided is on disk.
    fn reply(&self) {
        let replies = self.replies.lock().map(|mut r| std::mem::take(&mut *r));
        let replies = replies.unwrap_or_default();
        if replies.is_empty() {
            return;
        }
        let decided = replies.iter().any(|reply| reply.decides);
        let saving = self
            .state
            .clone()
            .filter(|_| decided)
            .map(|s| (s, snapshot(&self.engine, &self.numbers)));
        let metrics = self.metrics.clone();
        tokio::spawn(async move {
            if let Some((state, (number, snapshot))) = saving {
                let saved = state.save(number, snapshot).await;
                metrics.saved(saved.as_ref().err());
            }
            for Reply { response, to, .. } in replies {
                // Who went away needs no answer.
                let _ = to.send(response);
            }
        });
    }

    /// Tells now and then what is not told by effects.
    fn tick(&mut self) {
        if self.ticked.is_some_and(|at| at.elapsed() < TICK) {
            return;
        }
        self.ticked = Some(Instant::now());
        self.metrics.note(&self.engine);
        if let Some(problem) = self.counts.take_problem() {
            self.metrics
                .complain("probes", &format!("probes are not carried out: {problem}"));
        }
        self.tell_of_the_source();
        if let Some(screen) = &mut self.screen {
            screen.show(&document(&self.engine, clock()));
        }
    }

    /// Says what is wrong with the source, unless that was so at the read before too.
    fn tell_of_the_source(&mut self) {
        let Told {
            reads,
            failures,
            problems,
        } = (self.told)();
        let problems: BTreeSet<String> = problems.into_iter().collect();
        self.metrics.read(reads - failures, failures);
        if reads > 0 {
            self.earlier = std::mem::take(&mut self.problems);
        }
        // What the engine refuses is told after what was read, perhaps not at once.
        let known =
            |problem: &&String| self.problems.contains(*problem) || self.earlier.contains(*problem);
        let new: Vec<&String> = problems.iter().filter(|p| !known(p)).collect();
        for problem in new.iter().take(PROBLEMS) {
            say(problem);
        }
        if new.len() > PROBLEMS {
            say(&format!("and {} problems more", new.len() - PROBLEMS));
        }
        self.problems.extend(problems);
    }

    async fn end(&self) -> Result<Answer, Failure> {
        if let Some(state) = &self.state {
            let (number, snapshot) = snapshot(&self.engine, &self.numbers);
            let saved = state.save(number, snapshot).await;
            saved.map_err(|e| Failure::io(&e, "--state"))?;
        }
        let probes = self.counts.now();
        let text = format!(
            "{} services, {} endpoints; {} probes passed, {} failed, {} could not be carried out\n",
            self.engine.services().count(),
            self.engine.len(),
            probes.passed + probes.degraded,
            probes.failed,
            probes.unprobed(),
        );
        let json = json!({
            "event": "ended",
            "services": self.engine.services().count(),
            "endpoints": self.engine.len(),
            "probes_passed": probes.passed + probes.degraded,
            "probes_failed": probes.failed,
            "unprobed": probes.unprobed(),
        });
        Ok(match self.screen {
            Some(_) => Answer::done(text, json),
            // The last of the lines.
            None => Answer::done(json_text(&json), json),
        })
    }
}
