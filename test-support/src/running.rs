//! A program under test that runs beside its test, heard by its lines on standard error.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything takes that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A process; killed when dropped.
#[derive(Debug)]
pub struct Running {
    process: Option<Child>,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    /// Starts it, with both of its outputs read here.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.stdin(Stdio::null()).spawn();
        let mut process = process.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let (say, said) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| say.send(line).is_ok())
        });
        Self {
            process: Some(process),
            said,
            heard: Vec::new(),
        }
    }

    /// Waits until it says something that was not heard yet; the line.
    ///
    /// # Panics
    /// When it does not within [`LIMIT`], or ends before.
    pub fn hear(&mut self, what: &str) -> String {
        let start = Instant::now();
        loop {
            let left = LIMIT.saturating_sub(start.elapsed());
            let line = self.said.recv_timeout(left);
            let line = line.unwrap_or_else(|e| panic!("{e}: not said: {what}: {:#?}", self.heard));
            self.heard.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Where it serves its metrics, once it says so: `127.0.0.1:4711`.
    ///
    /// # Panics
    /// As [`Running::hear`].
    pub fn metrics(&mut self) -> String {
        let line = self.hear("metrics on http://");
        let address = line.split("http://").nth(1);
        let address = address.and_then(|rest| rest.strip_suffix("/metrics"));
        address.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// All lines up to the one that was heard last.
    #[must_use]
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Its process's number.
    ///
    /// # Panics
    /// Never: it has one as long as this is there.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Sends it a signal by name: `TERM`, `STOP`.
    ///
    /// # Panics
    /// When it can't be sent.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill is there").success(), "{name}");
    }

    /// It dies without a word.
    pub fn kill(self) {}

    /// Tells it to end by a signal; its status, and what it wrote on standard output.
    ///
    /// # Panics
    /// When it can't be told.
    #[must_use]
    pub fn end(mut self, signal: &str) -> Output {
        self.signal(signal);
        let process = self.process.take().expect("it runs");
        process.wait_with_output().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Already gone is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Waits until something is so.
///
/// # Panics
/// When it is not within [`LIMIT`].
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a server on loopback answers to `METHOD PATH` over HTTP/1.1, head and body.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn http(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
    let request = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A line of what is served on `/metrics`: `berth_ipam_addresses{pool="p",state="held"}`.
///
/// # Panics
/// When there is no server.
#[must_use]
pub fn metric(address: &str, name: &str) -> Option<f64> {
    let text = http(address, "GET", "/metrics");
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_heard_and_ends_by_a_signal() {
        let script = "echo ready >&2; trap 'echo done; exit 3' TERM; while :; do sleep 0.02; done";
        let mut running = Running::start(Command::new("sh").args(["-c", script]));
        assert_eq!(running.hear("read"), "ready");
        assert_eq!(running.heard(), ["ready"]);
        std::thread::sleep(Duration::from_millis(100));
        let output = running.end("TERM");
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"done\n");
    }

    #[test]
    fn it_is_killed_when_dropped() {
        let running = Running::start(Command::new("sleep").arg("60"));
        let process = format!("/proc/{}", running.pid());
        assert!(std::fs::exists(&process).unwrap_or(false));
        drop(running);
        assert!(!std::fs::exists(&process).unwrap_or(true));
    }
}
