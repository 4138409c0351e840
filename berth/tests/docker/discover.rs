//! `berth discover run` on a real engine.

use crate::engine::Engine;
use crate::plugin::{Folder, until};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A driver that follows an engine, and the lines that it says.
struct Driver {
    process: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    _folder: Folder,
}

impl Driver {
    fn start(engine: &Engine) -> Self {
        let folder = Folder::new("discover");
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(["discover", "run", "--json", "--sink", "stdout"]);
        command.args(["--source", &format!("docker:{}", engine.socket())]);
        command.args(["--state", &folder.path("state")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("berth starts");
        let out = BufReader::new(process.stdout.take().expect("a pipe"));
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let heard = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                heard.lock().expect("no panic").push(line);
            }
        });
        Self {
            process,
            lines,
            _folder: folder,
        }
    }

    /// How many lines of an event of an endpoint were said, weights apart.
    fn count(&self, event: &str, endpoint: &str, weight: Option<f64>) -> usize {
        let lines = self.lines.lock().expect("no panic");
        let is = |line: &&Value| {
            line["event"] == event
                && line["endpoint"] == endpoint
                && weight.is_none_or(|weight| line["weight"] == weight)
        };
        lines.iter().filter(is).count()
    }

    fn until(&self, event: &str, endpoint: &str, weight: Option<f64>) {
        until(&format!("{event} of {endpoint}"), || {
            self.count(event, endpoint, weight) > 0
        });
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ends two seconds after it was told to.
const SLOW: &str = "trap 'sleep 2; exit 0' TERM; while :; do sleep 1000 & wait; done";

fn runs(engine: &Engine, name: &str, labels: &[&str], script: &str) {
    let run = ["run", "-d", "--name", name, "--network", "back"];
    let port = ["--label", "berth.port=80"];
    engine.done(&[&run, &port[..], labels, &["bb:1", "sh", "-c", script]].concat());
}

pub(crate) fn containers_with_a_service_are_followed() {
    let mut engine = Engine::start("discover");
    engine.done(&["network", "create", "back"]);
    let web = ["--label", "berth.service=web"];
    runs(&engine, "web-1", &web, SLOW);
    runs(&engine, "other", &[], SLOW);
    let driver = Driver::start(&engine);
    driver.until("weight", "web-1", Some(100.0));
    runs(&engine, "web-2", &web, SLOW);
    driver.until("weight", "web-2", Some(100.0));
    assert_eq!(driver.count("register", "other", None), 0);
    // It is given nothing from when it is told to end, before it has.
    let stop = std::thread::scope(|scope| {
        let stop = scope.spawn(|| engine.done(&["stop", "-t", "20", "web-1"]));
        driver.until("weight", "web-1", Some(0.0));
        let running = engine.done(&["inspect", "-f", "{{.State.Running}}", "web-1"]);
        (stop.join().is_ok(), running)
    });
    assert_eq!(stop, (true, "true".to_owned()));
    driver.until("deregister", "web-1", None);
    engine.done(&["pause", "web-2"]);
    driver.until("weight", "web-2", Some(0.0));
    engine.done(&["unpause", "web-2"]);
    until("web-2 is back", || {
        driver.count("weight", "web-2", Some(100.0)) > 1
    });
    // What begins while the driver has no events is found when they are back.
    engine.kill();
    engine.again();
    runs(&engine, "web-3", &web, SLOW);
    driver.until("weight", "web-3", Some(100.0));
}
