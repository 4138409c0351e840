//! Arguments of any bytes: a clear answer, nothing raw on a terminal, nothing made on the way.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An empty folder of the test's own.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("arguments-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder of the test's own");
    dir
}

fn berth(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.current_dir(dir);
    command
}

fn printable(output: &Output) -> bool {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).expect("UTF-8");
    text.chars().all(|c| c == '\n' || !c.is_control())
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_bad_usage() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = scratch("bytes");
    for prefix in [
        "",
        "--owner=",
        "--workload=",
        "--host=",
        "--pool=",
        "--nothing=",
    ] {
        let odd = [prefix.as_bytes(), b"\xff\x1b"].concat();
        let odd = std::ffi::OsStr::from_bytes(&odd);
        for json in [&["--json"][..], &[]] {
            let mut command = berth(&dir);
            let output = command.args(json).args(["ipam", "claim"]).arg(odd).output();
            let output = output.expect("berth starts");
            assert_eq!(output.status.code(), Some(2), "{prefix}: {output:?}");
            assert!(printable(&output), "{prefix}: {output:?}");
        }
        let output = berth(&dir).arg(odd).output().expect("berth starts");
        assert_eq!(output.status.code(), Some(2), "{prefix}: {output:?}");
    }
}

#[test]
fn line_ends_in_names_are_escaped_in_messages() {
    let dir = scratch("lines");
    for args in [
        &["claim", "--owner", "o", "--pool", "a\nb"][..],
        &["claim", "--owner", "a\nb"],
        &["pool", "add", "p", "10.0.0.0/24", "--label", "a\nb"],
        &["pool", "add", "a\nb", "10.0.0.0/24"],
        &["who", "a\nb\x1b[2J"],
        &["show", "--owner", "a\nb"],
    ] {
        let mut command = berth(&dir);
        command.args(["ipam", "--store", "redb:s.redb"]).args(args);
        let output = command.output().expect("berth starts");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(printable(&output), "{args:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("a\nb"), "{args:?}: {text}");
    }
}

#[test]
fn who_only_looks_makes_no_store() {
    let dir = scratch("looks");
    for args in [
        &["show"][..],
        &["who", "10.0.0.1"],
        &["fsck"],
        &["dump"],
        &["routes"],
        &["pool", "list"],
        &["explain", "--owner", "o"],
    ] {
        let mut command = berth(&dir);
        command
            .args(["ipam", "--store", "redb:slip.redb"])
            .args(args);
        let output = command.output().expect("berth starts");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {output:?}");
        let left = std::fs::read_dir(&dir).expect("the folder").count();
        assert_eq!(left, 0, "{args:?}");
    }
}
