//! `berth ipam kube` as a process, against a double of the API server on loopback.

use kube_double::{Double, Fault};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use test_support::etcd::temporary_folder;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(90);
const LEASE: &str = "ipam.berth.dev/lease";

/// A store, and a cluster that is a double.
struct World {
    folder: PathBuf,
    store: String,
    double: Double,
}

impl World {
    fn new() -> Self {
        let folder = temporary_folder();
        let store = format!("redb:{}", folder.join("addresses.redb").display());
        let double = Double::new();
        let (serves, address) = channel::<SocketAddr>();
        let served = double.clone();
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                serves.send(listener.local_addr().unwrap()).unwrap();
                served.listen(listener).await;
            });
        });
        let server = format!("http://{}", address.recv().unwrap());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        });
        std::fs::write(folder.join("kubeconfig"), config.to_string()).unwrap();
        let world = Self {
            folder,
            store,
            double,
        };
        let added = world
            .berth(&["pool", "add", "p", "10.9.0.0/24", "--quarantine", "0s"])
            .output();
        assert!(added.unwrap().status.success());
        world
    }

    fn berth(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command
            .args(["ipam", "--store", &self.store, "--json"])
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    fn show(&self) -> Value {
        let shown = self.berth(&["show"]).output().unwrap();
        serde_json::from_slice(&shown.stdout).unwrap()
    }

    fn start(&self, args: &[&str]) -> Service {
        let config = self.folder.join("kubeconfig");
        let common = [
            "kube",
            "--kubeconfig",
            config.to_str().unwrap(),
            "--metrics",
            "127.0.0.1:0",
        ];
        let mut command = self.berth(&[&common, args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("berth runs");
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let (say, said) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| say.send(line).is_ok())
        });
        Service {
            process,
            said,
            heard: Vec::new(),
        }
    }

    /// Waits until a pod was told its address.
    fn address(&self, pod: &str) -> String {
        let start = Instant::now();
        loop {
            let object = self.double.get("pods", "shop", pod).unwrap();
            if let Some(lease) = object["metadata"]["annotations"][LEASE].as_str() {
                let lease: Value = serde_json::from_str(lease).unwrap();
                return lease["addresses"][0]["address"]
                    .as_str()
                    .unwrap()
                    .to_owned();
            }
            assert!(start.elapsed() < LIMIT, "{pod} is told nothing: {object}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stateful_set_pod(&self, ordinal: u32) {
        let set = self.double.get("statefulsets", "shop", "web").unwrap();
        self.double.apply("pods", json!({
            "metadata": {"namespace": "shop", "name": format!("web-{ordinal}"), "ownerReferences": [{
                "kind": "StatefulSet", "name": "web", "uid": set["metadata"]["uid"], "controller": true,
            }]},
            "spec": {"nodeName": "h1"},
        }));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Service {
    process: Child,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Service {
    fn hear(&mut self, what: &str) -> String {
        let start = Instant::now();
        loop {
            let line = self
                .said
                .recv_timeout(LIMIT.saturating_sub(start.elapsed()));
            let line = line.unwrap_or_else(|e| panic!("{what}: {e}: {:#?}", self.heard));
            self.heard.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Ends it in order; its answer.
    fn end(mut self) -> Value {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        let mut text = String::new();
        self.process
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {:#?}", self.heard);
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn metrics(url: &str) -> String {
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn controller_serves_a_cluster_and_gives_the_lease_up_at_the_end() {
    let world = World::new();
    world.double.apply("statefulsets", json!({"metadata": {
        "namespace": "shop", "name": "web", "annotations": {"ipam.berth.dev/retention": "fixed"},
    }}));
    world.stateful_set_pod(0);
    let mut first = world.start(&["--collect", "100ms"]);
    let url = first
        .hear("metrics on ")
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    first.hear("leads");
    let address = world.address("web-0");
    assert!(
        address.starts_with("10.9.0.") && address.ends_with("/24"),
        "{address}"
    );
    let shown = world.show();
    assert!(
        shown["claims"][0]["owner"]
            .as_str()
            .unwrap()
            .starts_with("kube/shop/web-0/"),
        "{shown}"
    );
    world.double.put_raw(
        "pods",
        "shop",
        "odd",
        json!({"metadata": {"namespace": "shop", "name": "odd", "uid": 7}}),
    );
    first.hear("passed over: Pod shop/odd: metadata.uid: want a name, got 7");
    let text = metrics(&url);
    for line in [
        "berth_ipam_kube_leads 1",
        "berth_ipam_kube_effects_total{name=\"claim\"} 1",
        "berth_ipam_kube_malformed_total 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let answer = first.end();
    assert_eq!(
        (&answer["cluster"], &answer["claims"]),
        (&json!("kube"), &json!(1))
    );
    let lease = world
        .double
        .get("leases", "kube-system", "berth-ipam")
        .unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "");
    // The next one need not wait, and knows what the first one left.
    let mut second = world.start(&[]);
    second.hear("leads");
    world.double.delete("pods", "shop", "web-0");
    world.stateful_set_pod(0);
    assert_eq!(world.address("web-0"), address);
    second.end();
}

#[test]
fn mistakes_are_told() {
    let world = World::new();
    let run = |args: &[&str]| {
        let output = world.berth(args).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, said) = run(&["kube", "--kubeconfig", "/nowhere"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
    let (status, said) = run(&["kube", "--cluster", "a/b"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("cannot name a cluster"), "{said}");
    let (status, _) = run(&["kube", "--lease", "berth"]);
    assert_eq!(status, Some(2));
}

#[test]
fn server_that_refuses_is_told_of() {
    let world = World::new();
    for plural in ["pods", "statefulsets", "deployments", "replicasets"] {
        world
            .double
            .fault(Fault::on("list", plural).times(usize::MAX).status(403));
    }
    let mut service = world.start(&[]);
    service.hear("watch: ");
    let heard = service.heard.join("\n");
    assert!(
        heard.contains("Forbidden") || heard.contains("403"),
        "{heard}"
    );
    service.end();
}
