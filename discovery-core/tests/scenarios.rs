//! Transcripts in `tests/scenarios/*.txt`: commands, a line of dashes, what the engine says. Blocks are
//! parted by empty lines; a file is one life of one engine. `BERTH_BLESS=1` writes what was said.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use discovery_core::endpoint::{Conditions, ServiceId, WarmUpStart};
use discovery_core::engine::DrainTarget;
use discovery_core::health::{CallOutcome, CheckKind, HealthCheck, OutlierDetection, ProbeOutcome};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};

struct Stage {
    engine: Engine,
    service: ServiceId,
    now: Timestamp,
    specs: BTreeMap<String, EndpointSpec>,
    failing: BTreeSet<String>,
    said: String,
}

impl Stage {
    fn new() -> Self {
        let mut engine = Engine::new(1);
        let config = ServiceConfig::default()
            .with_health(HealthCheck::new(CheckKind::Tcp))
            .with_outlier_detection(OutlierDetection::default().with_max_ejection_percent(50))
            .with_warm_up(WarmUp::envoy(Duration::from_secs(60)))
            .with_weight_step_permille(200);
        let service = engine.service("web", config).unwrap();
        let (specs, failing) = (BTreeMap::new(), BTreeSet::new());
        Self {
            engine,
            service,
            now: Timestamp::from_secs(100),
            specs,
            failing,
            said: String::new(),
        }
    }

    fn name(&self, id: discovery_core::EndpointId) -> String {
        self.engine
            .endpoint(id)
            .map_or("?".to_owned(), |e| e.name.to_owned())
    }

    fn tell(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        if let Err(error) = self.engine.handle(self.now, input, &mut out) {
            writeln!(self.said, "refused: {error}").unwrap();
        }
        for effect in out {
            let at = self.now.since(Timestamp::from_secs(100)).as_secs_f64();
            let line = match effect {
                Effect::Probe {
                    endpoint, attempt, ..
                } => {
                    let fails = self.failing.contains(&self.name(endpoint));
                    let outcome = if fails {
                        ProbeOutcome::Fail
                    } else {
                        ProbeOutcome::Pass
                    };
                    self.tell(Input::Probed {
                        endpoint,
                        attempt,
                        outcome,
                    });
                    continue;
                }
                Effect::Register {
                    endpoint, reason, ..
                } => {
                    format!("register {}: {reason}", self.name(endpoint))
                }
                Effect::Update {
                    endpoint,
                    status,
                    reason,
                    ..
                } => {
                    format!("update {} {status:?}: {reason}", self.name(endpoint))
                }
                Effect::Deregister { name, reason, .. } => format!("deregister {name}: {reason}"),
                Effect::SetWeight {
                    endpoint,
                    weight,
                    reason,
                    ..
                } => {
                    format!("weight {} {weight}: {reason}", self.name(endpoint))
                }
                Effect::Rejected { name, problem, .. } => format!("rejected {name}: {problem}"),
                Effect::Mode { mode, .. } => format!("mode {mode}"),
                Effect::Hold { held, of, .. } => format!("hold {held} of {of}"),
                other => format!("{other:?}"),
            };
            writeln!(self.said, "{at}s {line}").unwrap();
        }
    }

    fn upsert(&mut self, name: &str, change: impl FnOnce(&mut EndpointSpec)) {
        let mut spec = match self.specs.get(name) {
            Some(spec) => *spec,
            None => EndpointSpec::new(
                self.service,
                self.engine.node("n1").unwrap(),
                self.engine.zone("a").unwrap(),
                self.engine.region("north").unwrap(),
                "10.0.0.1:80".parse().unwrap(),
            ),
        };
        change(&mut spec);
        self.specs.insert(name.to_owned(), spec);
        self.tell(Input::Upsert { name, spec });
    }

    fn wait(&mut self, seconds: f64) {
        let until = self.now.after(Duration::from_secs_f64(seconds));
        while let Some(due) = self.engine.next_deadline().filter(|&t| t <= until) {
            self.now = self.now.max(due);
            self.tell(Input::Time);
        }
        self.now = until;
        self.tell(Input::Time);
    }

    /// The clock reads otherwise from now on.
    fn leap(&mut self, seconds: i64) {
        let by = Duration::from_secs(seconds.unsigned_abs());
        self.now = match seconds {
            0.. => self.now.after(by),
            _ => Timestamp::from_nanos(self.now.as_nanos() - by.as_nanos() as u64),
        };
        self.tell(Input::Time);
    }

    fn drain(&mut self, words: &[&str], on: bool) {
        let target = match words {
            ["node", name, ..] => DrainTarget::Node(self.engine.node(name).unwrap()),
            ["region", name, ..] => DrainTarget::Region(self.engine.region(name).unwrap()),
            [name, ..] => DrainTarget::Endpoint(self.engine.find(name).unwrap()),
            [] => panic!("drain what?"),
        };
        let over = words.iter().find_map(|w| w.parse().ok()).unwrap_or(0);
        self.tell(Input::Drain {
            target,
            on,
            over: Duration::from_secs(over),
        });
    }

    fn restart(&mut self) {
        self.engine = Engine::restore(&self.engine.snapshot(), self.now).unwrap();
        self.tell(Input::Time);
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["add", name, rest @ ..] => {
                let node = rest.iter().find_map(|w| w.strip_prefix("node="));
                let node = node.map(|n| self.engine.node(n).unwrap());
                let region = rest.iter().find_map(|w| w.strip_prefix("region="));
                let region = region.map(|c| self.engine.region(c).unwrap());
                let weight = rest
                    .iter()
                    .find_map(|w| w.strip_prefix("weight=")?.parse().ok());
                let warm = rest.contains(&"warm");
                self.upsert(name, |s| {
                    s.node = node.unwrap_or(s.node);
                    s.region = region.unwrap_or(s.region);
                    s.base_weight = weight.unwrap_or(s.base_weight);
                    s.warm_up_start = if warm {
                        WarmUpStart::Done
                    } else {
                        s.warm_up_start
                    };
                });
            }
            ["terminate", name] => self.upsert(name, |s| s.conditions = Conditions::TERMINATING),
            ["unready", name] => self.upsert(name, |s| s.conditions = Conditions::STARTING),
            ["ready", name] => self.upsert(name, |s| s.conditions = Conditions::READY),
            ["restarted", name] => {
                let now = self.now;
                self.upsert(name, |s| s.started_at = now);
            }
            ["remove", name] => self.tell(Input::Remove { name }),
            ["list", names @ ..] => {
                let specs = self.specs.clone();
                let all: Vec<_> = names.iter().map(|n| (*n, specs[*n])).collect();
                self.tell(Input::Snapshot {
                    service: self.service,
                    endpoints: &all,
                });
            }
            ["confirm"] => self.tell(Input::Confirm {
                service: self.service,
            }),
            ["fail", name] => drop(self.failing.insert((*name).to_owned())),
            ["mend", name] => drop(self.failing.remove(*name)),
            ["errors", name, count] => {
                let (endpoint, count) = (self.engine.find(name).unwrap(), count.parse().unwrap());
                self.tell(Input::CallsEnded {
                    endpoint,
                    outcome: CallOutcome::Error,
                    count,
                });
            }
            ["drain", rest @ ..] => self.drain(rest, true),
            ["undrain", rest @ ..] => self.drain(rest, false),
            ["wait", seconds] => self.wait(seconds.parse().unwrap()),
            ["leap", seconds] => self.leap(seconds.parse().unwrap()),
            ["restart"] => self.restart(),
            ["show"] => {
                for r in self.engine.registrations(self.service) {
                    writeln!(self.said, "{} {} {:?}", r.name, r.weight, r.status).unwrap();
                }
            }
            _ => panic!("no such command: {line}"),
        }
    }
}

fn play(script: &str) -> String {
    let mut stage = Stage::new();
    let mut out = Vec::new();
    for block in script.split("\n\n") {
        let commands: Vec<&str> = block
            .lines()
            .take_while(|l| *l != "----")
            .filter(|l| !l.is_empty())
            .collect();
        for line in commands.iter().filter(|l| !l.starts_with('#')) {
            stage.command(line);
        }
        let said = std::mem::take(&mut stage.said);
        out.push(format!("{}\n----\n{said}", commands.join("\n")));
    }
    out.join("\n")
}

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    #[allow(
        clippy::disallowed_methods,
        reason = "only says whether to write down what was said"
    )]
    let bless = std::env::var("BERTH_BLESS").is_ok();
    let mut played = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let script = std::fs::read_to_string(&path).unwrap();
        let said = play(&script);
        if bless {
            std::fs::write(&path, &said).unwrap();
        } else {
            assert_eq!(said, script, "{}", path.display());
        }
        played += 1;
    }
    assert!(played >= 5, "only {played} transcripts");
}
