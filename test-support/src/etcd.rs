//! Real etcd servers on loopback, for the length of a test.

use crate::Need;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a test needs that starts etcd: Debian's `etcd-server`, or any other `etcd` on the path.
pub const ETCD: Need = Need::Other("etcd", installed);

fn installed() -> Result<(), String> {
    match Command::new("etcd").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("etcd --version: {}", output.status)),
        Err(error) => Err(format!("no etcd ({error}): apt-get install etcd-server")),
    }
}

/// One member: a process, its data in a folder of its own. Killed, and the folder removed, when dropped.
#[derive(Debug)]
pub struct Etcd {
    process: Option<Child>,
    folder: PathBuf,
    arguments: Vec<String>,
    client: u16,
    scheme: &'static str,
}

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(30);

impl Etcd {
    /// A server of its own, with more arguments; `--cert-file` among them makes its clients speak TLS.
    ///
    /// # Panics
    /// When it doesn't start: a test that runs has its needs met.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::cluster(1, arguments).remove(0)
    }

    /// A cluster of some members.
    ///
    /// # Panics
    /// When one doesn't start.
    #[must_use]
    pub fn cluster(members: usize, arguments: &[&str]) -> Vec<Self> {
        let ports: Vec<(u16, u16)> = (0..members).map(|_| (free_port(), free_port())).collect();
        let peers: Vec<String> = ports.iter().map(|(_, peer)| peer_url(*peer)).collect();
        let named = peers
            .iter()
            .enumerate()
            .map(|(i, url)| format!("m{i}={url}"));
        let initial = named.collect::<Vec<_>>().join(",");
        let mut servers: Vec<Self> = ports
            .iter()
            .enumerate()
            .map(|(i, (client, peer))| Self::new(i, *client, &peer_url(*peer), &initial, arguments))
            .collect();
        // None answers before a majority is there.
        servers.iter_mut().for_each(Self::spawn);
        servers.iter().for_each(Self::wait);
        servers
    }

    fn new(index: usize, client: u16, peer: &str, initial: &str, arguments: &[&str]) -> Self {
        let secure = arguments.iter().any(|a| a.starts_with("--cert-file"));
        let scheme = if secure { "https" } else { "http" };
        let folder = temporary_folder();
        let url = format!("{scheme}://127.0.0.1:{client}");
        let options = [
            ("--name", format!("m{index}")),
            ("--data-dir", folder.join("data").display().to_string()),
            ("--listen-client-urls", url.clone()),
            ("--advertise-client-urls", url),
            ("--listen-peer-urls", peer.to_owned()),
            ("--initial-advertise-peer-urls", peer.to_owned()),
            ("--initial-cluster", initial.to_owned()),
            ("--heartbeat-interval", "50".to_owned()),
            ("--election-timeout", "500".to_owned()),
        ];
        let options = options
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value]);
        Self {
            process: None,
            arguments: options
                .chain(arguments.iter().map(|a| (*a).to_owned()))
                .collect(),
            folder,
            client,
            scheme,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.client)
    }

    /// The process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Ends the process as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Already gone is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same data and port.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.wait();
    }

    /// Copies its data, for [`Etcd::set_back`]. It is stopped and started for that.
    ///
    /// # Panics
    /// When it can't be copied.
    pub fn save(&mut self) {
        self.kill();
        copy(&self.folder.join("data"), &self.folder.join("saved"));
        self.restart();
    }

    /// Starts it again on the data that was saved: what was written since is lost.
    ///
    /// # Panics
    /// When nothing was saved.
    pub fn set_back(&mut self) {
        self.kill();
        copy(&self.folder.join("saved"), &self.folder.join("data"));
        self.restart();
    }

    /// Posts to etcd's JSON gateway, which administers what the client under test does not: users, compaction. Plain text only.
    ///
    /// # Panics
    /// When it refuses.
    #[must_use]
    pub fn post(&self, path: &str, json: &str) -> String {
        let length = json.len();
        self.exchange(&format!(
            "POST {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
        ))
    }

    /// One of the figures that etcd publishes of itself, by its whole name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.exchange("GET /metrics HTTP/1.0\r\n\r\n");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.and_then(|value| value.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name}: {metrics}"))
    }

    fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.client)).expect("a connection");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(" 200 OK"), "{request}: {answer}");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        body.unwrap_or_default().to_owned()
    }

    fn spawn(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).expect("a log");
        let mut command = Command::new("etcd");
        command.args(&self.arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("etcd is installed"));
    }

    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.client)).is_err() {
            assert!(
                start.elapsed() < START,
                "etcd doesn't listen:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder of a test's own.
///
/// # Panics
/// When it can't be made.
#[must_use]
pub fn temporary_folder() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("berth-etcd-{}-{count}", std::process::id());
    let folder: &Path = &std::env::temp_dir().join(name);
    std::fs::create_dir_all(folder).expect("a folder");
    folder.to_owned()
}

/// Replaces a folder by a copy of another.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

fn peer_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
