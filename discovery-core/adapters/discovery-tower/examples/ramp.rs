//! A server that admits more and more, and a client that gives a new endpoint more and more: `cargo run -p discovery-tower --example ramp`.

use discovery_core::Timestamp;
use discovery_core::health::CallOutcome;
use discovery_core::pick::{P2c, PeakEwma};
use discovery_core::warm_up::{Admission, AdmissionRules, Curve, WarmUp};
use discovery_tower::{AdmissionLayer, Balance, Policy};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tower::{Layer as _, Service as _, service_fn};

type Answer = Response<Full<Bytes>>;

/// How long the ramp takes.
const RAMP: Duration = Duration::from_secs(2);

fn text(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// Serves its name. While it is cold it lets in 100 requests a second, later 1,000.
async fn serve(name: &'static str) -> SocketAddr {
    let curve = Curve::Linear { cold_percent: 10 };
    let rules = AdmissionRules::new(RAMP, curve)
        .with_rate(1_000)
        .with_burst(10);
    let admission = Admission::new(rules, Timestamp::ZERO).expect("rules in range");
    let refused = || Ok::<_, Infallible>(text(StatusCode::SERVICE_UNAVAILABLE, "cold"));
    let own = service_fn(move |_: Request<Incoming>| async move { Ok(text(StatusCode::OK, name)) });
    let service = AdmissionLayer::new(admission, refused).layer(own);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A refusal and a lost connection are tried again elsewhere: what is asked for changes nothing.
struct Reads;

impl Policy<SocketPath, Response<Incoming>, Error> for Reads {
    fn outcome(&self, result: &Result<Response<Incoming>, Error>) -> CallOutcome {
        match result {
            Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {
                CallOutcome::Gateway
            }
            Ok(response) if response.status().is_server_error() => CallOutcome::Error,
            Ok(_) => CallOutcome::Ok,
            Err(_) => CallOutcome::Local,
        }
    }

    fn again(&self, request: &SocketPath) -> Option<SocketPath> {
        Some(request.clone())
    }
}

/// What is asked of whichever endpoint.
#[derive(Clone)]
struct SocketPath(&'static str);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let (mut balance, endpoints) = Balance::new(P2c::new(&[], PeakEwma::default(), 7), Reads);
    for (name, warm_up) in [("old", WarmUp::Off), ("new", WarmUp::envoy(RAMP))] {
        let (address, client) = (serve(name).await, client.clone());
        let endpoint = service_fn(move |SocketPath(path): SocketPath| {
            let uri = format!("http://{address}{path}");
            let request = Request::get(uri).body(Full::default()).expect("a request");
            client.clone().call(request)
        });
        let endpoint = tower::util::BoxCloneService::new(endpoint);
        endpoints.insert_cold(name, endpoint, 100_000, warm_up);
    }
    for half_second in 1..=5 {
        let mut of_new = 0;
        for _ in 0..100 {
            let response = balance.call(SocketPath("/")).await.expect("an answer");
            let body = response.into_body().collect().await.expect("a body");
            of_new += usize::from(body.to_bytes() == "new");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!(
            "{:.1} s: the new one was given {of_new} of 100",
            f64::from(half_second) / 2.0
        );
    }
}
