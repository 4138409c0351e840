//! Consul's HTTP interface.

use discovery_proxy::ProxyError;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// The longest answer that is read, in bytes.
const LONGEST: usize = 256 << 20;

/// A URL that cannot be Consul's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    /// What was given.
    pub given: String,
}

impl std::fmt::Display for UrlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: want http://HOST:PORT", self.given)
    }
}

impl std::error::Error for UrlError {}

/// Where Consul is.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    authority: String,
    token: Option<String>,
}

impl Address {
    pub(crate) fn new(url: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError { given: url.into() };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        match plain && authority.port().is_some() && !authority.as_str().contains('@') {
            true => Ok(Self {
                authority: authority.as_str().into(),
                token: None,
            }),
            false => Err(wrong()),
        }
    }

    pub(crate) fn set_token(&mut self, token: String) {
        self.token = Some(token);
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

/// A connection for a few requests.
pub(crate) struct Client<'a> {
    address: &'a Address,
    sender: SendRequest<Full<Bytes>>,
}

fn failed(error: impl std::fmt::Display) -> ProxyError {
    ProxyError(error.to_string())
}

impl<'a> Client<'a> {
    pub(crate) async fn connect(address: &'a Address) -> Result<Self, ProxyError> {
        let stream = TcpStream::connect(&address.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // It ends with the sender; what goes wrong on it, the sender is told.
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// What stands at a path, and the index at which it did (`X-Consul-Index`), 0 where none is told.
    pub(crate) async fn get<T: DeserializeOwned>(
        &mut self,
        path: &str,
    ) -> Result<(T, u64), ProxyError> {
        let (head, body) = self.send(Method::GET, path, Bytes::new()).await?;
        let index = head.headers.get("x-consul-index");
        let index = index.and_then(|index| index.to_str().ok()?.parse().ok());
        match head.status.is_success() {
            true => Ok((serde_json::from_slice(&body)?, index.unwrap_or_default())),
            false => Err(refused(path, head.status, &body)),
        }
    }

    pub(crate) async fn put(&mut self, path: &str, body: Vec<u8>) -> Result<(), ProxyError> {
        let (head, body) = self.send(Method::PUT, path, body.into()).await?;
        match head.status.is_success() {
            true => Ok(()),
            false => Err(refused(path, head.status, &body)),
        }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Parts, Bytes), ProxyError> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", &self.address.authority);
        if let Some(token) = &self.address.token {
            request = request.header("x-consul-token", token);
        }
        let request = request.body(Full::new(body)).map_err(failed)?;
        self.sender.ready().await.map_err(failed)?;
        let answer = self.sender.send_request(request).await.map_err(failed)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(failed)?;
        Ok((head, body.to_bytes()))
    }
}

fn refused(path: &str, status: StatusCode, body: &[u8]) -> ProxyError {
    let said = String::from_utf8_lossy(body);
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said: String = said.chars().take(300).collect();
    ProxyError(format!("{path}: {status}: {said}"))
}
