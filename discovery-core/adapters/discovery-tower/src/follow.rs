//! A balancer that follows a `tower::discover::Discover`.

use crate::balance::{Balance, Policy};
use crate::endpoints::Endpoints;
use discovery_core::Picker;
use discovery_core::warm_up::WarmUp;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::Service;
use tower::discover::{Change, Discover};

/// Adds and removes endpoints as a stream of changes says, whenever it is asked whether it is ready. Each has the same weight when
/// warm; other weights are set by [`Follow::endpoints`].
pub struct Follow<D: Discover, P> {
    discover: Pin<Box<D>>,
    balance: Balance<D::Key, D::Service, P>,
    endpoints: Endpoints<D::Key, D::Service>,
    weight: u32,
    warm_up: WarmUp,
    ended: bool,
}

impl<D, P> Follow<D, P>
where
    D: Discover,
    D::Key: Hash,
{
    /// Follows `discover`. Endpoints that it adds weigh `weight`, after `warm_up`.
    #[must_use]
    pub fn new(
        discover: D,
        picker: impl Picker + Send + 'static,
        policy: P,
        weight: u32,
        warm_up: WarmUp,
    ) -> Self {
        let (balance, endpoints) = Balance::new(picker, policy);
        Self {
            discover: Box::pin(discover),
            balance,
            endpoints,
            weight,
            warm_up,
            ended: false,
        }
    }

    /// The endpoints, to weigh them.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints<D::Key, D::Service> {
        self.endpoints.clone()
    }

    fn follow(&mut self, context: &mut Context<'_>) -> Result<(), D::Error> {
        while !self.ended {
            let Poll::Ready(change) = self.discover.as_mut().poll_discover(context) else {
                return Ok(());
            };
            match change.transpose()? {
                Some(Change::Insert(key, service)) => {
                    let (weight, warm_up) = (self.weight, self.warm_up);
                    self.endpoints.insert_cold(key, service, weight, warm_up);
                }
                Some(Change::Remove(key)) => drop(self.endpoints.remove(&key)),
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

impl<D: Discover, P> std::fmt::Debug for Follow<D, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

/// Why a follower cannot answer.
type Error<D, Request> =
    FollowError<<D as Discover>::Error, <<D as Discover>::Service as Service<Request>>::Error>;

/// What failed: the stream of changes, or a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowError<D, E> {
    /// The stream's.
    Discover(D),
    /// The balancer's.
    Balance(crate::balance::BalanceError<E>),
}

impl<D, P, Request> Service<Request> for Follow<D, P>
where
    D: Discover,
    D::Key: Hash + Send + 'static,
    D::Error: Send + 'static,
    D::Service: Service<Request> + Clone + Send + 'static,
    <D::Service as Service<Request>>::Future: Send,
    <D::Service as Service<Request>>::Response: Send,
    <D::Service as Service<Request>>::Error: Send,
    P: Policy<
            Request,
            <D::Service as Service<Request>>::Response,
            <D::Service as Service<Request>>::Error,
        >,
    Request: Send + 'static,
{
    type Response = <D::Service as Service<Request>>::Response;
    type Error = Error<D, Request>;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    /// Ready once there is an endpoint.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Err(error) = self.follow(context) {
            return Poll::Ready(Err(FollowError::Discover(error)));
        }
        match self.endpoints.is_empty() && !self.ended {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let call = self.balance.call(request);
        Box::pin(async move { call.await.map_err(FollowError::Balance) })
    }
}
