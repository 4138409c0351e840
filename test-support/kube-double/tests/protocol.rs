//! The double answers as the API's conventions tell.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube_double::{Double, Fault, Value};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const PODS: &str = "/api/v1/namespaces/shop/pods";

async fn send(
    double: &Double,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Response<Incoming> {
    let io = TokioIo::new(double.connect());
    let (mut sender, connection) = handshake(io).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let kind = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let body = body.map_or(String::new(), |b| b.to_string());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "x")
        .header("content-type", kind);
    sender
        .send_request(request.body(Full::new(Bytes::from(body))).unwrap())
        .await
        .unwrap()
}

async fn call(double: &Double, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let response = send(double, method, path, body).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The next line of a watch; nothing at its end.
async fn line(watch: &mut Response<Incoming>) -> Option<(String, Value)> {
    let frame = watch.body_mut().frame().await?.unwrap();
    let line: Value = serde_json::from_slice(frame.data_ref().unwrap()).unwrap();
    Some((
        line["type"].as_str().unwrap().to_owned(),
        line["object"].clone(),
    ))
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"namespace": "shop", "name": name}})
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_of_one_version() {
    let double = Double::new();
    for name in ["a", "b", "c"] {
        double.apply("pods", pod(name));
    }
    let (status, first) = call(&double, "GET", &format!("{PODS}?limit=2"), None).await;
    assert_eq!((status, first["items"].as_array().unwrap().len()), (200, 2));
    assert_eq!(first["kind"], "PodList");
    double.delete("pods", "shop", "c");
    let token = first["metadata"]["continue"].as_str().unwrap();
    let next = format!("{PODS}?limit=2&continue={token}");
    let (_, second) = call(&double, "GET", &next, None).await;
    assert_eq!(
        second["items"][0]["metadata"]["name"], "c",
        "as it was when the list began"
    );
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let (status, expired) = call(&double, "GET", &next, None).await;
    assert_eq!((status, expired["reason"].as_str()), (410, Some("Expired")));
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_happened_since_a_version() {
    let double = Double::new();
    double.apply("pods", pod("a"));
    let path =
        format!("{PODS}?watch=true&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=60");
    let mut watch = send(&double, "GET", &path, None).await;
    double.apply("pods", pod("b"));
    double.apply(
        "pods",
        json!({"metadata": {"namespace": "other", "name": "b"}}),
    );
    double.apply("pods", pod("a"));
    double.delete("pods", "shop", "b");
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let (kind, object) = line(&mut watch).await.unwrap();
        kinds.push((
            kind,
            object["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .to_owned(),
        ));
    }
    let right = [("ADDED", "2"), ("MODIFIED", "4"), ("DELETED", "5")];
    assert_eq!(kinds, right.map(|(k, v)| (k.to_owned(), v.to_owned())));
    double.bookmark("pods");
    assert_eq!(line(&mut watch).await.unwrap().0, "BOOKMARK");
    assert_eq!(
        line(&mut watch).await,
        None,
        "it lasts as long as was asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_a_compaction_is_told_to_list() {
    let double = Double::new();
    double.apply("pods", pod("a"));
    double.apply("pods", pod("b"));
    double.compact("pods");
    let mut watch = send(
        &double,
        "GET",
        &format!("{PODS}?watch=1&resourceVersion=1"),
        None,
    )
    .await;
    let (kind, status) = line(&mut watch).await.unwrap();
    assert_eq!((&*kind, status["code"].as_u64()), ("ERROR", Some(410)));
    assert_eq!(line(&mut watch).await, None);
}

#[tokio::test(start_paused = true)]
async fn writes_meet_conflicts() {
    let double = Double::new();
    let made = double.apply("pods", pod("a"));
    let path = format!("{PODS}/a");
    let patch = |version: &str, value: Value| json!({"metadata": {"resourceVersion": version, "annotations": {"k": value}}});
    let (status, patched) = call(&double, "PATCH", &path, Some(patch("1", "v".into()))).await;
    assert_eq!(
        (status, &patched["metadata"]["annotations"]["k"]),
        (200, &json!("v"))
    );
    assert_eq!(patched["metadata"]["uid"], made["metadata"]["uid"]);
    let (status, conflict) = call(&double, "PATCH", &path, Some(patch("1", "w".into()))).await;
    assert_eq!(
        (status, conflict["reason"].as_str()),
        (409, Some("Conflict"))
    );
    let other = json!({"metadata": {"uid": "another", "annotations": {"k": "w"}}});
    assert_eq!(call(&double, "PATCH", &path, Some(other)).await.0, 409);
    assert_eq!(
        call(&double, "PATCH", &path, Some(patch("2", 3.into())))
            .await
            .0,
        422
    );
    assert_eq!(
        call(&double, "PATCH", &format!("{PODS}/b"), Some(json!({})))
            .await
            .0,
        404
    );

    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
    let lease = json!({"metadata": {"name": "l"}, "spec": {}});
    let (status, made) = call(&double, "POST", leases, Some(lease.clone())).await;
    assert_eq!(
        (status, made["apiVersion"].as_str()),
        (201, Some("coordination.k8s.io/v1"))
    );
    let (status, there) = call(&double, "POST", leases, Some(lease.clone())).await;
    assert_eq!(
        (status, there["reason"].as_str()),
        (409, Some("AlreadyExists"))
    );
    assert_eq!(
        call(&double, "PUT", &format!("{leases}/l"), Some(lease))
            .await
            .0,
        422
    );
    assert_eq!(
        call(&double, "PUT", &format!("{leases}/l"), Some(made.clone()))
            .await
            .0,
        200
    );
    assert_eq!(
        call(&double, "PUT", &format!("{leases}/l"), Some(made))
            .await
            .0,
        409
    );
}

#[tokio::test(start_paused = true)]
async fn faults_strike_as_asked_and_calls_are_told() {
    let double = Double::new();
    double.apply("pods", pod("a"));
    double.fault(Fault::on("list", "pods").after(1).times(2).status(429));
    double.fault(Fault::on("patch", "pods").lost(504));
    double.fault(Fault::on("get", "pods").slow(Duration::from_secs(20)));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(call(&double, "GET", PODS, None).await.0);
    }
    assert_eq!(seen, [200, 429, 429, 200]);
    let patch = json!({"metadata": {"annotations": {"k": "v"}}});
    assert_eq!(
        call(&double, "PATCH", &format!("{PODS}/a"), Some(patch))
            .await
            .0,
        504
    );
    let start = Instant::now();
    let (status, pod) = call(&double, "GET", &format!("{PODS}/a"), None).await;
    assert_eq!(
        (status, &pod["metadata"]["annotations"]["k"]),
        (200, &json!("v")),
        "it was done"
    );
    assert_eq!(start.elapsed().as_secs(), 20);
    let calls: Vec<_> = double
        .calls()
        .into_iter()
        .map(|c| (c.verb, c.status))
        .collect();
    assert_eq!(calls[4..], [("patch", 504), ("get", 200)]);
}
