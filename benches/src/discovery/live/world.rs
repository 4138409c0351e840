//! A folder with a source, and the driver.

use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use test_support::running::http;

/// Longer than anything takes that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// What one measurement has; in memory where there is `/dev/shm`, so that other programs' writes to a disk are not measured.
pub(super) struct World {
    pub(super) folder: PathBuf,
}

impl World {
    pub(super) fn new() -> Result<Self, String> {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = match memory.is_dir() {
            true => memory.to_owned(),
            false => std::env::temp_dir(),
        };
        let folder = parent.join(format!("berth-bench-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Replaces a file by rename; when that was.
    pub(super) fn replace(&self, name: &str, text: &str) -> Result<Instant, String> {
        let new = self.folder.join("new");
        std::fs::write(&new, text).map_err(|e| e.to_string())?;
        let begun = Instant::now();
        std::fs::rename(&new, self.folder.join(name)).map_err(|e| e.to_string())?;
        Ok(begun)
    }

    /// Starts the driver, and waits until it answers.
    pub(super) fn drive(&self, sink: &str) -> Result<Driver, String> {
        let mut options = File::options();
        let lines = options.create(true).append(true);
        let lines = lines.open(self.folder.join("lines"));
        let lines = lines.map_err(|e| e.to_string())?;
        let child = Command::new(crate::replay::binary()?)
            .args(["--json", "discover", "run"])
            .args(["--source", &format!("file:{}", self.path("source.json"))])
            .args(["--sink", sink, "--state", &self.path("state")])
            .stdin(Stdio::null())
            .stdout(lines)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let driver = Driver(child);
        until("the driver answers", || self.show().is_some())?;
        Ok(driver)
    }

    /// An operator's command; its answer.
    pub(super) fn ask(&self, args: &[&str]) -> Option<Value> {
        let output = Command::new(crate::replay::binary().ok()?)
            .args(["--json", "discover"])
            .args(args)
            .args(["--state", &self.path("state")])
            .output()
            .ok()?;
        let answer = serde_json::from_slice(&output.stdout).ok()?;
        output.status.success().then_some(answer)
    }

    fn show(&self) -> Option<Value> {
        self.ask(&["show"])
    }

    /// Weights in use by endpoint, as the driver shows them.
    pub(super) fn weights(&self) -> Vec<(String, f64)> {
        let shown = self.show().unwrap_or_default();
        let services = shown["services"].as_array().cloned().unwrap_or_default();
        let endpoints = services.iter().filter_map(|s| s["endpoints"].as_array());
        let read = |e: &Value| Some((e["id"].as_str()?.to_owned(), e["weight"].as_f64()?));
        endpoints.flatten().filter_map(read).collect()
    }

    /// Waits until an endpoint has this weight.
    pub(super) fn until_weight(&self, id: &str, weight: f64) -> Result<(), String> {
        until(&format!("{id} weighs {weight}"), || {
            self.weights().iter().any(|(e, w)| e == id && *w == weight)
        })
    }

    /// Decisions that drivers told of here.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("lines")).unwrap_or_default();
        let lines = text.lines().filter_map(|l| serde_json::from_str(l).ok());
        lines.collect()
    }

    /// How many of this kind.
    pub(super) fn told(&self, event: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|line| line["event"] == event).count()
    }

    /// When an endpoint was given weight first, in seconds since the Unix epoch.
    pub(super) fn first_weight(&self, id: &str) -> Option<f64> {
        let lines = self.lines();
        let given = |line: &&Value| {
            line["event"] == "weight"
                && line["endpoint"] == id
                && line["weight"].as_f64() > Some(0.0)
        };
        lines.iter().find(given)?["time_s"].as_f64()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The driver's process; killed when dropped.
pub(super) struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A source with one service, `web`.
pub(super) fn source(endpoints: &[Value], window_s: f64, checked: bool) -> String {
    let mut service = json!({"name": "web", "endpoints": endpoints});
    if window_s > 0.0 {
        service["warmup"] =
            json!({"window_s": window_s, "aggression": 1.0, "min_weight_percent": 10});
    }
    if checked {
        service["health"] = json!({"kind": "http", "path": "/health", "interval_s": 0.2,
            "timeout_s": 0.2, "rise": 1, "fall": 2});
    }
    json!({"services": [service]}).to_string()
}

pub(super) fn until(what: &str, mut is: impl FnMut() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while !is() {
        if begun.elapsed() > LIMIT {
            return Err(format!("not within {} s: {what}", LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits, asking all the time, until Envoy's cluster `web` has this weight at this address.
pub(super) fn until_in_envoy(admin: &str, address: &str, weight: u32) -> Result<Instant, String> {
    let line = format!("web::{address}::weight::{weight}\n");
    let begun = Instant::now();
    while !http(admin, "GET", "/clusters").contains(&line) {
        if begun.elapsed() > LIMIT {
            return Err(format!("Envoy does not show {line}"));
        }
    }
    Ok(Instant::now())
}
