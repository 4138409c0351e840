//! Requests to endpoints.

use crate::endpoints::Endpoints;
use discovery_core::Picker;
use discovery_core::health::CallOutcome;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Service, ServiceExt as _};

/// How often a call is tried again at the most.
const AGAIN: usize = 3;

/// What a balancer must know of its requests.
pub trait Policy<Request, Response, Error>: Send + Sync + 'static {
    /// How a call ended, for the picker: a response that tells of a server's error is one.
    fn outcome(&self, result: &Result<Response, Error>) -> CallOutcome;

    /// What requests that belong together share; read by consistent hashing.
    fn key(&self, request: &Request) -> u64 {
        let _ = request;
        0
    }

    /// A copy by which the call may be tried again elsewhere, up to three times, if it does not end with [`CallOutcome::Ok`]; `None`, the default,
    /// for one that may not: it is not known whether a failed call had an effect.
    fn again(&self, request: &Request) -> Option<Request> {
        let _ = request;
        None
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BalanceError<E> {
    /// No endpoint has weight.
    NoEndpoint,
    /// The endpoint's.
    Endpoint(E),
}

impl<E: std::fmt::Display> std::fmt::Display for BalanceError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str("no endpoint has weight"),
            Self::Endpoint(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BalanceError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoEndpoint => None,
            Self::Endpoint(error) => Some(error),
        }
    }
}

/// Gives each request to an endpoint that its picker chooses. Always ready: whether an endpoint is, is waited for in its call.
/// Clones share the endpoints.
#[derive(Debug)]
pub struct Balance<K, S, P> {
    endpoints: Endpoints<K, S>,
    policy: Arc<P>,
}

impl<K, S, P> Clone for Balance<K, S, P> {
    fn clone(&self) -> Self {
        Self {
            endpoints: self.endpoints.clone(),
            policy: Arc::clone(&self.policy),
        }
    }
}

impl<K, S, P> Balance<K, S, P> {
    /// A balancer without endpoints, and the handle to add some. The picker must have no slots yet.
    #[must_use]
    pub fn new(picker: impl Picker + Send + 'static, policy: P) -> (Self, Endpoints<K, S>) {
        let endpoints = Endpoints::new(picker);
        let balance = Self {
            endpoints: endpoints.clone(),
            policy: Arc::new(policy),
        };
        (balance, endpoints)
    }
}

impl<K, S, P, Request> Service<Request> for Balance<K, S, P>
where
    K: Send + 'static,
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    P: Policy<Request, S::Response, S::Error>,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = BalanceError<S::Error>;
    type Future = BoxFuture<'static, Result<S::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (endpoints, policy) = (self.endpoints.clone(), Arc::clone(&self.policy));
        Box::pin(async move {
            let key = policy.key(&request);
            let (mut next, mut tried) = (request, Vec::new());
            let Some(mut picked) = endpoints.pick(key, &tried) else {
                return Err(BalanceError::NoEndpoint);
            };
            loop {
                let (endpoint, service) = picked;
                let copy = match tried.len() < AGAIN {
                    true => policy.again(&next),
                    false => None,
                };
                let result = service.oneshot(next).await;
                let outcome = policy.outcome(&result);
                tried.push(endpoint.slot);
                endpoint.ended(outcome);
                let Some(copy) = copy.filter(|_| outcome != CallOutcome::Ok) else {
                    return result.map_err(BalanceError::Endpoint);
                };
                match endpoints.pick(key, &tried) {
                    Some(other) => picked = other,
                    None => return result.map_err(BalanceError::Endpoint),
                }
                next = copy;
            }
        })
    }
}
