//! `berth place` through the binary: the promised keys and types, exit statuses, and that what `solve` writes is
//! what `check` and `order` find good.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Two machines, one resource; both processes on the first, which is above its safety capacity.
const MODEL: &str = "1\n1 10\n2\n0 0 20 5 0 1\n1 1 20 30 1 0\n2\n0 0\n0 0\n2\n0 8 1\n1 4 1\n0\n1 10 100\n";

fn files(test: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("berth-place-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("m"), MODEL).unwrap();
    std::fs::write(dir.join("a"), "0 0\n").unwrap();
    dir
}

fn berth(dir: &Path, args: &[&str]) -> Output {
    let berth = Command::new(env!("CARGO_BIN_EXE_berth"));
    let mut command = berth;
    let fixed = ["--model", "m", "--assignment", "a"];
    command.current_dir(dir).args(["--json", "place", args[0]]).args(fixed).args(&args[1..]);
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every key of the sample is in the answer with the same JSON type (any number for a number).
fn promised(sample: &Value, answer: &Value, at: &str) {
    match (sample, answer) {
        (Value::Object(s), Value::Object(a)) => {
            for (key, value) in s {
                let got = a.get(key).unwrap_or_else(|| panic!("{at}: no {key}"));
                promised(value, got, &format!("{at}.{key}"));
            }
        }
        (Value::Array(s), Value::Array(a)) => {
            for (s, a) in s.iter().zip(a) {
                promised(s, a, at);
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(sample),
            std::mem::discriminant(answer),
            "{at}: want the type of {sample}, got {answer}"
        ),
    }
}

fn sample(name: &str) -> Option<Value> {
    let path = doors::data(&format!("contract/{name}"))?;
    let text = std::fs::read_to_string(path).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn solve_check_and_order_keep_the_contract_and_agree() {
    let dir = files("all");
    let solve =
        berth(&dir, &["solve", "--solution", "s", "--evaluations", "20000", "--curve", "c.csv"]);
    assert_eq!(solve.status.code(), Some(0), "{solve:?}");
    let check = berth(&dir, &["check", "--solution", "s"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let order = berth(&dir, &["order", "--solution", "s"]);
    assert_eq!(order.status.code(), Some(0), "{order:?}");
    let (solve, check, order) = (json(&solve), json(&check), json(&order));
    assert_eq!(check["cost"]["total"], solve["final"]);
    assert_eq!(solve["initial"], 70);
    // The best: the larger process moves: 1 for the process, 10 for the service, 100 for the machine.
    assert!(solve["final"].as_i64() <= Some(70));
    assert_eq!(order["given_up"], Value::Array(Vec::new()));
    assert_eq!(order["moves"], solve["moves"]);
    let curve = std::fs::read_to_string(dir.join("c.csv")).unwrap();
    assert!(curve.starts_with("seconds,evaluations,cost\n"));
    for (name, answer) in
        [("place-solve.json", &solve), ("place-check.json", &check), ("place-order.json", &order)]
    {
        if let Some(sample) = sample(name) {
            promised(&sample, answer, name);
        }
    }
}

#[test]
fn the_same_seed_and_evaluations_write_the_same_bytes() {
    let dir = files("same");
    for out in ["s1", "s2"] {
        let done =
            berth(&dir, &["solve", "--solution", out, "--evaluations", "9000", "--threads", "2"]);
        assert!(done.status.success());
    }
    assert_eq!(std::fs::read(dir.join("s1")).unwrap(), std::fs::read(dir.join("s2")).unwrap());
}

#[test]
fn an_infeasible_solution_is_a_no_with_its_counts() {
    let dir = files("no");
    std::fs::write(dir.join("m"), MODEL.replace("1 1 20 30", "1 1 3 30")).unwrap();
    std::fs::write(dir.join("s"), "1 0\n").unwrap();
    let check = berth(&dir, &["check", "--solution", "s"]);
    assert_eq!(check.status.code(), Some(1));
    let answer = json(&check);
    assert_eq!(answer["feasible"], false);
    assert_eq!(answer["violations"]["capacity"], 1);
    assert_eq!(answer["violations"]["transient"], 1);
}

#[test]
fn malformed_and_missing_files_say_what_and_where() {
    let dir = files("bad");
    std::fs::write(dir.join("a"), "0 7\n").unwrap();
    let solve = berth(&dir, &["solve", "--evaluations", "10"]);
    assert_eq!(solve.status.code(), Some(2));
    let error = json(&solve);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("line 1, column 3: `7` where the machine of process 1"), "{message}");
    let check = berth(&dir, &["check", "--solution", "absent"]);
    assert_eq!(check.status.code(), Some(2), "the assignment is read first");
    std::fs::write(dir.join("a"), "0 0\n").unwrap();
    let check = berth(&dir, &["check", "--solution", "absent"]);
    assert_eq!(check.status.code(), Some(3));
}
