//! redb trusts its pages: on a damaged one it may panic. Such a panic becomes an error here, its text part of it.
//!
//! The process's panic hook is replaced once by one that keeps quiet while redb is at work on this thread and
//! otherwise does what the one before did. Where panics abort (`panic = "abort"`) nothing can be caught.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Does something with redb; the text of its panic if it panics.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let loud = QUIET.replace(true);
    // What the closure had in hand is dropped by its owner, which uses it no more.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(loud);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "without a word".into())
    })
}
