//! redb trusts its pages: on a damaged one it may panic. Such a panic becomes an error here, its text part of it.
//!
//! The process's panic hook is wrapped once by one that keeps quiet while redb is at work on this thread and
//! otherwise does what the one before did. Where panics abort (`panic = "abort"`) nothing can be caught.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Once, OnceLock};

/// Whether redb is at work on a thread, and whether it has panicked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    None,
    Going,
    Unwinding,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work::None) };
}

static HOOK: Once = Once::new();
static LAST_RESORT: OnceLock<fn(&str)> = OnceLock::new();

/// What is called when redb panics a second time, while it cleans up after a first panic: no error can come of
/// that, the process is about to abort. The function may say so and end the process in a better way; it is given
/// what happened. The first one set stays.
pub fn set_last_resort(resort: fn(&str)) {
    let _ = LAST_RESORT.set(resort);
}

fn heard(info: &PanicHookInfo<'_>, before: &dyn Fn(&PanicHookInfo<'_>)) {
    match WORK.get() {
        Work::None => before(info),
        Work::Going => WORK.set(Work::Unwinding),
        Work::Unwinding => {
            if let Some(resort) = LAST_RESORT.get() {
                resort("the file is damaged; redb gave up, and once more as it cleaned up");
            }
        }
    }
}

/// Does something with redb; the text of its panic if it panics.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| heard(info, &before)));
    });
    let outer = WORK.replace(Work::Going);
    // What the closure had in hand is dropped by its owner, which uses it no more.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    WORK.set(outer);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "without a word".into())
    })
}
