//! The server: connections, requests, answers.

use crate::answer::{Query, Refused};
use crate::body::Answer;
use crate::fault::Kind;
use crate::resource::Target;
use crate::state::{Double, metadata_of};
use crate::watch;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The longest body of a request, as etcd behind a real server has it.
const LONGEST_BODY: usize = 3 << 20;

impl Double {
    /// Serves a listener until the runtime ends.
    pub async fn listen(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.attend(stream);
        }
    }

    /// Serves a port of loopback from a thread of its own, until the process ends; a client's configuration for it (`kubeconfig`).
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn on_loopback(&self) -> Value {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let server = format!("http://{}", listener.local_addr().expect("an address"));
        let double = self.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                double
                    .listen(TcpListener::from_std(listener).expect("a listener"))
                    .await;
            });
        });
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        })
    }

    /// A connection through memory. Needs a runtime.
    #[must_use]
    pub fn connect(&self) -> DuplexStream {
        let (ours, theirs) = duplex(1 << 16);
        self.attend(ours);
        theirs
    }

    fn attend(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let double = self.clone();
        let service = service_fn(move |request| {
            let double = double.clone();
            async move { Ok::<_, Infallible>(double.answer(request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // What goes wrong on a connection is its client's.
        tokio::spawn(async move { drop(connection.await) });
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let query = Query::parse(request.uri().query());
        let Some(target) = Target::of_path(request.uri().path()) else {
            let refused = Refused::new(
                404,
                "NotFound",
                "the server could not find the requested resource",
            );
            return whole(404, &refused.to_json());
        };
        let Some(verb) = verb(request.method(), &target, &query) else {
            let refused = Refused::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method",
            );
            return whole(405, &refused.to_json());
        };
        let fault = self.lock().strike(verb, target.resource.plural);
        if let Some(Kind::Late(pause)) = fault {
            sleep(pause).await;
        }
        let response = match fault {
            Some(Kind::Status(code)) => whole(code, &Refused::of_status(code).to_json()),
            _ => self.done(request, verb, &target, &query, fault).await,
        };
        let response = match fault {
            Some(Kind::Slow(pause)) => {
                sleep(pause).await;
                response
            }
            Some(Kind::Lost(code)) => whole(code, &Refused::of_status(code).to_json()),
            Some(Kind::Garbage) => {
                json_response(200, Answer::Whole(Some(Bytes::from_static(b"<html>"))))
            }
            _ => response,
        };
        let status = response.status().as_u16();
        self.lock().note(verb, &target, status);
        response
    }

    async fn done(
        &self,
        request: Request<Incoming>,
        verb: &'static str,
        target: &Target,
        query: &Query,
        fault: Option<Kind>,
    ) -> Response<Answer> {
        let accepts = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok());
        let partial = accepts.is_some_and(|a| a.contains("as=PartialObjectMetadata"));
        let answer = match verb {
            "get" => self.read(target, partial).map(|object| (200, object)),
            "list" => self.list(target, query, partial).map(|list| (200, list)),
            "watch" => {
                let left = match fault {
                    Some(Kind::Cut(events)) => events,
                    _ => usize::MAX,
                };
                return json_response(200, watch::begin(self, target, query, partial, left));
            }
            _ => match body(request).await {
                Ok(body) => self.alter(|state| state.write(verb, target, body)),
                Err(refused) => Err(refused),
            },
        };
        match answer {
            Ok((code, object)) => whole(code, &object),
            Err(refused) => whole(refused.code, &refused.to_json()),
        }
    }

    fn read(&self, target: &Target, partial: bool) -> Result<Value, Refused> {
        let name = target.name.clone().unwrap_or_default();
        let found = self.get(
            target.resource.plural,
            target.namespace.as_deref().unwrap_or(""),
            &name,
        );
        let object = found.ok_or_else(|| Refused::not_found(target.resource.plural, &name))?;
        Ok(if partial {
            metadata_of(&object)
        } else {
            object
        })
    }

    fn list(&self, target: &Target, query: &Query, partial: bool) -> Result<Value, Refused> {
        let mut state = self.lock();
        let (revision, mut objects) = match query.get("continue") {
            Some(token) => state.page(token)?,
            None => (state.revision, state.listed(target)),
        };
        let limit = query.number("limit").and_then(|n| usize::try_from(n).ok());
        let limit = limit.into_iter().chain(state.page_limit).min();
        let rest = match limit {
            Some(limit) if limit > 0 && objects.len() > limit => objects.split_off(limit),
            _ => Vec::new(),
        };
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if !rest.is_empty() {
            metadata["remainingItemCount"] = rest.len().into();
            metadata["continue"] = state.keep_page(revision, rest).into();
        }
        let resource = target.resource;
        let (version, kind) = match partial {
            true => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
            false => (resource.api_version(), resource.kind),
        };
        if partial {
            objects = objects.iter().map(metadata_of).collect();
        }
        Ok(json!({
            "apiVersion": version, "kind": format!("{kind}List"), "metadata": metadata, "items": objects,
        }))
    }
}

/// The API's name of what is asked.
fn verb(method: &Method, target: &Target, query: &Query) -> Option<&'static str> {
    let named = target.name.is_some();
    match *method {
        Method::GET if named => Some("get"),
        Method::GET if query.is_set("watch") => Some("watch"),
        Method::GET => Some("list"),
        Method::POST if !named => Some("create"),
        Method::PUT if named => Some("update"),
        Method::PATCH if named => Some("patch"),
        _ => None,
    }
}

async fn body(request: Request<Incoming>) -> Result<Value, Refused> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let right: &[&str] = match *request.method() {
        Method::PATCH => &["application/merge-patch+json"],
        _ => &["application/json"],
    };
    if !kind
        .as_ref()
        .and_then(|k| k.to_str().ok())
        .is_some_and(|k| right.contains(&k))
    {
        return Err(Refused::new(
            415,
            "UnsupportedMediaType",
            format!("want {right:?}"),
        ));
    }
    let body = Limited::new(request.into_body(), LONGEST_BODY)
        .collect()
        .await;
    let body = body.map_err(|e| Refused::new(413, "RequestEntityTooLarge", e.to_string()))?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|e| Refused::new(400, "BadRequest", e.to_string()))
}

fn whole(code: u16, json: &Value) -> Response<Answer> {
    json_response(code, Answer::Whole(Some(Bytes::from(json.to_string()))))
}

fn json_response(code: u16, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
