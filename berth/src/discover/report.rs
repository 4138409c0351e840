//! What is told on standard output: a line of JSON for each decision.

use crate::answer::json_text;
use discovery_core::{Effect, EndpointId, Engine, Timestamp};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

/// Lines that wait for whoever reads them; more are counted and left out.
const WAITING: usize = 65_536;

/// Writes lines in a thread of its own: whoever reads slowly holds up nobody.
pub(super) struct Report {
    lines: Option<SyncSender<String>>,
    lost: u64,
}

impl Report {
    /// Writes nothing: a table stands where lines would.
    pub(super) fn none() -> Self {
        Self {
            lines: None,
            lost: 0,
        }
    }

    pub(super) fn lines() -> Self {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        std::thread::spawn(move || {
            let mut out = std::io::stdout();
            // Who reads no more is not told any more.
            waiting.iter().all(|line| {
                out.write_all(line.as_bytes())
                    .and_then(|()| out.flush())
                    .is_ok()
            })
        });
        Self {
            lines: Some(lines),
            lost: 0,
        }
    }

    pub(super) fn effects(&mut self, engine: &Engine, now: Timestamp, effects: &[Effect]) {
        let Some(lines) = &self.lines else {
            return;
        };
        for effect in effects {
            if self.lost > 0 {
                let line =
                    json!({"time_s": seconds(now), "event": "lines_lost", "lines": self.lost});
                if lines.try_send(json_text(&line)).is_ok() {
                    self.lost = 0;
                }
            }
            let line = json_text(&line(engine, now, effect));
            if let Err(TrySendError::Full(_)) = lines.try_send(line) {
                self.lost += 1;
            }
        }
    }
}

pub(super) fn seconds(time: Timestamp) -> f64 {
    // Microseconds: what a float of today's time can hold.
    (time.as_nanos() / 1_000) as f64 / 1e6
}

/// An effect's kind in one word.
pub(super) fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Probe { .. } => "probe",
        Effect::Register { .. } => "register",
        Effect::Update { .. } => "update",
        Effect::Deregister { .. } => "deregister",
        Effect::SetWeight { .. } => "weight",
        Effect::Mode { .. } => "mode",
        Effect::Rejected { .. } => "rejected",
        Effect::Hold { .. } => "hold",
        _ => "other",
    }
}

fn line(engine: &Engine, now: Timestamp, effect: &Effect) -> Value {
    let mut line = json!({"time_s": seconds(now), "event": kind(effect)});
    let known = of(effect).and_then(|id| engine.endpoint(id));
    let mut with = |key: &str, value: Value| {
        if let Some(line) = line.as_object_mut() {
            line.insert(key.to_owned(), value);
        }
    };
    // It may be gone by the end of the same effects.
    if let Some(known) = known {
        with("endpoint", known.name.into());
        with("service", engine.service_name(known.service).into());
        with("address", known.address.to_string().into());
    }
    match effect {
        Effect::Register { reason, .. } => with("reason", reason.to_string().into()),
        Effect::Update { status, reason, .. } => {
            with("status", status.to_string().into());
            with("reason", reason.to_string().into());
        }
        Effect::Deregister {
            service,
            name,
            reason,
            ..
        } => {
            with("endpoint", (&**name).into());
            with("service", engine.service_name(*service).into());
            with("reason", reason.to_string().into());
        }
        Effect::SetWeight { weight, reason, .. } => {
            with("weight", (f64::from(*weight) / 1e3).into());
            with("reason", reason.to_string().into());
        }
        Effect::Mode { service, mode } => {
            with("service", engine.service_name(*service).into());
            with("mode", mode.to_string().into());
        }
        Effect::Hold { service, held, of } => {
            with("service", engine.service_name(*service).into());
            with("held", (*held).into());
            with("of", (*of).into());
        }
        Effect::Rejected {
            service,
            name,
            problem,
            ..
        } => {
            with("service", engine.service_name(*service).into());
            with("endpoint", (&**name).into());
            with("problem", (&**problem).into());
        }
        _ => {}
    }
    line
}

/// The endpoint that an effect names by its number.
fn of(effect: &Effect) -> Option<EndpointId> {
    match effect {
        Effect::Register { endpoint, .. }
        | Effect::Update { endpoint, .. }
        | Effect::SetWeight { endpoint, .. } => Some(*endpoint),
        _ => None,
    }
}
