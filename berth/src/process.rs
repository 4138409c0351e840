//! What this process has used so far, from `/proc` (zero where there is none).

/// User and system CPU seconds of all threads, from `/proc/self/stat` (fields 14 and 15, in ticks of
/// 1/100 s: `USER_HZ` on Linux).
#[must_use]
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name may hold blanks; fields are counted after its closing bracket.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = |n: usize| {
        after
            .split_whitespace()
            .nth(n)
            .and_then(|f| f.parse::<f64>().ok())
    };
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

/// Largest resident set so far in bytes, from `VmHWM` of `/proc/self/status`.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn figures_are_there() {
        assert!(super::peak_rss_bytes() > 1 << 20);
        let before = super::cpu_seconds();
        let mut x = 1u64;
        while super::cpu_seconds() <= before {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
    }
}
