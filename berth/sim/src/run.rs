//! The runs that were asked for, side by side, and the files they leave.

use crate::error::Error;
use crate::events::{self, Detail, Events};
use crate::figures::Figures;
use crate::host::{HOST_CORES, SAFETY};
use crate::policy::Policy;
use crate::summary::Summary;
use crate::trace::Trace;
use crate::upsample::Between;
use crate::{report, world};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

/// Mean load of a host that the default number of hosts is chosen for.
const MEAN_LOAD: f64 = 0.6;
/// Most hosts that may be asked for.
const MAX_HOSTS: usize = 10_000;

pub(crate) const EVENTS: &str = "events.jsonl";
const SUMMARY: &str = "summary.json";
const REPORT: &str = "report.html";

/// The files that [`Options::out`] is left with.
pub const FILES: [&str; 3] = [SUMMARY, REPORT, EVENTS];

/// Which runs to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protect {
    /// Overload protection moves containers.
    On,
    /// Nothing moves.
    Off,
    /// One run of each, from the same initial placement.
    #[default]
    Both,
}

impl Protect {
    /// The runs, unprotected first.
    #[must_use]
    pub fn runs(self) -> &'static [Policy] {
        match self {
            Self::On => &[Policy::Protected],
            Self::Off => &[Policy::ByLoad],
            Self::Both => &[Policy::ByLoad, Policy::Protected],
        }
    }

    /// The worlds that are simulated: the baselines, one of which is the unprotected run, and ours where asked for.
    #[must_use]
    pub fn worlds(self) -> Vec<Policy> {
        let mut worlds = Policy::BASELINES.to_vec();
        worlds.extend((self != Self::Off).then_some(Policy::Protected));
        worlds
    }
}

/// What to replay, and what to leave behind. The default is both runs with warm-up, seed 7, no files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Hosts of 8 cores, 2 to 10,000; `None` takes as many as make the mean host 60 % busy.
    pub hosts: Option<usize>,
    /// Whether overload protection moves containers.
    pub protect: Protect,
    /// Whether starting replicas get their traffic slowly.
    pub warm_up: bool,
    /// What demand does between two samples of the trace.
    pub between: Between,
    /// Seed of everything random.
    pub seed: u64,
    /// Which decisions are written to `events.jsonl`.
    pub events: Detail,
    /// The folder for `report.html`, `summary.json` and `events.jsonl`; made when it is not there.
    pub out: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: None,
            protect: Protect::Both,
            warm_up: true,
            between: Between::Ramp,
            seed: 7,
            events: Detail::Moves,
            out: None,
        }
    }
}

/// Replays `trace` and writes the files that were asked for. `done` counts simulated seconds of all runs, for a
/// progress bar; the total is `trace.seconds()` times the number of [`Protect::worlds`].
///
/// # Errors
/// A number of hosts out of range, containers that do not fit on them, an invariant that broke (with the second
/// named), a folder that can't be written.
pub fn replay(options: &Options, trace: &Trace, done: &AtomicU64) -> Result<Summary, Error> {
    let hosts = hosts(options.hosts, trace)?;
    let dir = options.out.as_deref();
    if let Some(dir) = dir {
        fs::create_dir_all(dir).map_err(|e| Error::io(&e, dir.display().to_string()))?;
    }
    let worlds = side_by_side(options, trace, hosts, done)?;
    let of = |policies: &[Policy]| -> Vec<Figures> {
        let found = |p: &Policy| worlds.iter().find(|w| w.policy == *p).cloned();
        policies.iter().filter_map(found).collect()
    };
    let mut summary = Summary {
        trace: trace.name.clone(),
        generated: trace.generated,
        seed: options.seed,
        containers: trace.containers.len(),
        services: trace.services.len(),
        hosts,
        host_cores: HOST_CORES,
        safety: SAFETY,
        simulated_seconds: trace.seconds(),
        between: options.between,
        events: None,
        runs: of(options.protect.runs()),
        baselines: of(&Policy::BASELINES),
    };
    if let Some(dir) = dir {
        if options.events != Detail::None {
            let bytes = events::join(dir, options.protect.runs())?;
            summary.events = Some((options.events, bytes));
        }
        write(dir, SUMMARY, &(summary.json().to_string() + "\n"))?;
        write(dir, REPORT, &report::html(&summary))?;
    }
    Ok(summary)
}

/// A thread and a world for each policy; they share nothing but the trace.
fn side_by_side(
    options: &Options,
    trace: &Trace,
    hosts: usize,
    done: &AtomicU64,
) -> Result<Vec<Figures>, Error> {
    let one = |policy: Policy| {
        let setup = world::Setup {
            trace,
            hosts,
            policy,
            warm_up: options.warm_up,
            between: options.between,
            seed: options.seed,
        };
        let told = options.protect.runs().contains(&policy);
        let out = options.out.as_deref().filter(|_| told);
        let mut events = Events::open(out, options.events, policy)?;
        let figures = world::run(&setup, &mut events, done)?;
        events.close()?;
        Ok(figures)
    };
    std::thread::scope(|scope| {
        let one = &one;
        let start = |policy: Policy| scope.spawn(move || one(policy));
        let worlds = options.protect.worlds().into_iter();
        let threads: Vec<_> = worlds.map(start).collect();
        let outcomes = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::panicked())));
        // All threads are joined before the first failure is returned.
        let outcomes: Vec<_> = outcomes.collect();
        outcomes.into_iter().collect()
    })
}

/// The number of hosts: as asked for, or such that the mean host is 60 % busy, and at least two, since there
/// are two regions.
fn hosts(asked: Option<usize>, trace: &Trace) -> Result<usize, Error> {
    if let Some(hosts) = asked {
        if (2..=MAX_HOSTS).contains(&hosts) {
            return Ok(hosts);
        }
        let message = format!("{hosts} hosts; want 2 (one per region) to {MAX_HOSTS}");
        return Err(Error::input(message, "--hosts"));
    }
    let cores = trace.mean_percent() / 100.0 * trace.containers.len() as f64;
    Ok(((cores / (MEAN_LOAD * HOST_CORES)).ceil() as usize).clamp(2, MAX_HOSTS))
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = dir.join(name);
    fs::write(&path, text).map_err(|e| Error::io(&e, path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::trace::generate;

    #[test]
    fn hosts_are_chosen_for_sixty_percent_and_bounded() {
        let trace = generate(7);
        assert_eq!(hosts(None, &trace).expect("a number"), 27);
        assert_eq!(hosts(Some(40), &trace).expect("a number"), 40);
        for bad in [0, 1, MAX_HOSTS + 1] {
            let error = hosts(Some(bad), &trace).expect_err("refused");
            assert_eq!(
                (error.kind, error.place.as_str()),
                (ErrorKind::Input, "--hosts")
            );
        }
    }
}
