//! Bandwidth of an engine's containers: `berth shape watch` beside it.

use crate::engine::Engine;
use crate::plugin::until;
use std::process::Command;
use test_support::running::Running;

/// What a command prints in the engine's namespace.
fn inside(engine: &Engine, words: &str) -> String {
    let output = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", engine.namespace()))
        .args(words.split_whitespace())
        .output()
        .expect("nsenter");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first process of a container, and the host's end of its pair: the one whose number the container's own end names.
fn attached(engine: &Engine, container: &str) -> (String, String) {
    let pid = engine.done(&["inspect", "-f", "{{.State.Pid}}", container]);
    let own = Command::new("nsenter")
        .args(["-t", &pid, "-n", "ip", "-o", "link", "show", "eth0"])
        .output()
        .expect("nsenter");
    let own = String::from_utf8_lossy(&own.stdout).into_owned();
    // `2: eth0@if5: <BROADCAST,...`
    let number = own.split("@if").nth(1).and_then(|t| t.split(':').next());
    let number = number.unwrap_or_else(|| panic!("{own}"));
    let all = inside(engine, "ip -o link");
    let line = all
        .lines()
        .find(|l| l.starts_with(&format!("{number}: ")))
        .unwrap_or_else(|| panic!("{number}: {all}"));
    let name = line.split(": ").nth(1).and_then(|n| n.split('@').next());
    (pid, name.expect("a name").to_owned())
}

/// Writes the policy for a container as it is attached now, whole and at once; its devices.
fn policy(engine: &Engine, file: &str, container: &str) -> (String, String) {
    let (pid, veth) = attached(engine, container);
    let text = format!(
        "[[container]]\nid = \"{container}\"\nveth = \"{veth}\"\npid = {pid}\n\
         ingress = {{ ceiling = \"20mbit\" }}\negress = {{ ceiling = \"10mbit\" }}\n"
    );
    let new = format!("{file}.new");
    std::fs::write(&new, text).expect("written");
    std::fs::rename(new, file).expect("renamed");
    (pid, veth)
}

/// Whether both ends of a container have the limits.
fn is_limited(engine: &Engine, (pid, veth): &(String, String)) -> bool {
    let host = inside(engine, &format!("tc class show dev {veth}"));
    let own = Command::new("nsenter")
        .args(["-t", pid, "-n", "tc", "class", "show", "dev", "eth0"])
        .output()
        .expect("nsenter");
    let own = String::from_utf8_lossy(&own.stdout).into_owned();
    host.contains("ceil 20Mbit") && own.contains("ceil 10Mbit")
}

pub(crate) fn limits_are_kept_over_a_restart() {
    let engine = Engine::start("shaped");
    engine.done(&["network", "create", "--subnet", "10.9.7.0/24", "n"]);
    engine.done(&Engine::container("web", "n", &[]));
    let file = engine.folder.path("policy.toml");
    let first = policy(&engine, &file, "web");
    let mut watch = Command::new("nsenter");
    watch.arg(format!("--net=/run/netns/{}", engine.namespace()));
    watch.args([env!("CARGO_BIN_EXE_berth"), "shape", "watch", "--json"]);
    watch.args(["--interval", "0.1", "--desired", &file]);
    let watch = Running::start(&mut watch);
    until("the container is limited", || is_limited(&engine, &first));
    // Another process, another pair: who attaches containers says so, and the watch takes it up.
    engine.done(&["restart", "web"]);
    let second = policy(&engine, &file, "web");
    assert_ne!(first, second);
    until("it is limited after its restart", || {
        is_limited(&engine, &second)
    });
    // One that is stopped takes its devices along, and is missed by nobody.
    engine.done(&["stop", "web"]);
    engine.done(&["start", "web"]);
    let third = policy(&engine, &file, "web");
    until("it is limited after its start", || {
        is_limited(&engine, &third)
    });
    let ended = watch.end("INT");
    assert!(ended.status.success(), "{ended:?}");
    assert!(is_limited(&engine, &third), "Ctrl-C leaves it as it is");
}
