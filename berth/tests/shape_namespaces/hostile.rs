//! Names that would be more than words to a shell or a terminal.

use super::*;

/// Names that a shell, a batch or a terminal would take for more than names.
const HOSTILE: &str = r#"
[[container]]
id = "a"
veth = "vh1;id>x;"
netns = "web"
ingress = { ceiling = "10mbit" }
egress = { ceiling = "10mbit" }
[[container]]
id = "b"
veth = "v\u0001'$q"
pid = 4242
dev = "$(id>y)"
ingress = { ceiling = "10mbit" }
egress = { ceiling = "10mbit" }
[[container]]
id = "c"
veth = "v#\u009b"
netns = "a;b\u001b[2J"
egress = { ceiling = "10mbit" }
"#;

/// Runs a script with every program replaced by one that says its name and words, each in angle brackets.
pub(super) fn words_run(dir: &Path, script: &str) -> String {
    let stubs = r#"say() { printf '<%s>' "$@"; echo; }
tc() { say tc "$@"; }
ip() { say ip "$@"; }
nsenter() { say nsenter "$@"; }
"#;
    let mut sh = Command::new("sh");
    let out = sh
        .current_dir(dir)
        .args(["-e", "-c", &format!("{stubs}{script}")])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", said(&out.stderr));
    said(&out.stdout)
}

#[test]
fn no_name_is_more_than_a_word_to_a_shell() {
    let dir = folder("words");
    let policy = file(&dir, "p.toml", HOSTILE);
    let argv = plan(&policy, &["--format", "argv"]);
    assert_eq!(argv.status.code(), Some(1), "one namespace is refused");
    let json: Value = serde_json::from_slice(&plan(&policy, &["--json"]).stdout).unwrap();
    let mut expected = String::new();
    for op in json["ops"].as_array().unwrap() {
        let words = |key: &str| {
            op[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|w| w.as_str().unwrap().to_owned())
        };
        let words = words("enter").chain(["tc".to_owned()]).chain(words("argv"));
        words.for_each(|w| expected += &format!("<{w}>"));
        expected += "\n";
    }
    assert!(expected.contains("<v\u{1}'$q>") && expected.contains("<$(id>y)>"));
    assert_eq!(words_run(&dir, &said(&argv.stdout)), expected);
    let left: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["p.toml"]);
}

#[test]
fn no_text_holds_a_raw_control_character() {
    let dir = folder("control");
    let policy = file(&dir, "p\u{1b}[2J\n.toml", HOSTILE);
    let seen = r#"{"devices": [{"dev": "vh1;id>x;", "qdiscs": [{"kind": "x\u001b\u009b", "handle": "8001:", "parent": "root"}]},
        {"dev": "o\u001b", "qdiscs": [{"kind": "htb", "handle": "1:", "parent": "root", "default": 16}]}]}"#;
    let seen = file(&dir, "seen.json", seen);
    let bad_seen = file(
        &dir,
        "bad.json",
        "{\"devices\": [{\"dev\": \"a b\\u001b\"}]}",
    );
    let unknown = file(&dir, "unknown.toml", "[host]\n\"a\\u001b\" = 1\n");
    let batch = file(
        &dir,
        "b.tc",
        "qdisc add dev \u{1b}[2J root htb\nqdisc add dev d0 root x\u{9b}\u{7f}\n",
    );
    let berth = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(args)
            .output()
            .unwrap()
    };
    let outputs = [
        plan(&policy, &["--observed", &seen]),
        plan(&policy, &["--observed", &seen, "--format", "argv"]),
        plan(&policy, &["--observed", &seen, "--format", "json"]),
        plan(&policy, &["--observed", &seen, "--json"]),
        plan(&policy, &["--netns", "host", "--format", "batch"]),
        plan(&policy, &["--netns", "x\u{1b}"]),
        plan(&policy, &["--observed", &bad_seen]),
        plan(&policy, &["--observed", &bad_seen, "--json"]),
        plan(&format!("{policy}-not-there"), &[]),
        plan(&unknown, &[]),
        plan(&unknown, &["--json"]),
        berth(&["shape", "encode", "--batch", &batch, "--ifindex", "d0=3"]),
        berth(&[
            "shape",
            "encode",
            "--batch",
            &batch,
            "--ifindex",
            "d\u{1b}=x",
        ]),
    ];
    for out in outputs {
        for text in [said(&out.stdout), said(&out.stderr)] {
            assert!(
                !text.contains(|c: char| c.is_control() && c != '\n'),
                "{text:?}"
            );
            assert!(!text.contains("[2J\n"), "{text:?}");
        }
        assert!(!out.stdout.is_empty() || !out.stderr.is_empty());
    }
}

#[test]
fn observed_names_that_no_kernel_gives_are_refused() {
    let dir = folder("observed");
    let policy = file(&dir, "p.toml", "");
    for (device, field) in [
        (r#"{"dev": "a b"}"#, "devices[0].dev"),
        (r#"{"dev": "v", "netns": "a;b"}"#, "devices[0].netns"),
        (r#"{"dev": "v", "netns": "pid:7"}"#, "devices[0].netns"),
        (r#"{"dev": "v", "pid": 0}"#, "devices[0].pid"),
        (r#"{"dev": "v", "pid": 7, "netns": "a"}"#, "devices[0].pid"),
    ] {
        let seen = file(&dir, "seen.json", &format!(r#"{{"devices": [{device}]}}"#));
        let out = plan(&policy, &["--observed", &seen]);
        assert_eq!(out.status.code(), Some(2), "{device}");
        assert!(said(&out.stderr).contains(field), "{}", said(&out.stderr));
    }
}
