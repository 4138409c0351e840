//! A callee that takes little while it is cold.

use discovery_core::Timestamp;
use discovery_core::warm_up::{Admission, Decision};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service, ServiceExt as _};

/// Puts [`Admission`] before a service. Requests beyond its concurrency or rate are answered by a function, as the service itself could:
/// `|| Ok(response_with_503())`.
pub struct AdmissionLayer<F> {
    admission: Arc<Admission>,
    start: Instant,
    refuse: Arc<F>,
}

impl<F> AdmissionLayer<F> {
    /// With an admission that is cold since `Timestamp::ZERO`, which is now.
    #[must_use]
    pub fn new(admission: Admission, refuse: F) -> Self {
        Self {
            admission: Arc::new(admission),
            start: Instant::now(),
            refuse: Arc::new(refuse),
        }
    }
}

impl<F> Clone for AdmissionLayer<F> {
    fn clone(&self) -> Self {
        Self {
            admission: Arc::clone(&self.admission),
            start: self.start,
            refuse: Arc::clone(&self.refuse),
        }
    }
}

impl<F> std::fmt::Debug for AdmissionLayer<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdmissionLayer")
            .field("admission", &self.admission)
            .finish_non_exhaustive()
    }
}

impl<S, F> Layer<S> for AdmissionLayer<F> {
    type Service = Admitted<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Admitted {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service behind an [`AdmissionLayer`].
#[derive(Debug)]
pub struct Admitted<S, F> {
    inner: S,
    layer: AdmissionLayer<F>,
}

impl<S: Clone, F> Clone for Admitted<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

/// A request that was let in is over when this is dropped, however it ends.
struct Place(Arc<Admission>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.done();
    }
}

impl<S, F, Request> Service<Request> for Admitted<S, F>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    F: Fn() -> Result<S::Response, S::Error> + Send + Sync + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    /// Always: what cannot be let in is refused, not kept.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let admission = Arc::clone(&self.layer.admission);
        let wait = match admission.ask(Timestamp::from(self.layer.start.elapsed())) {
            Decision::Reject => {
                let refuse = Arc::clone(&self.layer.refuse);
                return Box::pin(async move { refuse() });
            }
            Decision::Wait(wait) => Some(wait),
            Decision::Admit => None,
        };
        let (place, inner) = (Place(admission), self.inner.clone());
        Box::pin(async move {
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            let result = inner.oneshot(request).await;
            drop(place);
            result
        })
    }
}
