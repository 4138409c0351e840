//! A real Consul on loopback.

use discovery_consul::Consul;
use discovery_core::driver::Sink as _;
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use discovery_proxy::{Assignments, Proxy as _, ProxySink, Synced};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use test_support::proxies::{CONSUL, Consul as Server, start_consul};
use test_support::running::until;

test_support::tests! {
    endpoints_follow_the_engine_and_others_stay [CONSUL],
    a_memory_that_was_lost_empties_no_registry [CONSUL],
    thousands_are_written_by_transactions [CONSUL],
    changes_are_written_at_once_and_after_an_outage [CONSUL],
    what_others_change_is_told_by_consul [CONSUL],
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    let head = format!(
        "{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(" 200 "), "{answer}");
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// The service as those who look for it see it: id, address, port, weight, whether it passes.
fn seen(server: &Server, service: &str) -> Vec<(String, String, u64, bool)> {
    let all = ask(
        server,
        "GET",
        &format!("/v1/health/service/{service}"),
        &Value::Null,
    );
    let entry = |entry: &Value| {
        let checks = entry["Checks"].as_array().expect("checks");
        let service = &entry["Service"];
        (
            service["ID"].as_str().expect("an id").to_owned(),
            format!(
                "{}:{}",
                service["Address"].as_str().expect("one"),
                service["Port"]
            ),
            service["Weights"]["Passing"].as_u64().expect("a weight"),
            checks.iter().all(|check| check["Status"] == "passing"),
        )
    };
    let mut all: Vec<_> = all.as_array().expect("a list").iter().map(entry).collect();
    all.sort();
    all
}

fn add(engine: &mut Engine, service: &str, name: &str, port: u16, out: &mut Vec<Effect>) {
    let service = engine
        .service(service, ServiceConfig::default())
        .expect("a service");
    let place = (engine.node("n"), engine.zone("a"), engine.region("north"));
    let (Ok(node), Ok(zone), Ok(region)) = place else {
        panic!("{place:?}");
    };
    let spec = EndpointSpec::new(service, node, zone, region, ([10, 0, 0, 1], port).into());
    engine
        .handle(Timestamp::ZERO, Input::Upsert { name, spec }, out)
        .expect("taken");
}

fn engine(count: u16) -> Engine {
    let mut engine = Engine::new(7);
    for i in 0..count {
        add(
            &mut engine,
            "web",
            &format!("web-{i}"),
            8000 + i,
            &mut Vec::new(),
        );
    }
    engine
}

fn sync(consul: &mut Consul, engine: &Engine) -> Result<Synced, String> {
    let wanted = Assignments::of(engine);
    block(consul.sync(&wanted)).map_err(|e| e.to_string())
}

fn row(i: u16, weight: u64, passes: bool) -> (String, String, u64, bool) {
    (
        format!("web-{i}"),
        format!("10.0.0.1:{}", 8000 + i),
        weight,
        passes,
    )
}

fn endpoints_follow_the_engine_and_others_stay() {
    let server = start_consul();
    let mut consul = Consul::new(&format!("http://{}", server.address)).expect("a URL");
    let mut engine = engine(3);
    assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 3 }));
    assert_eq!(
        seen(&server, "web"),
        [row(0, 100, true), row(1, 100, true), row(2, 100, true)]
    );
    assert_eq!(
        sync(&mut consul, &engine),
        Ok(Synced::Done { changes: 0 }),
        "nothing to do"
    );
    // Somebody else's, one of them under our node.
    let theirs = json!({"Node": "berth", "Address": "127.0.0.1", "SkipNodeUpdate": true, "Service": {"ID": "theirs", "Service": "web", "Address": "10.9.9.9", "Port": 1}});
    ask(&server, "PUT", "/v1/catalog/register", &theirs);
    let drain = Input::DrainName {
        name: "web-0",
        on: true,
    };
    engine
        .handle(Timestamp::ZERO, drain, &mut Vec::new())
        .expect("drained");
    engine
        .handle(
            Timestamp::ZERO,
            Input::Remove { name: "web-1" },
            &mut Vec::new(),
        )
        .expect("gone");
    assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 2 }));
    let now = seen(&server, "web");
    assert!(
        now.contains(&row(0, 1, false)) && now.contains(&row(2, 100, true)),
        "{now:?}"
    );
    assert!(
        now.iter().any(|e| e.0 == "theirs") && now.len() == 3,
        "{now:?}"
    );
    // Somebody wrote over ours: it is written again.
    let over = json!({"Node": "berth", "Address": "127.0.0.1", "SkipNodeUpdate": true, "Service": {"ID": "web-2", "Service": "web", "Address": "10.9.9.9", "Port": 1, "Meta": {"berth-owner": "berth"}}});
    ask(&server, "PUT", "/v1/catalog/register", &over);
    assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 1 }));
    assert!(seen(&server, "web").contains(&row(2, 100, true)));
    // A name that is theirs is left to them, and told of.
    add(&mut engine, "web", "theirs", 9, &mut Vec::new());
    let told = sync(&mut consul, &engine).expect_err("told");
    assert!(told.contains("another owner"), "{told}");
    assert!(seen(&server, "web").iter().any(|e| e.1 == "10.9.9.9:1"));
}

fn a_memory_that_was_lost_empties_no_registry() {
    let server = start_consul();
    let new = || Consul::new(&format!("http://{}", server.address)).expect("a URL");
    sync(&mut new(), &engine(10)).expect("written");
    // Another process that has heard of two so far.
    let mut consul = new();
    let told = sync(&mut consul, &engine(2)).expect_err("told");
    assert!(told.contains("8 entries"), "{told}");
    assert_eq!(seen(&server, "web").len(), 10);
    // What it has heard of goes as ever.
    sync(&mut consul, &engine(10)).expect("nothing");
    assert_eq!(
        sync(&mut consul, &engine(2)),
        Ok(Synced::Done { changes: 8 })
    );
    assert_eq!(seen(&server, "web").len(), 2);
}

fn thousands_are_written_by_transactions() {
    let server = start_consul();
    let mut consul = Consul::new(&format!("http://{}", server.address)).expect("a URL");
    assert_eq!(
        sync(&mut consul, &engine(2_000)),
        Ok(Synced::Done { changes: 2_000 })
    );
    assert_eq!(seen(&server, "web").len(), 2_000);
    assert_eq!(
        sync(&mut consul, &engine(1_500)),
        Ok(Synced::Done { changes: 500 })
    );
    assert_eq!(seen(&server, "web").len(), 1_500);
}

fn changes_are_written_at_once_and_after_an_outage() {
    let mut server = start_consul();
    block(async {
        let mut engine = engine(1);
        let consul = Consul::new(&format!("http://{}", server.address)).expect("a URL");
        let (mut sink, task) = ProxySink::start(consul, &engine, Box::new(|_, _| ()));
        let wait = async |server: &Server, count: usize| {
            for _ in 0..400 {
                if seen(server, "web").len() == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            panic!("{:?}", seen(server, "web"));
        };
        wait(&server, 1).await;
        let mut effects = Vec::new();
        add(&mut engine, "web", "web-1", 8001, &mut effects);
        sink.take(&engine, Timestamp::ZERO, &effects, 0);
        sink.carry_out().await;
        wait(&server, 2).await;
        // It has lost everything (an agent in development mode keeps nothing).
        server.restart();
        until("it answers", || TcpStream::connect(&server.address).is_ok());
        effects.clear();
        add(&mut engine, "web", "web-2", 8002, &mut effects);
        sink.take(&engine, Timestamp::ZERO, &effects, 0);
        sink.carry_out().await;
        wait(&server, 3).await;
        drop(sink);
        task.await.expect("no panic");
    });
}

/// Without any look in between: the test waits for Consul's word.
fn what_others_change_is_told_by_consul() {
    let server = start_consul();
    let mut consul = Consul::new(&format!("http://{}", server.address)).expect("a URL");
    let engine = engine(3);
    assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 3 }));
    assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 0 }));
    let quiet = async { tokio::time::timeout(Duration::from_millis(500), consul.changed()).await };
    assert!(block(quiet).is_err(), "nobody changed anything");
    for removed in [
        json!({"Node": "berth", "ServiceID": "web-1"}),
        json!({"Node": "berth", "CheckID": "berth:web-2"}),
    ] {
        let told = std::thread::scope(|scope| {
            let told = scope.spawn(|| {
                block(async {
                    tokio::time::timeout(Duration::from_secs(20), consul.changed()).await
                })
            });
            ask(&server, "PUT", "/v1/catalog/deregister", &removed);
            told.join().expect("no panic")
        });
        assert!(told.is_ok(), "{removed}");
        assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 1 }));
        assert_eq!(sync(&mut consul, &engine), Ok(Synced::Done { changes: 0 }));
    }
}
