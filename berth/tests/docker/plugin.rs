//! The service under test, and calls of it by hand.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use test_support::running::{LIMIT, until};
use test_support::running::{Running, metric};

/// A folder that goes when this does.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("berth-docker-{}-{count}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// `berth ipam` on the store in it.
    pub(crate) fn berth(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        let store = format!("redb:{}", self.path("store.redb"));
        command
            .args(["ipam", "--store", &store, "--json"])
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn done(&self, args: &[&str]) -> Value {
        let output = self.berth(args).output().expect("berth runs");
        let (status, json) = answer(&output);
        assert_eq!(status, Some(0), "{args:?}: {json}");
        json
    }

    /// The addresses of all claims, by owner without its host: `10.9.0.2`, `gateway/10.9.0.1`.
    pub(crate) fn held(&self) -> BTreeSet<String> {
        let shown = self.done(&["show"]);
        let claims = shown["claims"].as_array().expect("claims").iter();
        let owners = claims.map(|claim| claim["owner"].as_str().expect("a name").to_owned());
        owners
            .map(|owner| {
                owner
                    .strip_prefix("docker/h1/")
                    .unwrap_or(&owner)
                    .to_owned()
            })
            .collect()
    }

    /// The pools by name.
    pub(crate) fn pools(&self) -> Vec<String> {
        let listed = self.done(&["pool", "list"]);
        let pools = listed["pools"].as_array().expect("pools").iter();
        pools
            .map(|pool| pool["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// The store is whole.
    pub(crate) fn check(&self) {
        let checked = self.done(&["fsck"]);
        assert_eq!(
            checked["problems"].as_array().map(Vec::len),
            Some(0),
            "{checked}"
        );
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn answer(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output.status.code(), json)
}

/// The service.
pub(crate) struct Plugin {
    running: Running,
    pub(crate) metrics: String,
}

impl Plugin {
    /// Serves the host `h1` on a socket, with the store in a folder.
    pub(crate) fn start(folder: &Folder, socket: &str, args: &[&str]) -> Self {
        let common = [
            "serve",
            "--host",
            "h1",
            "--docker",
            socket,
            "--metrics",
            "127.0.0.1:0",
            "--interval",
            "100ms",
        ];
        let mut running = Running::start(&mut folder.berth(&[&common, args].concat()));
        let metrics = running.metrics();
        running.hear("serves h1");
        Self { running, metrics }
    }

    /// Waits until it says something.
    pub(crate) fn hear(&mut self, what: &str) -> String {
        self.running.hear(what)
    }

    /// How many calls of a kind had a result.
    pub(crate) fn count(&self, kind: &str, result: &str) -> u64 {
        let name =
            format!("berth_ipam_docker_requests_total{{kind=\"{kind}\",result=\"{result}\"}}");
        metric(&self.metrics, &name).map_or(0, |count| count as u64)
    }

    /// It dies without a word.
    pub(crate) fn kill(self) {
        self.running.kill();
    }

    /// Its answer once it was told to end.
    pub(crate) fn end(self) -> Value {
        let (status, json) = answer(&self.running.end("TERM"));
        assert_eq!(status, Some(0), "{json}");
        json
    }
}

/// Sends bytes to a socket; all that comes back.
pub(crate) fn send(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    // Who is refused early may not take all of it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A call as an engine sends it: an empty host, no content type. The status and the answer.
pub(crate) fn call(socket: &Path, path: &str, body: &str) -> (u16, Value) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n",
        body.len()
    );
    let answer = send(socket, format!("{head}{body}").as_bytes());
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let json = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let json = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {answer}"));
    (status.expect("a status"), json)
}
