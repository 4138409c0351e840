//! The replay's answer: what was replayed, each run's figures, and how people and scripts see them.

use super::events::Detail;
use super::figures::Figures;
use crate::policy::Policy;
use crate::upsample::Between;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Below this share of overloaded host-seconds, placed by count and without protection, a trace says nothing about protection.
const TOO_LIGHT: f64 = 0.01;

/// What a replay answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The trace's name.
    pub trace: String,
    /// Whether the trace came from the generator.
    pub generated: bool,
    /// The seed of the upsampler, the engine, the probes' jitter and the generator.
    pub seed: u64,
    /// Containers in the trace.
    pub containers: usize,
    /// Services in the trace.
    pub services: usize,
    /// Hosts.
    pub hosts: usize,
    /// Cores of a host.
    pub host_cores: f64,
    /// Safety capacity, as a share of a host.
    pub safety: f64,
    /// Seconds simulated in each run.
    pub simulated_seconds: u64,
    /// What demand did between two samples of the trace.
    pub between: Between,
    /// Which decisions `events.jsonl` holds and how many bytes it has, where it was written.
    pub events: Option<(Detail, u64)>,
    /// The runs that were asked for: unprotected (placed by load) first.
    pub runs: Vec<Figures>,
    /// What they are held against, on the same hosts, seed and judged seconds: placed by count, placed by load, and
    /// moved by a greedy rule.
    pub baselines: Vec<Figures>,
}

impl Summary {
    /// Whether hosts placed by count were overloaded for too little of the time to judge protection by;
    /// unknown, and so false, without that baseline.
    #[must_use]
    pub fn too_light(&self) -> bool {
        self.runs
            .iter()
            .chain(&self.baselines)
            .any(|r| r.policy == Policy::ByCount && r.overloaded_share() < TOO_LIGHT)
    }

    /// The promised form, without what differs from run to run of the same seed.
    #[must_use]
    pub fn json(&self) -> Value {
        let baseline = |figures: &Figures| {
            let mut json = figures.json();
            json["name"] = json!(figures.policy.name());
            json
        };
        json!({
            "trace": self.trace,
            "generated": self.generated,
            "seed": self.seed,
            "containers": self.containers,
            "services": self.services,
            "hosts": self.hosts,
            "host_cores": self.host_cores,
            "safety": self.safety,
            "simulated_seconds": self.simulated_seconds,
            // A broken invariant ends the replay with exit 1, so an answer has none.
            "invariant_violations": 0,
            "too_light": self.too_light(),
            "between": match self.between {
                Between::Hold => "hold",
                Between::Ramp => "ramp",
            },
            "baselines": self.baselines.iter().map(baseline).collect::<Vec<_>>(),
            "runs": self.runs.iter().map(Figures::json).collect::<Vec<_>>(),
        })
    }

    /// One line on what was replayed.
    #[must_use]
    pub fn headline(&self) -> String {
        let source = if self.generated {
            "a generated day"
        } else {
            "a measured trace"
        };
        format!(
            "{source}, seed {}: {} containers of {} services on {} hosts of {} cores, {} s",
            self.seed,
            self.containers,
            self.services,
            self.hosts,
            self.host_cores,
            self.simulated_seconds
        )
    }

    /// The result in one sentence for somebody who has not seen the figures.
    #[must_use]
    pub fn plain_words(&self) -> String {
        let share = |run: &Figures| format!("{:.2} % of the time", 100.0 * run.overloaded_share());
        let moves = |run: &Figures| {
            let per = run.moves as f64 / self.container_days();
            format!("{} moves, {per:.2} per container and day", run.moves)
        };
        let (off, on) = (self.world(Policy::ByLoad), self.world(Policy::Protected));
        match (off, on) {
            (Some(off), Some(on)) => format!(
                "Placed by load, a host was overloaded {} without protection and {} with it; that took {}.",
                share(off),
                share(on),
                moves(on)
            ),
            (None, Some(on)) => format!(
                "With protection a host was overloaded {}; that took {}.",
                share(on),
                moves(on)
            ),
            (Some(off), None) => {
                format!("Without protection a host was overloaded {}.", share(off))
            }
            (None, None) => "No run.".into(),
        }
    }

    /// Containers times days, at least a little.
    fn container_days(&self) -> f64 {
        let days = (self.simulated_seconds as f64 / 86_400.0).max(f64::MIN_POSITIVE);
        self.containers.max(1) as f64 * days
    }

    /// What a reader should know besides the figures.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.generated {
            notes.push("No trace was named: this load was generated to the published figures of a real day.".into());
        }
        if self.too_light() {
            notes.push(format!(
                "The trace is too light to judge protection: placed by count and unprotected, hosts are overloaded for under {} % of the time.",
                100.0 * TOO_LIGHT
            ));
        }
        if let Some(on) = self.world(Policy::Protected) {
            for base in &self.baselines {
                notes.push(against(on, base));
            }
        }
        if let Some((detail, bytes)) = self.events {
            let megabytes = bytes as f64 / 1e6;
            let more = match detail {
                Detail::All => "every decision",
                _ => "placement, overload, moves and addresses; --events all writes every decision",
            };
            notes.push(format!("events.jsonl: {megabytes:.1} MB ({more})."));
        }
        notes
    }

    /// The columns of the table and the curves of the charts: the baselines, then what else was asked for.
    #[must_use]
    pub fn columns(&self) -> Vec<&Figures> {
        let named = |policy| self.baselines.iter().any(|b| b.policy == policy);
        let own = self.runs.iter().filter(|r| !named(r.policy));
        self.baselines.iter().chain(own).collect()
    }

    fn world(&self, policy: Policy) -> Option<&Figures> {
        let mut all = self.runs.iter().chain(&self.baselines);
        all.find(|w| w.policy == policy)
    }

    /// The table for people: name, then a cell a run.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, Vec<String>)> {
        let of = |name: &str, cell: &dyn Fn(&Figures) -> String| {
            (
                name.to_owned(),
                self.columns().into_iter().map(cell).collect(),
            )
        };
        let per = self.container_days();
        vec![
            of("overloaded host-seconds", &|r| {
                format!(
                    "{} ({:.2} %)",
                    r.overloaded_host_seconds,
                    100.0 * r.overloaded_share()
                )
            }),
            of("harm, core-seconds", &|r| {
                format!("{:.1}", r.harm_core_seconds())
            }),
            of("  late, above the safety capacity", &|r| {
                format!("{:.1}", r.late_core_seconds)
            }),
            of("  unserved", &|r| format!("{:.1}", r.unserved_core_seconds)),
            of("    of starting replicas", &|r| {
                format!("{:.2}", r.unserved_start_core_seconds)
            }),
            of("    in hand-over gaps", &|r| {
                format!("{:.2}", r.unserved_gap_core_seconds)
            }),
            of("host use, median / p99", &|r| {
                format!(
                    "{:.1} / {:.1} %",
                    100.0 * r.use_quantile(0.5),
                    100.0 * r.use_quantile(0.99)
                )
            }),
            of("moves (per container and day)", &|r| {
                format!("{} ({:.2})", r.moves, r.moves as f64 / per)
            }),
            of("overload lasts, median / p99", &|r| {
                format!("{} / {} s", r.relief(0.5), r.relief(0.99))
            }),
            of("addresses claimed / reused", &|r| {
                format!("{} / {}", r.address_claims, r.address_reuses)
            }),
            of("address conflicts", &|r| r.address_conflicts.to_string()),
            of("tc operations, loss-free / not", &|r| {
                let t = &r.tc_ops;
                format!(
                    "{} / {}",
                    t.free,
                    t.refills + t.loses_leaf + t.loses_all + t.unshaped
                )
            }),
            of("weights sent / registry operations", &|r| {
                format!("{} / {}", r.weight_updates, r.registry_updates)
            }),
            of("largest error of a share of picks", &|r| {
                format!("{:.3} %", 100.0 * r.share_error_max)
            }),
            of("cores saved against one container, one core", &|r| {
                format!("{:.2} x", r.utilisation_gain())
            }),
        ]
    }

    /// The whole answer for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("replay of {}: {}\n\n", self.trace, self.headline());
        let rows = self.rows();
        let name = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
        let cell = |i: usize| rows.iter().map(|r| r.1[i].len()).max().unwrap_or(0).max(11);
        let columns = self.columns();
        let widths: Vec<usize> = (0..columns.len()).map(cell).collect();
        let _ = write!(out, "{:name$}", "");
        for (run, width) in columns.iter().zip(&widths) {
            let _ = write!(out, "  {:>width$}", run.policy.label());
        }
        out.push('\n');
        for (title, cells) in &rows {
            let _ = write!(out, "{title:name$}");
            for (text, width) in cells.iter().zip(&widths) {
                let _ = write!(out, "  {text:>width$}");
            }
            out.push('\n');
        }
        out.push_str("\ninvariants broken: none\n");
        for note in self.notes() {
            let _ = writeln!(out, "{note}");
        }
        out
    }
}

/// How a run stands against a baseline, in a sentence.
fn against(run: &Figures, base: &Figures) -> String {
    let ratio = |ours: f64, theirs: f64| {
        if theirs > 0.0 {
            format!("{:.3}", ours / theirs)
        } else {
            format!("{ours:.1} against 0")
        }
    };
    let overload = ratio(
        run.overloaded_host_seconds as f64,
        base.overloaded_host_seconds as f64,
    );
    let harm = ratio(run.harm_core_seconds(), base.harm_core_seconds());
    let name = base.policy.label();
    format!("Protected against {name}: overload {overload}, harm {harm}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(protect: bool, overloaded: u64) -> Figures {
        let policy = if protect {
            Policy::Protected
        } else {
            Policy::ByLoad
        };
        let mut run = Figures::new(policy, true, 0);
        for i in 0..1_000 {
            run.host(i, 4.0, 8.0, i < overloaded);
        }
        run
    }

    #[test]
    fn too_light_is_judged_by_what_is_placed_by_count_only() {
        let with = |overloaded| {
            let mut by_count = run(false, overloaded);
            by_count.policy = Policy::ByCount;
            Summary {
                runs: vec![run(false, 0), run(true, 0)],
                baselines: vec![by_count],
                ..Summary::default()
            }
        };
        assert!(with(9).too_light());
        assert!(!with(10).too_light());
        assert!(!Summary::default().too_light());
    }

    #[test]
    fn the_headline_is_a_sentence_without_terms_of_ours() {
        let with = |runs| Summary {
            runs,
            ..Summary::default()
        };
        let both = with(vec![run(false, 500), run(true, 100)]).plain_words();
        assert!(
            both.contains(
                "overloaded 50.00 % of the time without protection and 10.00 % of the time with it"
            ),
            "{both}"
        );
        assert!(!both.contains("host-second"), "{both}");
        let off = with(vec![run(false, 500)]).plain_words();
        assert!(off.ends_with("overloaded 50.00 % of the time."), "{off}");
    }

    #[test]
    fn the_table_has_a_column_a_world_and_no_world_twice() {
        let of = |policy, overloaded| {
            let mut figures = run(false, overloaded);
            figures.policy = policy;
            figures.late_core_seconds = overloaded as f64;
            figures
        };
        let summary = Summary {
            runs: vec![run(false, 500), run(true, 100)],
            baselines: vec![
                of(Policy::ByCount, 800),
                of(Policy::ByLoad, 500),
                of(Policy::Greedy, 200),
            ],
            ..Summary::default()
        };
        let text = summary.text();
        let line = |start: &str| {
            let line = text.lines().find(|l| l.starts_with(start));
            line.expect(start).split_whitespace().collect::<Vec<_>>()
        };
        let shares = [
            "800", "(80.00", "%)", "500", "(50.00", "%)", "200", "(20.00", "%)", "100", "(10.00",
            "%)",
        ];
        assert_eq!(line("overloaded host-seconds")[2..], shares);
        assert_eq!(
            line("harm, core-seconds")[2..],
            ["800.0", "500.0", "200.0", "0.0"]
        );
        assert!(text.contains("by count") && text.contains("greedy") && text.contains("protected"));
        assert!(text.contains("Protected against by load: overload 0.200, harm 0.000."));
    }
}
