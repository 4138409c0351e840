//! How figures are taken: CPU time of this thread or process, medians of several runs.

pub use berth::process::{cpu_seconds, peak_rss_bytes};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::hint::black_box;

/// Nanoseconds of CPU time this thread has run, from `/proc/thread-self/schedstat` (first field).
///
/// The kernel brings that field up to date on its ticks, milliseconds apart, and when it chooses what runs next:
/// it is made to, so that a tenth of a millisecond can be told. Some ten microseconds a call.
///
/// # Errors
/// Where there is no such file.
pub fn thread_cpu_ns() -> Result<u64, String> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(|e| e.to_string())?;
    let field = text.split_whitespace().next().ok_or("empty schedstat")?;
    field.parse().map_err(|e| format!("schedstat: {e}"))
}

/// CPU seconds, user and system, of every child process that was waited for, to the microsecond (getrusage(2)).
///
/// # Errors
/// Where the system does not tell.
pub fn children_cpu_seconds() -> Result<f64, String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| e.to_string())?;
    let spent = usage.user_time() + usage.system_time();
    Ok(spent.num_microseconds() as f64 / 1e6)
}

/// Bytes that child processes that were waited for had written to disk, or left to be (getrusage(2), in units of 512).
///
/// # Errors
/// Where the system does not tell.
pub fn children_written_bytes() -> Result<i64, String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| e.to_string())?;
    Ok(usage.block_writes() * 512)
}

/// Nanoseconds of this thread's CPU time per call of `op`: the least of `rounds` rounds of `calls` calls.
///
/// # Errors
/// Where the thread's CPU time can't be read.
pub fn ns_per_call<T>(
    rounds: usize,
    calls: usize,
    mut op: impl FnMut(usize) -> T,
) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = thread_cpu_ns()?;
        for i in 0..calls {
            black_box(op(i));
        }
        let spent = thread_cpu_ns()?.saturating_sub(start);
        best = best.min(spent as f64 / calls as f64);
    }
    Ok(best)
}

/// The median of some values (the lower of the two middle ones); NaN of none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}
