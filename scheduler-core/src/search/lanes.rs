//! Sums over resources, two lanes at a time: what a search spends its time on. Rows and weights have an even
//! number of entries. Comparisons rather than `max`, which would have to look for NaN.

#[inline(always)]
fn positive(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

/// Sum of weight x max(0, row).
#[inline(always)]
pub(super) fn now(weight: &[f64], row: &[f64]) -> f64 {
    let (mut a, mut b) = (0.0, 0.0);
    for (w, r) in weight.chunks_exact(2).zip(row.chunks_exact(2)) {
        a += w[0] * positive(r[0]);
        b += w[1] * positive(r[1]);
    }
    a + b
}

/// Sum of weight x max(0, row + need).
#[inline(always)]
pub(super) fn with(weight: &[f64], row: &[f64], need: &[f64]) -> f64 {
    let (mut a, mut b) = (0.0, 0.0);
    let rows = row.chunks_exact(2).zip(need.chunks_exact(2));
    for (w, (r, q)) in weight.chunks_exact(2).zip(rows) {
        a += w[0] * positive(r[0] + q[0]);
        b += w[1] * positive(r[1] + q[1]);
    }
    a + b
}

/// Sum of weight x max(0, row - need).
#[inline(always)]
pub(super) fn without(weight: &[f64], row: &[f64], need: &[f64]) -> f64 {
    let (mut a, mut b) = (0.0, 0.0);
    let rows = row.chunks_exact(2).zip(need.chunks_exact(2));
    for (w, (r, q)) in weight.chunks_exact(2).zip(rows) {
        a += w[0] * positive(r[0] - q[0]);
        b += w[1] * positive(r[1] - q[1]);
    }
    a + b
}

/// Sum of weight x max(0, row + into - out).
#[inline(always)]
pub(super) fn exchanged(weight: &[f64], row: &[f64], into: &[f64], out: &[f64]) -> f64 {
    let (mut a, mut b) = (0.0, 0.0);
    let rows = row.chunks_exact(2).zip(into.chunks_exact(2));
    let rows = rows.zip(out.chunks_exact(2));
    for (w, ((r, q), p)) in weight.chunks_exact(2).zip(rows) {
        a += w[0] * positive(r[0] + (q[0] - p[0]));
        b += w[1] * positive(r[1] + (q[1] - p[1]));
    }
    a + b
}
