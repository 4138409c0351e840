//! A search thread's budget, the improvements it made, and progress on standard error: a bar on a terminal, a
//! line now and then elsewhere.

use scheduler_core::search::{Budget as _, Evaluations};
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One improvement: seconds since the start, evaluations, cost.
pub(super) type Improvement = (f64, u64, i64);

/// What a search thread may spend.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Wall seconds since the start.
    Wall(f64),
    /// CPU seconds per thread, and what of them reading has taken.
    Cpu(f64, f64),
    /// Evaluations.
    Evaluations(u64),
}

/// How often progress is shown on a terminal, and elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_LOGS: Duration = Duration::from_secs(5);
/// Characters of the bar.
const BAR: usize = 30;

/// Watches over one search thread.
#[derive(Debug)]
pub(super) struct Watch {
    limit: Limit,
    start: Instant,
    stop: &'static AtomicBool,
    /// CPU seconds of the thread when it began.
    own: f64,
    curve: RefCell<Vec<Improvement>>,
    /// How often progress is shown, if at all, and when it was last.
    every: Option<Duration>,
    shown: Cell<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(
        limit: Limit,
        start: Instant,
        stop: &'static AtomicBool,
        shows: bool,
    ) -> Self {
        let every = if std::io::stderr().is_terminal() {
            ON_TERMINAL
        } else {
            IN_LOGS
        };
        Self {
            limit,
            start,
            stop,
            own: 0.0,
            curve: RefCell::new(Vec::new()),
            every: shows.then_some(every),
            shown: Cell::new(None),
        }
    }

    /// To be called in the thread itself: its CPU time counts from here.
    pub(super) fn started(mut self) -> Self {
        self.own = thread_cpu();
        self
    }

    /// The share of the budget that is spent; infinite once the search is to stop.
    pub(super) fn spent(&self, evaluations: u64) -> f64 {
        if self.stop.load(Ordering::Relaxed) {
            return f64::INFINITY;
        }
        let wall = self.start.elapsed().as_secs_f64();
        let spent = match self.limit {
            Limit::Wall(s) => wall / s.max(1e-9),
            Limit::Cpu(s, reading) => {
                let cpu = (thread_cpu() - self.own + reading) / s.max(1e-9);
                cpu.max(wall / (3.0 * s.max(1e-9)))
            }
            Limit::Evaluations(n) => Evaluations(n).spent(evaluations),
        };
        self.show(spent);
        spent
    }

    /// Writes an improvement down.
    pub(super) fn improved(&self, evaluations: u64, cost: i64) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.curve.borrow_mut().push((seconds, evaluations, cost));
    }

    /// Ends the progress shown; the improvements come back.
    pub(super) fn finished(self) -> Vec<Improvement> {
        if self.every == Some(ON_TERMINAL) {
            // Progress is for people; a closed terminal is no reason to fail.
            let _ = writeln!(std::io::stderr());
        }
        self.curve.into_inner()
    }

    fn show(&self, spent: f64) {
        let Some(every) = self.every else { return };
        if self.shown.get().is_some_and(|last| last.elapsed() < every) {
            return;
        }
        self.shown.set(Some(Instant::now()));
        let share = spent.clamp(0.0, 1.0);
        let (seconds, percent) = (self.start.elapsed().as_secs_f64(), share * 100.0);
        let cost = self
            .curve
            .borrow()
            .last()
            .map_or_else(|| "-".to_owned(), |c| c.2.to_string());
        let line = format!("{percent:>3.0} % {seconds:>7.1} s  cost {cost}");
        // As above.
        let _ = if every == ON_TERMINAL {
            let done = (share * BAR as f64) as usize;
            write!(
                std::io::stderr(),
                "\r[{:<BAR$}] {line:<44}",
                "#".repeat(done)
            )
        } else {
            writeln!(std::io::stderr(), "{line}")
        };
    }
}

/// CPU seconds of this thread (first field of schedstat, nanoseconds); where there is no such file, of none.
pub(super) fn thread_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let field = text
        .split_whitespace()
        .next()
        .and_then(|f| f.parse::<f64>().ok());
    field.unwrap_or(0.0) / 1e9
}
