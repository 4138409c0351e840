//! The filters of an uplink: each packet comes into the class of the container whose address it has, at a cost that does not depend on
//! which container that is, or on how many there are.
//!
//! Two levels of u32 hash tables, each looked up by one byte of the address: IPv4 in table `7be:` and below it `500:` to `5ff:`, IPv6 in
//! `7bf:` and `600:` to `6ff:`, in priorities 1 and 2 of the root qdisc. Priority 3 leads frames with a VLAN tag into the same tables,
//! whether the tag is in the frame or beside it. The last filter compares the whole address, so that a foreign one never comes into a
//! container's class.
//!
//! u32 rather than an nft map: it costs the same (measured), it is in the same plan, batch and transaction as the classes, it works on an
//! ifb, and its filters hold their classes, so that no order of steps can leave one pointing at another container's.
//!
//! Tables and links stay once they are there, empty or not: the kernel frees a table only some time after the last link to it went,
//! so that taking both off in one plan may fail. They go with the root qdisc.

mod in_front;
mod layout;
mod rows;
mod said;
mod steps;
mod torn;

pub(super) use in_front::{clear, make_way};
pub(super) use rows::is_ours;
pub(super) use said::said;
pub(super) use steps::{Classes, Steps, compare};
