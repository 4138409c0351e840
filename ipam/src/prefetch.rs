//! Asking memory for what will be looked at in a moment: of a million claims each record is some hundred
//! nanoseconds away, and one after another they would be most of the cost of a claim.

/// Asks memory for an element, to be there when it is looked at. A hint, which may miss and changes nothing; without
/// the feature `prefetch` it is not given.
#[inline(always)]
#[allow(unused_variables)]
pub(crate) fn prefetch<T>(data: &[T], index: usize) {
    #[cfg(feature = "prefetch")]
    prefetch_index::prefetch_index(data, index);
}
