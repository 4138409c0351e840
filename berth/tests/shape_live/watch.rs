//! `berth shape watch`.

use crate::uplink::Wire;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether there is an iperf3.
pub(crate) fn iperf() -> Result<(), String> {
    let run = Command::new("iperf3").arg("--version").output();
    run.map(drop)
        .map_err(|e| format!("no `iperf3` (Debian's iperf3): {e}"))
}

/// A watch that runs; it ends with this.
struct Watch {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Watch {
    fn start(wire: &Wire, args: &[&str]) -> Self {
        let mut child = wire.place.command(&[&["watch"], args].concat());
        let mut child = child
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            let _ = self.child.stderr.take().unwrap().read_to_string(&mut said);
            panic!("it ended: {said}");
        }
        serde_json::from_str(&line).unwrap()
    }

    /// Ctrl-C; what it said on standard error.
    fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut said = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}: {said}");
        said
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A policy of three containers with guarantees of 10, 20 and 40 Mbit/s out of 100.
fn policy(wire: &Wire, ids: &[(&str, &str, u32)]) -> String {
    let path = wire.place.policy("");
    let mut text = String::from(
        "[host]\nuplink = { dev = \"up0\", capacity = \"100mbit\", reserve = \"5mbit\" }\n",
    );
    for (id, address, guarantee) in ids {
        text += &format!(
            "[[container]]\nid = {id:?}\nveth = \"v-{id}\"\naddresses = [{address:?}]\negress = {{ guarantee = \"{guarantee}mbit\", ceiling = \"90mbit\" }}\n"
        );
    }
    // Replaced as a whole, as a policy should be.
    let new = format!("{path}.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, &path).unwrap();
    path
}

const A: (&str, &str, u32) = ("a", "10.1.0.1", 10);
const B: (&str, &str, u32) = ("b", "10.1.0.2", 20);
const C: (&str, &str, u32) = ("c", "10.1.0.3", 40);

fn ids(line: &Value) -> Vec<&str> {
    let rows = line["containers"].as_array().unwrap();
    rows.iter().map(|r| r["id"].as_str().unwrap()).collect()
}

pub(crate) fn an_interval_is_a_line_and_a_new_policy_is_taken_up() {
    let wire = Wire::new();
    let file = policy(&wire, &[A]);
    let args = [
        "--desired",
        &file,
        "--interval",
        "0.1",
        "--metrics",
        "127.0.0.1:19464",
    ];
    let mut watch = Watch::start(&wire, &args);
    let first = watch.next();
    assert_eq!(ids(&first), ["a"]);
    let row = &first["containers"][0];
    assert_eq!(
        (&row["direction"], &row["guarantee_bits_per_second"]),
        (&"egress".into(), &10_000_000.into())
    );
    assert_eq!(
        (&row["throttled"], &row["shared"]),
        (&false.into(), &true.into())
    );
    let metrics = scrape(&wire);
    assert!(
        metrics.contains(
            r#"berth_shape_guarantee_bits_per_second{container="a",direction="egress"} 10000000"#
        ),
        "{metrics}"
    );
    policy(&wire, &[A, B]);
    let until = Instant::now() + Duration::from_secs(10);
    while ids(&watch.next()) != ["a", "b"] {
        assert!(Instant::now() < until, "the new policy is not taken up");
    }
    // What can't be read changes nothing, and is said.
    std::fs::write(&file, "[[container]]\nid = 7\n").unwrap();
    for _ in 0..5 {
        assert_eq!(ids(&watch.next()), ["a", "b"]);
    }
    assert!(watch.interrupt().contains("the policy stays as it was"));
    policy(&wire, &[A, B]);
    // The kernel is as it was last planned: both have a class.
    let dry = wire
        .place
        .answer(&["apply", "--desired", &file, "--dry-run"]);
    let on_uplink: Vec<&Value> = dry["ops"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|op| op["dev"] == "up0" && op["action"] != "change")
        .collect();
    assert_eq!(on_uplink, Vec::<&Value>::new());
}

pub(crate) fn what_was_found_comes_back_when_asked_for() {
    let wire = Wire::new();
    wire.place
        .tc("qdisc add dev up0 root handle 7: pfifo limit 77");
    let before = (
        wire.place.tc("qdisc show"),
        wire.place.tc("filter show dev up0"),
        wire.place.ip("-o link"),
    );
    let file = policy(&wire, &[A, B]);
    let output = wire.place.berth(&[
        "watch",
        "--desired",
        &file,
        "--intervals",
        "3",
        "--interval",
        "0.1",
        "--takeover",
        "--restore",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let after = (
        wire.place.tc("qdisc show"),
        wire.place.tc("filter show dev up0"),
        wire.place.ip("-o link"),
    );
    assert_eq!(before, after);
}

/// What `/metrics` answers on the emulated host.
fn scrape(wire: &Wire) -> String {
    let ask =
        r"exec 3<>/dev/tcp/127.0.0.1/19464; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3";
    let args = ["netns", "exec", &wire.place.host, "bash", "-c", ask];
    String::from_utf8(Command::new("ip").args(args).output().unwrap().stdout).unwrap()
}

/// Sends UDP from an address to a port of the peer as fast as it can for some seconds; Mbit/s that arrived.
fn sender(wire: &Wire, address: &str, port: u16, seconds: u32) -> Child {
    let (port, seconds) = (port.to_string(), seconds.to_string());
    let args = [
        "netns",
        "exec",
        &wire.place.host,
        "iperf3",
        "-c",
        "10.99.0.1",
        "-B",
        address,
        "-p",
        &port,
        "-u",
        "-b",
        "95M",
        "-t",
        &seconds,
        "-O",
        "2",
        "-J",
    ];
    Command::new("ip")
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn three_senders_have_their_guarantees_and_divide_the_rest() {
    let wire = Wire::new();
    let all = [A, B, C];
    let file = policy(&wire, &all);
    let mut watch = Watch::start(
        &wire,
        &[
            "--desired",
            &file,
            "--interval",
            "0.5",
            "--metrics",
            "127.0.0.1:0",
        ],
    );
    watch.next();
    let mut servers = Vec::new();
    for (i, (_, address, _)) in all.iter().enumerate() {
        wire.has(address);
        let port = (5201 + i).to_string();
        let args = [
            "netns", "exec", &wire.peer, "iperf3", "-s", "-1", "-p", &port,
        ];
        servers.push(
            Command::new("ip")
                .args(args)
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        );
    }
    std::thread::sleep(Duration::from_millis(500));
    let senders: Vec<Child> = (5201..)
        .zip(&all)
        .map(|(port, (_, address, _))| sender(&wire, address, port, 6))
        .collect();
    let (mut throttled, mut borrowed) = (false, false);
    let until = Instant::now() + Duration::from_secs(7);
    while Instant::now() < until {
        for row in watch.next()["containers"].as_array().unwrap() {
            throttled |= row["throttled"] == true;
            borrowed |= row["borrows"] == true;
        }
    }
    assert!(
        throttled && borrowed,
        "throttled {throttled}, borrowed {borrowed}"
    );
    let sum = goodput(senders, &all);
    assert!((80.0..=97.0).contains(&sum), "{sum:.1} Mbit/s in all");
    for mut server in servers {
        let _ = server.kill();
        let _ = server.wait();
    }
    drop(watch);
    another_takes_over(&wire, &file);
}

/// What arrived in all, Mbit/s, each of the senders having had its guarantee.
fn goodput(senders: Vec<Child>, all: &[(&str, &str, u32)]) -> f64 {
    let mut sum = 0.0;
    for (sender, (id, _, guarantee)) in senders.into_iter().zip(all) {
        let output = sender.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sum_of = &answer["end"]["sum"];
        let lost = sum_of["lost_percent"].as_f64().unwrap_or(0.0);
        let mbit = sum_of["bits_per_second"]
            .as_f64()
            .unwrap_or_else(|| panic!("{answer}"))
            / 1e6
            * (1.0 - lost / 100.0);
        // Goodput of full frames: 1448 of 1490 bytes on the wire.
        let least = f64::from(*guarantee) * 0.93;
        assert!(mbit >= least, "{id}: {mbit:.1} of {guarantee} Mbit/s");
        sum += mbit;
    }
    sum
}

/// Another watch goes on where one was: no class is changed by beginning.
fn another_takes_over(wire: &Wire, file: &str) {
    let ceilings = || {
        let shown = wire.place.answer(&["show", "--netns", "host"]);
        let up0 = shown["devices"]
            .as_array()
            .unwrap()
            .iter()
            .find(|d| d["dev"] == "up0")
            .unwrap()
            .clone();
        let classes = up0["classes"].as_array().unwrap().clone();
        classes
            .iter()
            .map(|c| c["ceil_bytes_per_second"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let before = ceilings();
    assert!(before.iter().any(|c| *c < 90_000_000 / 8), "{before:?}");
    let output = wire
        .place
        .berth(&["watch", "--desired", file, "--intervals", "0"]);
    assert!(output.status.success());
    assert_eq!(ceilings(), before);
}
