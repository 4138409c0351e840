//! A server that speaks gRPC and means harm: every answer is an error in time, or as harmless as it can be made.

use bytes::Bytes;
use http::{HeaderMap, Response};
use ipam::Store as _;
use ipam::store::{Guard, StoreError, Txn, Watched};
use ipam_etcd::{EtcdConfig, EtcdStore};
use std::time::{Duration, Instant};

/// What the server says to whatever it is asked.
#[derive(Clone)]
struct Speech {
    data: Vec<u8>,
    /// `grpc-status` and `grpc-message`; without them the answer never ends.
    end: Option<(&'static str, String)>,
}

fn end() -> Option<(&'static str, String)> {
    Some(("0", String::new()))
}

/// A message as gRPC frames it.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// A protobuf field of bytes.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        out.push(u8::try_from(length & 127).expect("seven bits") | 128);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("seven bits"));
    [out, bytes.to_vec()].concat()
}

/// A header of cluster 1 and revision -1.
fn header() -> Vec<u8> {
    let minus_one = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    field(1, &[&[1 << 3, 1, 3 << 3][..], &minus_one].concat())
}

fn serve(speech: Speech) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("for tokio");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((socket, _)) = listener.accept().await {
                    tokio::spawn(talk(socket, speech.clone()));
                }
            });
    });
    url
}

/// Talks on one connection until the client has enough.
async fn talk(socket: tokio::net::TcpStream, speech: Speech) {
    let Ok(mut connection) = h2::server::handshake(socket).await else {
        return;
    };
    let mut open = Vec::new();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let response = Response::builder().header("content-type", "application/grpc");
        let response = response.body(()).expect("a response");
        let Ok(mut stream) = respond.send_response(response, false) else {
            continue;
        };
        let _ = stream.send_data(Bytes::from(speech.data.clone()), false);
        let Some((status, message)) = &speech.end else {
            open.push(stream);
            continue;
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().expect("a value"));
        trailers.insert("grpc-message", message.parse().expect("a value"));
        let _ = stream.send_trailers(trailers);
    }
}

fn store(speech: Speech) -> EtcdStore {
    let config = EtcdConfig::new([serve(speech)])
        .attempt_timeout(Duration::from_millis(200))
        .timeout(Duration::from_millis(500));
    EtcdStore::new(config).expect("a configuration")
}

/// All operations; each ends within seconds.
fn outcomes(speech: Speech) -> Vec<Result<(), StoreError>> {
    let mut store = store(speech);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let start = Instant::now();
    let txn = Txn {
        guards: vec![Guard::unchanged("c/a", 5)],
        put: vec![("c/a".into(), vec![1])],
        delete: vec!["c/b".into()],
    };
    let keys = ["c/a".to_owned(), "c/b".to_owned()];
    let outcomes = runtime.block_on(async {
        vec![
            store.get(&[]).await.map(drop),
            store.get(&keys).await.map(drop),
            store.list("", None, usize::MAX).await.map(drop),
            store.commit(txn).await.map(drop),
            store.watch("", 5).await.map(drop),
            store.live_hosts().await.map(drop),
            store
                .grant_host_lease("h", Duration::from_secs(1))
                .await
                .map(drop),
        ]
    });
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    outcomes
}

#[test]
fn what_is_no_answer_is_an_error_of_each_operation() {
    let long = "x".repeat(4000);
    let nested = (0..2000).fold(Vec::new(), |inner, _| field(3, &field(4, &inner)));
    let speeches = [
        // No protobuf; a header that says nothing; no message; one that is cut short.
        (framed(&[255; 40]), end()),
        (framed(&[]), end()),
        (Vec::new(), end()),
        (framed(&header())[..9].to_vec(), end()),
        // 4 GiB are announced; compressed, which nobody asked for; nested without end.
        (vec![0, 255, 255, 255, 255, 1, 2, 3], None),
        (vec![1, 0, 0, 0, 1, 0], end()),
        (framed(&[header(), nested].concat()), end()),
        // An answer that never ends; silence; a status that is none of gRPC's, with a long text.
        (framed(&[]), None),
        (Vec::new(), None),
        (Vec::new(), Some(("99", long))),
    ];
    for (at, (data, end)) in speeches.into_iter().enumerate() {
        for outcome in outcomes(Speech { data, end }) {
            let Err(StoreError::Io(why)) = outcome else {
                panic!("speech {at}: {outcome:?}");
            };
            assert!(why.len() < 1000, "speech {at}: {why}");
        }
    }
}

#[test]
fn an_answer_of_other_keys_ends_a_listing() {
    // One key out of range, and always more.
    let page = [header(), field(2, &field(1, b"elsewhere")), vec![3 << 3, 1]].concat();
    let outcomes = outcomes(Speech {
        data: framed(&page),
        end: end(),
    });
    for at in [2, 5] {
        assert!(
            matches!(outcomes[at], Err(StoreError::Io(_))),
            "{outcomes:?}"
        );
    }
}

#[test]
fn a_revision_below_zero_is_that_of_a_store_that_was_set_back() {
    let speech = Speech {
        data: framed(&header()),
        end: end(),
    };
    let mut store = store(speech);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        assert_eq!(store.get(&[]).await, Ok((Vec::new(), 0)));
        assert_eq!(store.watch("", 5).await, Ok(Watched::Compacted));
    });
}
