//! `berth replay` as a process: what it answers, the same bytes for the same seed, exit codes, files.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a folder of the test's own");
    dir
}

fn berth(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(args)
        .output()
        .expect("berth starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!(
            "{e} in {:?}, stderr {}",
            output,
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A small trace in our own format: services that are quiet but for one whose replicas turn hot in turn, so
/// that hosts get overloaded and there is something to move (with room: six seeds were tried).
fn small(dir: &Path) -> String {
    let path = dir.join("small.jsonl");
    let mut text =
        String::from("{\"berth_trace\": 1, \"name\": \"small\", \"interval_seconds\": 120}\n");
    for i in 0..60 {
        let level = |t: usize| {
            let hot = i % 3 == 0 && (t / 3 + i / 3).is_multiple_of(3);
            if hot { 98 } else { 3 + (i * 7 + t * 3) % 34 }
        };
        let samples: Vec<String> = (0..12).map(|t| level(t).to_string()).collect();
        let (service, samples) = (i % 7, samples.join(", "));
        text += &format!(
            "{{\"container\": \"c{i}\", \"service\": \"s{service}\", \"cpu_percent\": [{samples}]}}\n"
        );
    }
    fs::write(&path, text).expect("write");
    path.display().to_string()
}

#[test]
fn protection_moves_tasks_and_lessens_overload() {
    let dir = scratch("protection");
    let trace = small(&dir);
    let out = berth(&[
        "replay", "--trace", &trace, "--format", "berth", "--hosts", "3", "--json",
    ]);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let answer = json(&out);
    let runs = answer["runs"].as_array().expect("runs");
    assert_eq!(
        (runs[0]["protect"].as_bool(), runs[1]["protect"].as_bool()),
        (Some(false), Some(true))
    );
    assert_eq!(answer["invariant_violations"], 0);
    assert_eq!(answer["simulated_seconds"], 1_440);
    assert_eq!(runs[0]["moves"], 0);
    assert_eq!(runs[0]["address_claims"], 60);
    // The first half of so short a trace is what placement is made from.
    assert_eq!(runs[0]["host_seconds"], 3 * 720);
    let baselines = answer["baselines"].as_array().expect("baselines");
    let names: Vec<_> = baselines.iter().map(|b| b["name"].as_str()).collect();
    assert_eq!(names, [Some("by_count"), Some("by_load"), Some("greedy")]);
    let number = |of: &Value, key: &str| of[key].as_f64().unwrap_or_else(|| panic!("{key}: {of}"));
    for figures in baselines.iter().chain(runs) {
        let parts = number(figures, "unserved_core_seconds") + number(figures, "late_core_seconds");
        assert!(
            (number(figures, "harm_core_seconds") - parts).abs() < 0.01,
            "{figures}"
        );
        assert_eq!(figures["host_seconds"], runs[0]["host_seconds"]);
    }
    assert_eq!(
        baselines[1]["harm_core_seconds"],
        runs[0]["harm_core_seconds"]
    );
    assert!(runs[1]["moves"].as_u64().expect("moves") > 0, "{answer}");
    let overloaded = |run: &Value| run["overloaded_host_seconds"].as_u64().expect("a number");
    assert!(overloaded(&runs[1]) < overloaded(&runs[0]), "{answer}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let dir = scratch("bytes");
    let trace = small(&dir);
    let run = |seed: &str, out: &Path| {
        let place = out.display().to_string();
        let args = [
            "replay", "--trace", &trace, "--format", "berth", "--hosts", "3", "--seed", seed,
            "--out", &place,
        ];
        let output = berth(&args);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let file = |name: &str| fs::read(out.join(name)).expect(name);
        let files = ["report.html", "summary.json", "events.jsonl"].map(file);
        (output.stdout, files)
    };
    let first = run("5", &dir.join("a"));
    assert_eq!(first, run("5", &dir.join("b")));
    assert_ne!(first, run("6", &dir.join("c")));
    let summary: Value = serde_json::from_slice(&first.1[1]).expect("summary.json");
    for unsteady in ["wall_seconds", "cpu_seconds", "peak_rss_bytes"] {
        assert!(summary.get(unsteady).is_none(), "{unsteady}");
    }
    let events = String::from_utf8(first.1[2].clone()).expect("UTF-8");
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect(line);
        assert!(
            !event["reason"].as_str().expect("a reason").is_empty(),
            "{line}"
        );
    }
    assert!(events.contains("\"core\":\"scheduler-core\"") && events.contains("\"core\":\"ipam\""));
}

#[test]
fn events_are_as_detailed_as_asked_and_their_size_is_said() {
    let dir = scratch("events");
    let trace = small(&dir);
    let run = |detail: &str| {
        let out = dir.join(detail);
        let place = out.display().to_string();
        let output = berth(&[
            "replay", "--trace", &trace, "--format", "berth", "--hosts", "3", "--events", detail,
            "--out", &place,
        ]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (fs::read_to_string(out.join("events.jsonl")), text)
    };
    let (none, text) = run("none");
    assert!(none.is_err() && !text.contains("events.jsonl"), "{text}");
    let (moves, text) = run("moves");
    let moves = moves.expect("a file");
    assert!(moves.contains("\"what\":\"move\"") && !moves.contains("\"core\":\"netshape\""));
    assert!(
        text.contains("events.jsonl: 0.") && text.contains(" MB"),
        "{text}"
    );
    let all = run("all").0.expect("a file");
    for core in ["ipam", "netshape", "discovery-core", "scheduler-core"] {
        assert!(all.contains(&format!("\"core\":\"{core}\"")), "{core}");
    }
    let kept = |line: &&str| moves.contains(*line);
    assert_eq!(all.lines().filter(kept).count(), moves.lines().count());
}

#[test]
fn a_light_trace_is_said_to_be_too_light() {
    let dir = scratch("light");
    let path = dir.join("light.jsonl");
    let text = "{\"berth_trace\": 1, \"interval_seconds\": 60}\n\
                {\"container\": \"a\", \"service\": \"s\", \"cpu_percent\": [5, 6, 7]}\n";
    fs::write(&path, text).expect("write");
    let place = path.display().to_string();
    let out = berth(&["replay", "--trace", &place, "--format", "berth"]);
    assert_eq!(out.status.code(), Some(0));
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(text.contains("too light to judge"), "{text}");
    let out = berth(&["replay", "--trace", &place, "--format", "berth", "--json"]);
    assert_eq!(json(&out)["too_light"], true);
}

#[test]
fn failures_have_their_exit_codes_and_json() {
    let dir = scratch("failures");
    let bad = dir.join("h_x_y");
    fs::write(&bad, "12\nabc\n").expect("write");
    let place = dir.display().to_string();
    for (args, code) in [
        (vec!["replay", "--trace", &place, "--json"], 2),
        (vec!["replay", "--trace", "/nowhere/at/all", "--json"], 3),
        (vec!["replay", "--hosts", "1", "--json"], 2),
        (vec!["replay", "--hosts", "2", "--json"], 1),
        (vec!["replay", "--no-such-option", "--json"], 2),
    ] {
        let out = berth(&args);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {out:?}");
        assert!(json(&out)["error"].is_object(), "{args:?}: {out:?}");
    }
    let out = berth(&["replay", "--trace", &place]);
    let said = String::from_utf8(out.stderr).expect("UTF-8");
    assert!(said.contains("h_x_y:2") && out.stdout.is_empty(), "{said}");
}

#[test]
fn what_is_written_never_takes_the_place_of_the_trace() {
    let dir = scratch("apart");
    let trace = small(&dir);
    let events = dir.join("events.jsonl");
    fs::rename(&trace, &events).expect("rename");
    let before = fs::read(&events).expect("the trace");
    let (trace, out) = (events.display().to_string(), dir.display().to_string());
    let args = [
        "replay", "--trace", &trace, "--format", "berth", "--out", &out, "--json",
    ];
    assert_eq!(berth(&args).status.code(), Some(2));
    assert_eq!(fs::read(&events).expect("the trace"), before);
    // A folder of PlanetLab files is not the place for a report either.
    let folder = ["replay", "--trace", &out, "--out", &out, "--json"];
    let answer = json(&berth(&folder));
    assert_eq!(answer["error"]["where"], "--out", "{answer}");
}
