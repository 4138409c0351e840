//! Which names devices, network namespaces, containers and tiers can have.

use crate::policy::refusal::{Refusal, RefusalKind};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;

/// Longest name of a device in bytes: `IFNAMSIZ` less the closing zero.
const DEV_MAX: usize = 15;
/// Longest name of a namespace (`NAME_MAX` of the directory that holds them), and longest id taken.
const NAME_MAX: usize = 255;

const DEV_RULE: &str = "no name that a device can have: 1 to 15 bytes other than `.` and `..`, without blanks, `/`, `:` and `%`";
const NETNS_RULE: &str = "no name of a network namespace: 1 to 255 of A-Z, a-z, 0-9, `.`, `_` and `-`, other than `.` and `..`";
const ID_RULE: &str = "no name: 1 to 255 printable ASCII characters other than `.` and `..`, without blanks, `/`, `\\`, quotes, `#` and `$`";

/// `dev_valid_name` of Linux: its `isspace` holds the byte 0xa0 too, so that some letters beyond ASCII are no part of a name.
/// A `%` stands for a number that the kernel chooses, so that no device has one in its name either.
pub(crate) fn is_dev_name(name: &str) -> bool {
    let taken = |b: u8| !matches!(b, 0 | b'\t'..=b'\r' | b' ' | 0xa0 | b'/' | b':' | b'%');
    fits(name, DEV_MAX) && name.bytes().all(taken)
}

/// Stricter than the kernel, which takes whatever a file may be called.
pub(crate) fn is_netns_name(name: &str) -> bool {
    let taken = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    fits(name, NAME_MAX) && name.bytes().all(taken)
}

fn fits(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len()) && name != "." && name != ".."
}

fn checked(field: &str, given: &str, sound: bool, rule: &'static str) -> Result<Arc<str>, Refusal> {
    if sound {
        return Ok(Arc::from(given));
    }
    let given: String = given.chars().take(40).collect();
    let kind = RefusalKind::BadName { given, rule };
    Err(Refusal::new(field.to_owned(), kind))
}

/// A device's name.
pub(crate) fn dev(field: &str, given: &str) -> Result<Arc<str>, Refusal> {
    checked(field, given, is_dev_name(given), DEV_RULE)
}

/// A namespace's name.
pub(crate) fn netns(field: &str, given: &str) -> Result<Arc<str>, Refusal> {
    checked(field, given, is_netns_name(given), NETNS_RULE)
}

/// A container's id or a tier's name.
pub(crate) fn id(field: &str, given: &str) -> Result<Arc<str>, Refusal> {
    let plain = |b: u8| b.is_ascii_graphic() && !b"/\"'\\#$`".contains(&b);
    let sound = fits(given, NAME_MAX) && given.bytes().all(plain);
    checked(field, given, sound, ID_RULE)
}

/// What a namespace or device must be called, for errors elsewhere.
#[cfg(feature = "serde")]
pub(crate) const fn rule(netns: bool) -> &'static str {
    if netns { NETNS_RULE } else { DEV_RULE }
}

/// A number that no process has.
pub(crate) fn bad_pid(given: &str) -> Refusal {
    let given = given.chars().take(40).collect();
    Refusal::new("pid", RefusalKind::BadPid { given })
}
