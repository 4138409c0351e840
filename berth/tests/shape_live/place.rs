//! An emulated host in network namespaces, and the command on it.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether namespaces can be made here.
pub(crate) fn possible() -> Result<(), String> {
    let name = format!("berth-try-shape-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let made = made.map_err(|e| format!("no `ip` (iproute2): {e}"))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        return Err(format!("network namespaces can't be made: {}", said.trim()));
    }
    ip(&["netns", "del", &name]);
    Ok(())
}

pub(crate) fn ip(args: &[&str]) -> String {
    let output = Command::new("ip").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Namespaces with names are taken to be this host's, and what is left over in them goes: one emulated host at a time.
static ONE: Mutex<()> = Mutex::new(());

/// An emulated host with an uplink `up0` and one container's pair `v1`. It goes when this does.
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) pod: String,
    policy: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let host = format!("shl{}-{number}", std::process::id());
        let pod = format!("{host}-pod");
        ip(&["netns", "add", &host]);
        ip(&["netns", "add", &pod]);
        let policy = std::env::temp_dir().join(format!("{host}.toml"));
        let place = Self {
            host,
            pod,
            policy,
            _alone,
        };
        place.ip("link add up0 type veth peer name up1");
        place.ip(&format!(
            "link add v1 type veth peer name eth0 netns {}",
            place.pod
        ));
        place
    }

    pub(crate) fn ip(&self, words: &str) -> String {
        let args = ["-n", &self.host]
            .into_iter()
            .chain(words.split_whitespace());
        ip(&args.collect::<Vec<_>>())
    }

    pub(crate) fn tc(&self, words: &str) -> String {
        let args = ["-n", &self.host]
            .into_iter()
            .chain(words.split_whitespace());
        let output = Command::new("tc").args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tc {words}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes a policy whose one container has these lines; where it is.
    pub(crate) fn policy(&self, container: &str) -> String {
        let head =
            "[host]\nuplink = { dev = \"up0\", capacity = \"1gbit\", reserve = \"10mbit\" }\n";
        let section = match container {
            "" => String::new(),
            lines => format!(
                "[[container]]\nid = \"web\"\nveth = \"v1\"\naddresses = [\"10.1.2.3\", \"fd00::3\"]\n{lines}\n"
            ),
        };
        std::fs::write(&self.policy, format!("{head}{section}")).unwrap();
        self.policy.display().to_string()
    }

    /// The command, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.host,
            env!("CARGO_BIN_EXE_berth"),
            "shape",
        ]);
        command.args(args);
        command
    }

    pub(crate) fn berth(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The answer of a command that must succeed.
    pub(crate) fn answer(&self, args: &[&str]) -> Value {
        let output = self.berth(&[args, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What is on this host and its container, as shown.
    pub(crate) fn shown(&self) -> Value {
        self.answer(&["show", "--netns", "host", "--netns", &self.pod])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in [&self.pod, &self.host] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
        let _ = std::fs::remove_file(&self.policy);
    }
}
