//! A folder with a source, backends, and the driver.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use test_support::etcd::temporary_folder;
use test_support::proxies::Backend;
use test_support::running::{Running, until};

pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) backends: Vec<Backend>,
}

impl World {
    pub(crate) fn new(backends: usize) -> Self {
        Self {
            folder: temporary_folder(),
            backends: (0..backends).map(|_| Backend::start()).collect(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// One endpoint of each backend; every second is in the south.
    pub(crate) fn endpoints(&self) -> Vec<Value> {
        let endpoint = |(i, backend): (usize, &Backend)| {
            json!({
                "id": format!("web-{i}"), "address": backend.address.to_string(), "node": format!("n{i}"),
                "zone": "a", "region": if i % 2 == 0 { "north" } else { "south" }, "weight": 100,
                "ready": true, "serving": true, "terminating": false,
            })
        };
        self.backends.iter().enumerate().map(endpoint).collect()
    }

    /// Replaces the source by rename.
    pub(crate) fn source(&self, service: &Value) {
        let text = json!({"services": [service]}).to_string();
        self.write(&text);
    }

    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.folder.join("new"), text).expect("written");
        std::fs::rename(self.folder.join("new"), self.folder.join("source.json")).expect("renamed");
    }

    /// The service `web` with checks ten times a second.
    pub(crate) fn web(&self, endpoints: &[Value], warm_up_s: f64) -> Value {
        json!({
            "name": "web",
            "warmup": {"window_s": warm_up_s, "aggression": 1.0, "min_weight_percent": 10},
            "health": {"kind": "http", "path": "/health", "interval_s": 0.1, "timeout_s": 1, "rise": 2, "fall": 2},
            "endpoints": endpoints,
        })
    }

    pub(crate) fn berth(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command
            .current_dir(&self.folder)
            .arg("--json")
            .arg("discover")
            .args(args);
        command
    }

    /// The driver, once it follows the source.
    pub(crate) fn start(&self, sink: &str, args: &[&str]) -> Running {
        let source = format!("file:{}", self.path("source.json"));
        let state = self.path("state");
        let common = [
            "run", "--source", &source, "--sink", sink, "--state", &state,
        ];
        let mut running = Running::start(&mut self.berth(&[&common, args].concat()));
        running.hear("follows file:");
        running
    }

    /// An operator's command: its status and answer.
    pub(crate) fn ask(&self, args: &[&str]) -> (Option<i32>, Value) {
        let state = self.path("state");
        let output = self
            .berth(&[args, &["--state", &state]].concat())
            .output()
            .expect("berth runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        (output.status.code(), json)
    }

    pub(crate) fn done(&self, args: &[&str]) -> Value {
        let (status, json) = self.ask(args);
        assert_eq!(status, Some(0), "{args:?}: {json}");
        json
    }

    /// The endpoint as the driver shows it; null without.
    pub(crate) fn endpoint(&self, id: &str) -> Value {
        let shown = self.done(&["show"]);
        let services = shown["services"].as_array().expect("services");
        let mut all = services
            .iter()
            .flat_map(|s| s["endpoints"].as_array().expect("endpoints"));
        all.find(|e| e["id"] == id).cloned().unwrap_or(Value::Null)
    }

    pub(crate) fn weight(&self, id: &str) -> f64 {
        self.endpoint(id)["weight"].as_f64().unwrap_or(-1.0)
    }

    pub(crate) fn until_weight(&self, id: &str, weight: f64) {
        until(&format!("{id} weighs {weight}"), || {
            self.weight(id) == weight
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
