//! `berth place` through the binary: exit statuses, and that what `solve` writes is
//! what `check` and `order` find good.

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Two machines, one resource; both processes on the first, which is above its safety capacity.
const MODEL: &str =
    "1\n1 10\n2\n0 0 20 5 0 1\n1 1 20 30 1 0\n2\n0 0\n0 0\n2\n0 8 1\n1 4 1\n0\n1 10 100\n";

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
    command
        .current_dir(dir)
        .args(["--json", "place", args[0]])
        .args(fixed)
        .args(&args[1..]);
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn solve_check_and_order_agree() {
    let dir = files("all");
    let solve = berth(
        &dir,
        &[
            "solve",
            "--solution",
            "s",
            "--evaluations",
            "20000",
            "--curve",
            "c.csv",
        ],
    );
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
}

#[test]
fn the_same_seed_and_evaluations_write_the_same_bytes() {
    let dir = files("same");
    for out in ["s1", "s2"] {
        let done = berth(
            &dir,
            &[
                "solve",
                "--solution",
                out,
                "--evaluations",
                "9000",
                "--threads",
                "2",
            ],
        );
        assert!(done.status.success());
    }
    assert_eq!(
        std::fs::read(dir.join("s1")).unwrap(),
        std::fs::read(dir.join("s2")).unwrap()
    );
}

#[test]
fn a_budget_of_no_evaluations_makes_none_and_of_few_not_more() {
    let dir = files("none");
    for (threads, budget) in [(1, 0), (3, 0), (1, 5), (2, 9_000)] {
        let (n, t) = (budget.to_string(), threads.to_string());
        let solve = berth(
            &dir,
            &[
                "solve",
                "--evaluations",
                &n,
                "--threads",
                &t,
                "--solution",
                "s",
            ],
        );
        assert_eq!(solve.status.code(), Some(0));
        let answer = json(&solve);
        let made = answer["evaluations"].as_u64().unwrap();
        assert!(made <= budget * threads, "{made} of {budget} x {threads}");
        if budget == 0 {
            assert_eq!(answer["final"], answer["initial"]);
            assert_eq!(std::fs::read(dir.join("s")).unwrap(), b"0 0\n");
        }
    }
}

#[test]
fn an_assignment_that_breaks_constraints_is_mended_and_both_are_told() {
    let dir = files("mended");
    // Both processes are of one service, which may not meet; moving one costs more than it gains.
    let together = MODEL.replace("0 8 1\n1 4 1", "0 8 1\n0 4 1");
    let together = together.replace("2\n0 0\n0 0\n2", "1\n0 0\n2");
    std::fs::write(dir.join("m"), together).unwrap();
    for threads in ["1", "3"] {
        let args = ["solve", "--evaluations", "20000", "--threads", threads];
        let solve = berth(&dir, &[&args[..], &["--solution", "s"]].concat());
        assert_eq!(solve.status.code(), Some(0), "{solve:?}");
        let answer = json(&solve);
        assert_eq!(answer["initial_violations"]["conflict"], 1);
        assert_eq!(answer["violations"]["conflict"], 0);
        assert_eq!(
            (&answer["feasible"], &answer["moves"]),
            (&true.into(), &1.into())
        );
        let check = berth(&dir, &["check", "--solution", "s"]);
        assert_eq!(check.status.code(), Some(0));
        let order = berth(&dir, &["order", "--solution", "s"]);
        assert_eq!(
            (order.status.code(), &json(&order)["moves"]),
            (Some(0), &1.into())
        );
    }
    // Without a single evaluation it stays as it is, and that is a no.
    let none = berth(&dir, &["solve", "--evaluations", "0"]);
    assert_eq!(
        (none.status.code(), &json(&none)["feasible"]),
        (Some(1), &false.into())
    );
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
    assert!(
        message.contains("line 1, column 3: `7` where the machine of process 1"),
        "{message}"
    );
    let check = berth(&dir, &["check", "--solution", "absent"]);
    assert_eq!(check.status.code(), Some(2), "the assignment is read first");
    std::fs::write(dir.join("a"), "0 0\n").unwrap();
    let check = berth(&dir, &["check", "--solution", "absent"]);
    assert_eq!(check.status.code(), Some(3));
}

/// A model on which the search goes on until it is told to stop: 400 processes on 20 machines.
fn long_search(test: &str) -> PathBuf {
    let dir = files(test);
    let mut model = String::from("2\n1 10\n0 7\n20\n");
    for n in 0..20 {
        let travel: Vec<String> = (0..20).map(|m| ((n * 7 + m * 3) % 5).to_string()).collect();
        let safety = 200 + n % 2 * 300;
        model += &format!(
            "{} {} 900 900 {safety} {safety} {}\n",
            n % 3,
            n % 7,
            travel.join(" ")
        );
    }
    model += "400\n";
    model += &"0 0\n".repeat(400);
    model += "400\n";
    let mut at = String::new();
    for t in 0..400 {
        model += &format!("{t} {} {} 1\n", 3 + t * 7 % 31, 5 + t * 11 % 29);
        at += &format!("{} ", t % 20);
    }
    model += "0\n1 10 100\n";
    std::fs::write(dir.join("m"), model).unwrap();
    std::fs::write(dir.join("a"), at).unwrap();
    dir
}

#[test]
fn ctrl_c_keeps_the_best_and_exits_0() {
    let dir = long_search("interrupt");
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.current_dir(&dir).args([
        "--json",
        "place",
        "solve",
        "--model",
        "m",
        "--assignment",
        "a",
    ]);
    command.args([
        "--seconds",
        "600",
        "--threads",
        "2",
        "--solution",
        "s",
        "--curve",
        "c.csv",
    ]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The first progress line says that the search is on; the rest is drained so that nothing waits for it.
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("cost"), "{line}");
    let rest = std::thread::spawn(move || std::io::copy(&mut progress, &mut std::io::sink()));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let solve = child.wait_with_output().unwrap();
    rest.join().unwrap().unwrap();
    assert_eq!(solve.status.code(), Some(0), "{solve:?}");
    let answer = json(&solve);
    assert!(answer["seconds"].as_f64().unwrap() < 500.0);
    let check = json(&berth(&dir, &["check", "--solution", "s"]));
    assert_eq!(check["feasible"], true);
    assert_eq!(check["cost"]["total"], answer["final"]);
    let curve = std::fs::read_to_string(dir.join("c.csv")).unwrap();
    let costs: Vec<i64> = curve
        .lines()
        .skip(1)
        .map(|l| l.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    assert!(costs.is_sorted_by(|a, b| a > b));
    assert_eq!(costs.last().copied(), answer["final"].as_i64());
}

#[test]
fn the_answer_carries_a_bound_and_its_gap_and_the_curve_ends_at_the_answer() {
    let dir = long_search("gap");
    let solve = berth(
        &dir,
        &[
            "solve",
            "--evaluations",
            "300000",
            "--solution",
            "s",
            "--curve",
            "c",
        ],
    );
    let answer = json(&solve);
    let figure = |key: &str| answer[key].as_f64().unwrap();
    assert!(figure("lower_bound") <= figure("final") && figure("final") < figure("initial"));
    let gap = (figure("final") - figure("lower_bound")) / figure("final");
    assert!((figure("gap") - gap).abs() < 1e-12);
    let curve = std::fs::read_to_string(dir.join("c")).unwrap();
    let last = curve.lines().last().unwrap().rsplit(',').next().unwrap();
    assert_eq!(last.parse::<f64>().unwrap(), figure("final"));
    let fields = curve.lines().map(|l| l.split(',').count());
    assert!(fields.clone().count() > 2 && fields.into_iter().all(|n| n == 3));
}

#[test]
fn what_cannot_be_written_is_said_before_the_search_and_nothing_is_left_behind() {
    let dir = files("unwritable");
    let solve = berth(
        &dir,
        &["solve", "--seconds", "600", "--solution", "no/such/dir"],
    );
    assert_eq!(solve.status.code(), Some(3));
    assert_eq!(json(&solve)["error"]["kind"], "io");
    assert_eq!(json(&solve)["error"]["where"], "no/such/dir");
    std::fs::write(dir.join("a"), "0 x\n").unwrap();
    let solve = berth(&dir, &["solve", "--evaluations", "9", "--solution", "s"]);
    assert_eq!(solve.status.code(), Some(2));
    assert!(!dir.join("s").exists());
}

#[test]
fn wrong_usage_is_2_and_moves_given_up_are_1() {
    let dir = files("usage");
    for wrong in [
        vec!["solve", "--seconds", "-1"],
        vec!["solve", "--seconds", "inf"],
        vec!["solve", "--cpu-seconds", "x"],
        vec!["solve", "--seconds", "1", "--evaluations", "5"],
        vec!["solve", "--threads", "0"],
        vec!["order", "--solution", "a", "--per-node", "0"],
        vec!["check"],
    ] {
        let answer = berth(&dir, &wrong);
        assert_eq!(answer.status.code(), Some(2), "{wrong:?} {answer:?}");
        assert!(json(&answer)["error"]["message"].is_string(), "{wrong:?}");
    }
    // Two that fill their machines change places: no order.
    let full = "1\n0 1\n2\n0 0 8 8 0 1\n1 1 8 8 1 0\n2\n0 0\n0 0\n2\n0 8 1\n1 8 1\n0\n1 1 1\n";
    std::fs::write(dir.join("m"), full).unwrap();
    std::fs::write(dir.join("a"), "0 1\n").unwrap();
    std::fs::write(dir.join("s"), "1 0\n").unwrap();
    let order = berth(&dir, &["order", "--solution", "s"]);
    assert_eq!(order.status.code(), Some(1));
    assert_eq!(json(&order)["given_up"], serde_json::json!([0, 1]));
    assert_eq!(json(&order)["moves"], 0);
}

#[test]
fn an_answer_never_takes_the_place_of_what_was_read() {
    let dir = files("apart");
    std::fs::hard_link(dir.join("m"), dir.join("m2")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("a", dir.join("a2")).unwrap();
    let same: [&[&str]; 7] = [
        &["--solution", "m"],
        &["--solution", "./a"],
        &["--curve", "m"],
        &["--solution", "m2"],
        &["--curve", "a2"],
        &["--solution", "s", "--curve", "./s"],
        &["--solution", "sub/../a"],
    ];
    std::fs::create_dir(dir.join("sub")).unwrap();
    for options in same {
        let args = [&["solve", "--evaluations", "1000"], options].concat();
        let output = berth(&dir, &args);
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let error = &json(&output)["error"];
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("would be overwritten"), "{error}");
        assert_eq!(std::fs::read_to_string(dir.join("m")).unwrap(), MODEL);
        assert_eq!(std::fs::read_to_string(dir.join("a")).unwrap(), "0 0\n");
        assert!(!dir.join("s").exists());
    }
    let both = ["--solution", "/dev/null", "--curve", "/dev/null"];
    let args = [&["solve", "--evaluations", "1000"], &both[..]].concat();
    assert_eq!(berth(&dir, &args).status.code(), Some(0));
}
