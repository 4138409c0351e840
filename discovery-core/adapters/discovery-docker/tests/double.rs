//! The source against a double of an engine: lists, events, disconnects, and answers that no engine gives.

use discovery_core::driver::Source as _;
use discovery_core::{Engine, Timestamp};
use discovery_docker::{DockerSource, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

/// An engine's containers by id, and who listens to its events. A message of an event ends the stream where it is empty.
#[derive(Clone)]
struct Double {
    socket: Arc<Socket>,
    containers: Arc<Mutex<BTreeMap<String, String>>>,
    events: broadcast::Sender<String>,
}

const ID: [&str; 3] = ["aa01", "aa02", "aa03"];

fn container(name: &str, service: &str, address: &str, started_at: &str) -> String {
    format!(
        r#"{{"Name":"/{name}","State":{{"Running":true,"StartedAt":"{started_at}"}},"Config":{{"Labels":{{"berth.service":"{service}","berth.port":"80"}}}},
        "NetworkSettings":{{"Networks":{{"front":{{"IPAddress":"{address}"}}}}}}}}"#
    )
}

fn event(action: &str, id: &str) -> String {
    format!(
        r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"berth.service":"x","signal":"15"}}}}}}"#
    )
}

impl Double {
    fn start(name: &str) -> Self {
        let socket =
            std::env::temp_dir().join(format!("discovery-docker-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (events, _) = broadcast::channel(64);
        let double = Self {
            socket: Arc::new(Socket(socket)),
            containers: Arc::default(),
            events,
        };
        let served = double.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        double
    }

    fn put(&self, id: &str, json: String) {
        self.containers.lock().unwrap().insert(id.into(), json);
    }

    fn remove(&self, id: &str) {
        self.containers.lock().unwrap().remove(id);
    }

    fn tell(&self, event: String) {
        // Nobody may listen.
        let _ = self.events.send(event);
    }

    async fn serve(self, mut stream: UnixStream) {
        let mut heard = Vec::new();
        loop {
            while let Some(end) = heard.windows(4).position(|w| w == b"\r\n\r\n") {
                let request = String::from_utf8_lossy(&heard[..end]).into_owned();
                heard.drain(..end + 4);
                let path = request.split(' ').nth(1).unwrap_or_default();
                if path.starts_with("/events") {
                    return self.stream_events(stream).await;
                }
                let (status, body) = self.answer(path);
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all((head + &body).as_bytes()).await.is_err() {
                    return;
                }
            }
            let mut more = [0; 4096];
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => return,
                Ok(n) => heard.extend(&more[..n]),
            }
        }
    }

    fn answer(&self, path: &str) -> (&'static str, String) {
        let containers = self.containers.lock().unwrap();
        if path == "/info" {
            return ("200 OK", r#"{"Name":"host1"}"#.into());
        }
        if path.starts_with("/containers/json") {
            let ids = containers.keys().map(|id| format!(r#"{{"Id":"{id}"}}"#));
            return ("200 OK", format!("[{}]", ids.collect::<Vec<_>>().join(",")));
        }
        let id = path.split('/').nth(2).unwrap_or_default();
        match containers.get(id) {
            Some(json) if json.is_empty() => ("500 Internal Server Error", "{}".into()),
            Some(json) => ("200 OK", json.clone()),
            None => ("404 Not Found", r#"{"message":"No such container"}"#.into()),
        }
    }

    async fn stream_events(self, mut stream: UnixStream) {
        let mut events = self.events.subscribe();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        while let Ok(event) = events.recv().await {
            if event.is_empty() {
                return;
            }
            // In two pieces, as a busy engine may send it.
            let (one, other) = event.split_at(event.len() / 2);
            for piece in [one, other, "\n"] {
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                if stream.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Goes with the last who has it.
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An engine of ours that follows a double.
struct World {
    source: DockerSource,
    engine: Engine,
    now: u64,
    said: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(double: &Double) -> Self {
        let said = Arc::<Mutex<Vec<String>>>::default();
        let say = Arc::clone(&said);
        let source = DockerSource::start(&double.socket.0, Settings::default(), move |problem| {
            say.lock().unwrap().push(problem.into());
        });
        Self {
            source,
            engine: Engine::new(7),
            now: 0,
            said,
        }
    }

    /// `NAME SERVICE ADDRESS NODE CONDITION` of each endpoint.
    fn endpoints(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (service, service_name) in self.engine.services() {
            for (id, _) in self.engine.endpoints(service) {
                let e = self.engine.endpoint(id).expect("one that is there");
                let condition = match (e.conditions.ready, e.conditions.terminating) {
                    (true, _) => "ready",
                    (_, true) => "terminating",
                    _ => "waits",
                };
                let node = self.engine.node_name(e.node).unwrap_or_default();
                all.push(format!(
                    "{} {service_name} {} {node} {condition}",
                    e.name, e.address
                ));
            }
        }
        all.sort();
        all
    }

    /// Waits until something that begins so is said to be wrong.
    async fn says(&self, problem: &str) {
        for _ in 0..500 {
            let said = self.said.lock().unwrap().clone();
            if said.iter().any(|said| said.starts_with(problem)) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("want {problem:?}; {:?}", self.said.lock().unwrap());
    }

    /// Follows until the endpoints are these.
    async fn until(&mut self, wanted: &[&str]) {
        for _ in 0..100 {
            if self.endpoints() == wanted {
                return;
            }
            if timeout(Duration::from_millis(200), self.source.wait())
                .await
                .is_ok()
            {
                self.now += 1;
                let refused = self.source.tell(
                    &mut self.engine,
                    Timestamp::from_secs(self.now),
                    &mut Vec::new(),
                );
                assert!(refused.is_empty(), "{refused:?}");
            }
        }
        panic!(
            "want {wanted:?}, have {:?}; {:?}",
            self.endpoints(),
            self.said.lock().unwrap()
        );
    }
}

const ONE: &str = "web-1 web 10.9.0.1:80 host1 ready";
const TWO: &str = "web-2 web 10.9.0.2:80 host1 ready";

#[tokio::test]
async fn containers_are_followed_by_events() {
    let double = Double::start("events");
    double.put(ID[0], container("web-1", "web", "10.9.0.1", "1"));
    let mut world = World::new(&double);
    world.until(&[ONE]).await;
    double.put(ID[1], container("web-2", "web", "10.9.0.2", "1"));
    double.tell(event("start", ID[1]));
    world.until(&[ONE, TWO]).await;
    double.tell(event("kill", ID[0]));
    world
        .until(&["web-1 web 10.9.0.1:80 host1 terminating", TWO])
        .await;
    // It begins again, elsewhere.
    double.put(ID[0], container("web-1", "web", "10.9.0.9", "2"));
    double.tell(event("start", ID[0]));
    world
        .until(&["web-1 web 10.9.0.9:80 host1 ready", TWO])
        .await;
    double.remove(ID[1]);
    double.tell(event("destroy", ID[1]));
    world.until(&["web-1 web 10.9.0.9:80 host1 ready"]).await;
}

#[tokio::test]
async fn what_happens_while_the_events_are_away_is_listed() {
    let double = Double::start("away");
    double.put(ID[0], container("web-1", "web", "10.9.0.1", "1"));
    let mut world = World::new(&double);
    world.until(&[ONE]).await;
    double.put(ID[1], container("web-2", "web", "10.9.0.2", "1"));
    double.remove(ID[0]);
    double.tell(String::new());
    world.until(&[TWO]).await;
    assert!(
        world
            .said
            .lock()
            .unwrap()
            .iter()
            .any(|s| s.contains("events"))
    );
}

#[tokio::test]
async fn an_engine_that_is_not_there_yet_changes_nothing_and_is_waited_for() {
    let double = Double::start("later");
    double.put(ID[0], container("web-1", "web", "10.9.0.1", "1"));
    let away = double.socket.0.with_extension("away");
    std::fs::rename(&double.socket.0, &away).expect("a rename");
    let mut world = World::new(&double);
    assert!(
        timeout(Duration::from_millis(300), world.source.wait())
            .await
            .is_err()
    );
    std::fs::rename(&away, &double.socket.0).expect("a rename");
    world.until(&[ONE]).await;
    // The same problem is told once.
    assert_eq!(world.said.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_container_stops_no_other() {
    let double = Double::start("bad");
    double.put(ID[0], container("web-1", "web", "10.9.0.1", "1"));
    double.put(ID[1], container("web-2", "web", "nowhere", "1"));
    let mut world = World::new(&double);
    world.until(&[ONE]).await;
    world.says("container \"web-2\": it has no address").await;
    // Nor does one that the engine itself can't tell of, or tells nonsense of.
    double.put(ID[1], String::new());
    double.tell(event("start", ID[1]));
    world.says("container \"aa02\": status 500").await;
    double.put(ID[1], "null".into());
    double.tell(event("start", ID[1]));
    world.says("container \"aa02\": invalid type: null").await;
    // Events that are none end the stream, and all is listed.
    double.put(ID[1], container("web-2", "web", "10.9.0.2", "1"));
    double.tell("no event".into());
    world.until(&[ONE, TWO]).await;
}

#[tokio::test]
async fn a_name_moves_to_another_service() {
    let double = Double::start("moves");
    double.put(ID[0], container("web-1", "web", "10.9.0.1", "1"));
    let mut world = World::new(&double);
    world.until(&[ONE]).await;
    double.remove(ID[0]);
    double.put(ID[2], container("web-1", "shop", "10.9.0.1", "2"));
    double.tell(event("start", ID[2]));
    double.tell(event("destroy", ID[0]));
    world.until(&["web-1 shop 10.9.0.1:80 host1 ready"]).await;
}
