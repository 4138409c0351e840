//! `XdsServer` beside a client of another make, over a connection.
#![cfg(feature = "xds")]

use discovery_core::{EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use discovery_proxy::{Assignments, Proxy as _, XdsServer};
use prost::Message;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};
use tonic_prost::ProstCodec;

const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const SERVICE: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService";
/// Longer than anything takes that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, PartialEq, Message)]
struct DeltaRequest {
    #[prost(string, tag = "2")]
    type_url: String,
    #[prost(string, repeated, tag = "3")]
    subscribe: Vec<String>,
    #[prost(string, tag = "6")]
    nonce: String,
}

#[derive(Clone, PartialEq, Message)]
struct DeltaResponse {
    #[prost(message, repeated, tag = "2")]
    resources: Vec<Resource>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(string, tag = "3")]
    name: String,
}

/// An engine with one endpoint of this weight in each service.
fn assignments(services: usize, weight: u32) -> Assignments {
    let mut engine = Engine::new(7);
    for i in 0..services {
        let service = engine.service(&format!("s{i}"), ServiceConfig::default());
        let place = (engine.node("n"), engine.zone("a"), engine.region("north"));
        let (Ok(service), (Ok(node), Ok(zone), Ok(region))) = (service, place) else {
            panic!("names are good");
        };
        let spec = EndpointSpec::new(service, node, zone, region, ([10, 0, 0, 1], 80).into());
        let spec = spec.with_base_weight(weight);
        let name = &format!("e{i}");
        let input = Input::Upsert { name, spec };
        let taken = engine.handle(Timestamp::ZERO, input, &mut Vec::new());
        taken.expect("taken");
    }
    Assignments::of(&engine)
}

async fn connected(server: &XdsServer) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address()));
    endpoint
        .expect("a URL")
        .connect()
        .await
        .expect("it listens")
}

/// A stream that asks for endpoints of these services first.
async fn stream(
    channel: &Channel,
    method: &str,
    names: &[&str],
) -> Result<(mpsc::Sender<DeltaRequest>, Streaming<DeltaResponse>), tonic::Status> {
    let (ask, requests) = mpsc::channel(100);
    let first = DeltaRequest {
        type_url: ENDPOINTS.into(),
        subscribe: names.iter().map(|n| (*n).to_owned()).collect(),
        ..Default::default()
    };
    ask.send(first).await.expect("room");
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("connected");
    let path: PathAndQuery = format!("{SERVICE}/{method}").parse().expect("a path");
    let codec = ProstCodec::<DeltaRequest, DeltaResponse>::default();
    let requests = Request::new(ReceiverStream::new(requests));
    let responses = grpc.streaming(requests, path, codec).await?;
    Ok((ask, responses.into_inner()))
}

async fn deltas(
    channel: &Channel,
    names: &[&str],
) -> (mpsc::Sender<DeltaRequest>, Streaming<DeltaResponse>) {
    let stream = stream(channel, "DeltaAggregatedResources", names).await;
    stream.expect("it is served")
}

async fn next(responses: &mut Streaming<DeltaResponse>) -> DeltaResponse {
    let next = timeout(LIMIT, responses.message()).await.expect("in time");
    next.expect("no failure").expect("no end")
}

fn in_a_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn nothing_is_told_before_it_is_known_and_then_to_all() {
    in_a_runtime(async {
        let mut server = XdsServer::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let channel = connected(&server).await;
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(deltas(&channel, &["s0"]).await);
        }
        let early = timeout(Duration::from_millis(100), streams[0].1.message()).await;
        assert!(early.is_err(), "{early:?}");
        server.sync(&assignments(2, 1)).await.expect("taken");
        let mut versions = Vec::new();
        for (_, responses) in &mut streams {
            let told = next(responses).await;
            assert_eq!(told.type_url, ENDPOINTS);
            assert_eq!(told.resources[0].name, "s0");
            versions.push(told.resources[0].version.clone());
        }
        versions.dedup();
        assert_eq!(versions.len(), 1);
        server.sync(&assignments(2, 2)).await.expect("taken");
        for (_, responses) in &mut streams {
            assert_ne!(next(responses).await.resources[0].version, versions[0]);
        }
        assert_eq!(server.counts().now().streams, 100);
        // Its clients are told that it ends.
        drop(server);
        for (_, mut responses) in streams {
            let end = timeout(LIMIT, responses.message()).await.expect("in time");
            assert_eq!(end.expect_err("it ends").code(), Code::Unavailable);
        }
    });
}

#[test]
fn who_does_not_read_is_told_the_newest_later_and_holds_up_nobody() {
    in_a_runtime(async {
        let mut server = XdsServer::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let channel = connected(&server).await;
        let names: Vec<String> = (0..200).map(|i| format!("s{i}")).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        server.sync(&assignments(200, 1)).await.expect("taken");
        let (_ask, mut slow) = deltas(&channel, &names).await;
        let reader = connected(&server).await;
        let (_ask2, mut quick) = deltas(&reader, &["s0"]).await;
        let mut last = next(&mut quick).await;
        for weight in 2..500 {
            server.sync(&assignments(200, weight)).await.expect("taken");
            last = next(&mut quick).await;
        }
        let sent = server.counts().now().responses;
        // Windows of HTTP/2 hold some, and one waits; the rest was never made.
        assert!(sent < 499 + 250, "{sent} responses");
        let newest = &last.resources[0].version;
        let mut read = 0;
        loop {
            let told = next(&mut slow).await;
            read += 1;
            let first = told.resources.iter().find(|r| r.name == "s0");
            if first.is_some_and(|r| r.version == *newest) {
                break;
            }
            assert!(read < 250, "the newest has not come");
        }
    });
}

#[test]
fn mistakes_are_refused_by_their_status() {
    in_a_runtime(async {
        let mut server = XdsServer::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        server.sync(&assignments(1, 1)).await.expect("taken");
        let channel = connected(&server).await;
        let refused = stream(&channel, "FetchResources", &[]).await;
        assert_eq!(refused.expect_err("none").code(), Code::Unimplemented);
        let (ask, mut responses) = deltas(&channel, &["s0"]).await;
        next(&mut responses).await;
        ask.send(DeltaRequest::default()).await.expect("room");
        let end = timeout(LIMIT, responses.message()).await.expect("in time");
        assert_eq!(end.expect_err("no type").code(), Code::InvalidArgument);
        // Another stream of the same connection is as good as before.
        let (_ask, mut responses) = deltas(&channel, &["s0"]).await;
        assert_eq!(next(&mut responses).await.resources.len(), 1);
        let taken = XdsServer::bind(server.address());
        assert!(taken.is_err(), "the address is taken");
    });
}
