//! Futures that never wait.

/// The output of a future that never waits, such as every one of [`super::MemoryStore`]'s: polled once.
///
/// ```
/// use ipam::store::ready;
///
/// assert_eq!(ready(std::future::ready(7)), Some(7));
/// assert_eq!(ready(std::future::pending::<u8>()), None);
/// ```
pub fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = core::pin::pin!(future);
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        core::task::Poll::Ready(output) => Some(output),
        core::task::Poll::Pending => None,
    }
}
