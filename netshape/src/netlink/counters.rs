//! What qdiscs and classes count, out of a dump.

use super::decode::decode;
use super::error::DecodeError;
use super::kind::ObjectKind;
use super::message::Message;
use super::stats::Stats;
use crate::object::Handle;
use alloc::collections::BTreeMap;

/// Counters by the device's number, the kind of object and its handle.
///
/// ```
/// use netshape::netlink::{Counters, ObjectKind};
/// use netshape::object::Handle;
///
/// let dump: &[u8] = &[]; // what came from the kernel
/// let counters = Counters::read(dump)?;
/// assert!(counters.get(2, ObjectKind::Class, Handle::new(1, 0x10)).is_none());
/// # Ok::<(), netshape::netlink::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<(i32, ObjectKind, Handle), Stats>);

impl Counters {
    /// Reads them out of a dump. O(n log n).
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes are not a message.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut counters = BTreeMap::new();
        for message in decode(bytes) {
            if let Message::Tc(message) = message?
                && let Some(stats) = message.stats
            {
                let key = (message.ifindex, message.object, message.handle);
                counters.insert(key, *stats);
            }
        }
        Ok(Self(counters))
    }

    /// One object's. O(log n).
    #[must_use]
    pub fn get(&self, ifindex: i32, object: ObjectKind, handle: Handle) -> Option<&Stats> {
        self.0.get(&(ifindex, object, handle))
    }
}
