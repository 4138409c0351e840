//! `berth ipam dump` and `load`: the state comes back, and with it where its sequence numbers went.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An empty folder of the test's own.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ipam-load-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder of the test's own");
    dir
}

/// Status and JSON of a command on the store `store` of a folder.
fn run(dir: &Path, store: &str, args: &str) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_berth"))
        .current_dir(dir)
        .args(["--json", "ipam", "--store", &format!("redb:{store}")])
        .args(args.split(' '))
        .output()
        .expect("berth starts");
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|e| panic!("{args}: {e}: {output:?}"));
    (output.status.code().expect("a status"), json)
}

fn done(dir: &Path, store: &str, args: &str) -> Value {
    let (status, json) = run(dir, store, args);
    assert_eq!(status, 0, "{args}: {json}");
    json
}

/// A dump in `d.json` of a store in which `rounds` claims came and went; the last of their sequences.
fn dumped(dir: &Path, rounds: u64) -> u64 {
    done(dir, "first", "pool add p 10.9.0.0/28 --quarantine 0s");
    let mut last = 0;
    for _ in 0..rounds {
        let claim = done(dir, "first", "claim --owner a");
        last = claim["sequence"].as_u64().expect("a sequence");
        done(dir, "first", "release --owner a");
    }
    let dump = done(dir, "first", "dump");
    std::fs::write(dir.join("d.json"), dump.to_string()).expect("a file");
    last
}

#[test]
fn sequences_of_a_loaded_store_come_after_all_that_the_dumped_one_gave() {
    let dir = scratch("sequences");
    let last = dumped(&dir, 4);
    done(&dir, "second", "load d.json");
    // Others that are loaded into a store with a past of its own, too.
    dumped_over(&dir);
    for store in ["second", "third"] {
        let mut before = last;
        for _ in 0..3 {
            let claim = done(&dir, store, "claim --owner b");
            let sequence = claim["sequence"].as_u64().expect("a sequence");
            assert!(sequence > before, "{store}: {sequence} after {before}");
            // A release that was meant for an earlier claim frees nothing.
            let late = format!("release --owner b --sequence {before}");
            assert_eq!(run(&dir, store, &late).0, 1, "{store}");
            done(&dir, store, "release --owner b");
            before = sequence;
        }
    }
}

/// Loads the dump over the store `third`, which has given a few sequences.
fn dumped_over(dir: &Path) {
    done(dir, "third", "pool add q 10.8.0.0/28");
    done(dir, "third", "claim --owner x");
    done(dir, "third", "load d.json --replace");
}

#[test]
fn a_dump_whose_sequence_cannot_be_is_refused_and_changes_nothing() {
    let dir = scratch("refused");
    dumped(&dir, 1);
    done(&dir, "first", "claim --owner held");
    let dump = done(&dir, "first", "dump");
    let held = dump["sequence"].as_u64().expect("a sequence");
    for wrong in [
        "-1",
        "null",
        "\"7\"",
        "1.5",
        "4611686018427387905",
        "9223372036854775807",
        "18446744073709551615",
        // Less than a claim of the dump has.
        "1",
    ] {
        let mut dump = dump.clone();
        dump["sequence"] = serde_json::from_str(wrong).expect("JSON");
        std::fs::write(dir.join("w.json"), dump.to_string()).expect("a file");
        let (status, error) = run(&dir, "new", "load w.json");
        assert_eq!(status, 2, "{wrong}: {error}");
        let message = error["error"].to_string();
        assert!(message.contains("sequence"), "{message}");
    }
    assert!(held > 1);
    let load = run(&dir, "new", "load d.json");
    assert_eq!(load.0, 0, "nothing was loaded before: {}", load.1);
}
