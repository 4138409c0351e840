//! Bytes that are no netlink message.

/// Bytes that are no netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end within a message.
    #[error("message at byte {at}: {have} bytes left, {want} needed")]
    Truncated {
        /// Where it begins.
        at: usize,
        /// What it needs.
        want: usize,
        /// What is left.
        have: usize,
    },
    /// An attribute's length is shorter than its head or longer than what holds it.
    #[error("attribute {attr}: length {len} where 4 to {left} is possible")]
    AttrLength {
        /// Its type.
        attr: u16,
        /// Its length.
        len: usize,
        /// What is left.
        left: usize,
    },
    /// An attribute's payload is too short for its type.
    #[error("attribute {attr}: {have} bytes where {want} are needed")]
    AttrShort {
        /// Its type.
        attr: u16,
        /// What it needs.
        want: usize,
        /// What it has.
        have: usize,
    },
    /// A name that is not text.
    #[error("attribute {attr}: not text")]
    Text {
        /// Its type.
        attr: u16,
    },
}
