//! Probes against real servers on loopback, as an engine asks for them.

mod world;

use discovery_core::health::{CheckKind, HealthCheck, Status};
use discovery_probe::Limits;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use test_support::proxies::Backend;
use world::{World, http};

const LIMIT: Duration = Duration::from_secs(20);

/// A server that answers every connection with these bytes and leaves it open.
fn says(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
            open.push(stream);
        }
    });
    address
}

async fn status(kind: CheckKind, address: SocketAddr) -> Status {
    let check = HealthCheck::new(kind).with_timeout(Duration::from_millis(300));
    let mut world = World::new(check, &[address], Limits::default());
    let known = |world: &World| world.status(0) != Status::Unknown;
    world.until(LIMIT, known).await;
    world.status(0)
}

#[tokio::test]
async fn http_answers_decide() {
    let backend = Backend::start();
    let address = backend.address;
    assert_eq!(status(http("/health"), address).await, Status::Passing);
    backend.is_well(false);
    assert_eq!(status(http("/health"), address).await, Status::Failing);
    assert_eq!(status(http("/"), address).await, Status::Passing);
    let degraded = b"HTTP/1.1 200 OK\r\nx-envoy-degraded: 1\r\ncontent-length: 0\r\n\r\n";
    for (said, expected) in [
        (&b"HTTP/1.1 204 No Content\r\n\r\n"[..], Status::Passing),
        (degraded, Status::Degraded),
        (
            b"HTTP/1.1 301 Moved\r\nlocation: /\r\n\r\n",
            Status::Failing,
        ),
        (b"HTTP/1.1 200 OK\r\nno end", Status::Failing),
        (b"\x00\xff not HTTP at all\r\n\r\n", Status::Failing),
        (b"", Status::Failing),
    ] {
        assert_eq!(status(http("/"), says(said)).await, expected, "{said:?}");
    }
}

#[tokio::test]
async fn ports_that_are_closed_fail_and_open_ones_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    assert_eq!(status(CheckKind::Tcp, address).await, Status::Passing);
    drop(listener);
    assert_eq!(status(CheckKind::Tcp, address).await, Status::Failing);
}

#[tokio::test]
async fn paths_that_are_none_say_nothing_of_an_endpoint() {
    let backend = Backend::start();
    let check = HealthCheck::new(http("/a b\r\nx: y"));
    let mut world = World::new(check, &[backend.address], Limits::default());
    let bad = |world: &World| world.counts.now().bad_check == 1;
    world.until(LIMIT, bad).await;
    assert_eq!((world.status(0), backend.served()), (Status::Unknown, 0));
    let problem = world.counts.take_problem().expect("told");
    assert!(problem.contains("no spaces"), "{problem}");
}

/// A health server as gRPC's own are: one answer, then a status in trailers.
async fn grpc_server(status: u8) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut server = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, mut answers))) = server.accept().await {
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    let head = http::Response::builder().header("content-type", "application/grpc");
                    let head = head.body(()).expect("a head");
                    let mut body = answers.send_response(head, false).expect("answered");
                    let message = vec![0, 0, 0, 0, 2, 8, status];
                    body.send_data(message.into(), false).expect("sent");
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().expect("a value"));
                    body.send_trailers(trailers).expect("sent");
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn grpc_servers_say_whether_they_serve() {
    let kind = || CheckKind::Grpc {
        service: "shop.Cart".into(),
    };
    let serving = grpc_server(1).await;
    assert_eq!(status(kind(), serving).await, Status::Passing);
    let not_serving = grpc_server(2).await;
    assert_eq!(status(kind(), not_serving).await, Status::Failing);
    let backend = Backend::start();
    assert_eq!(status(kind(), backend.address).await, Status::Failing);
}

fn runs(command: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    processes.map(|p| p.path().join("cmdline")).any(|line| {
        let line = std::fs::read(line).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").trim() == command
    })
}

#[tokio::test]
async fn programs_are_told_the_endpoint_and_killed_at_their_deadline() {
    let address: SocketAddr = "192.0.2.7:81".parse().expect("an address");
    let exec = |script: &str| CheckKind::Exec {
        command: vec!["sh".into(), "-c".into(), script.into()],
    };
    let told =
        "test $BERTH_ADDRESS:$BERTH_PORT/$BERTH_SERVICE/$BERTH_ENDPOINT = 192.0.2.7:81/web/web-0";
    assert_eq!(status(exec(told), address).await, Status::Passing);
    assert_eq!(status(exec("exit 7"), address).await, Status::Failing);
    let sleeps = format!("sleep 600.{}", std::process::id());
    let late = exec(&format!("exec {sleeps}"));
    assert_eq!(status(late, address).await, Status::Failing);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!runs(&sleeps), "it was killed");
}

#[tokio::test]
async fn missed_turns_are_ours() {
    // Two endpoints that never answer share one turn: the second one's does not come before its deadline.
    let check = HealthCheck::new(http("/")).with_timeout(Duration::from_millis(300));
    let silent = [says(b""), says(b"")];
    let limits = Limits::default().with_connections(1);
    let mut world = World::new(check, &silent, limits);
    let over = |world: &World| world.counts.now().failed + world.counts.now().late >= 2;
    world.until(LIMIT, over).await;
    let counted = world.counts.now();
    assert!(counted.late >= 1, "{counted:?}");
    let statuses = [world.status(0), world.status(1)];
    assert!(statuses.contains(&Status::Unknown), "{statuses:?}");
}
