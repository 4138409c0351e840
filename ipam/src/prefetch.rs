//! Prefetching: among a million claims each record is a cache miss of some hundred nanoseconds, and an operation needs
//! several that do not depend on each other. Three places do it, by [`Index::prefetch`](crate::index::Index::prefetch) and
//! its like: a claim once its names are hashed, a release once its claim is found, and the end of a quarantine for the next.

/// Prefetches an element: a hint, which changes nothing. Without the feature `prefetch` it is not given.
#[inline(always)]
#[allow(unused_variables)]
pub(crate) fn prefetch<T>(data: &[T], index: usize) {
    #[cfg(feature = "prefetch")]
    prefetch_index::prefetch_index(data, index);
}
