//! Which stored records time alone made untrue.

use alloc::collections::BTreeSet;
use alloc::string::String;

/// The keys of those records, for as long as somebody keeps a store in step and [takes](Self::take) them.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirtyKeys(Option<BTreeSet<String>>);

impl DirtyKeys {
    /// From now on keys are noted.
    pub(crate) fn track(&mut self) {
        self.0.get_or_insert_default();
    }

    /// Whether anybody takes the keys.
    pub(crate) fn is_tracked(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(BTreeSet::is_empty)
    }

    pub(crate) fn note(&mut self, key: &str) {
        if let Some(keys) = &mut self.0 {
            keys.insert(key.into());
        }
    }

    /// The keys that were noted since they were last taken.
    pub(crate) fn take(&mut self) -> BTreeSet<String> {
        self.0.as_mut().map(core::mem::take).unwrap_or_default()
    }
}
