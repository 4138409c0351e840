//! `report.html`: one file, charts inline as SVG, nothing fetched, light and dark by the reader's setting.

use super::figures::{BUCKET, Bucket, Figures};
use super::summary::Summary;
use std::fmt::Write as _;

const STYLE: &str = include_str!("report.css");
/// The drawing's size and the margins around its plot, in user units.
const SIZE: (f64, f64) = (960.0, 240.0);
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;

/// One curve: a value per chart point and the classes it is drawn with.
struct Curve {
    class: String,
    values: Vec<f64>,
}

/// The whole page.
#[must_use]
pub(super) fn html(summary: &Summary) -> String {
    let mut page = String::new();
    let title = format!("Replay of {}", escape(&summary.trace));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
    );
    let _ = writeln!(page, "<p>{}</p>", escape(&summary.headline()));
    for note in summary.notes() {
        let _ = writeln!(page, "<p>{}</p>", escape(&note));
    }
    table(&mut page, summary);
    legend(&mut page, &summary.runs);
    let hosts = summary.hosts as f64;
    let share = |b: &Bucket| 100.0 * b.overloaded as f64 / b.host_seconds.max(1) as f64;
    let mean = |b: &Bucket| 100.0 * b.used / (b.host_seconds.max(1) as f64 * summary.host_cores);
    let highest = |b: &Bucket| 100.0 * b.highest;
    let unserved = |b: &Bucket| b.unserved / BUCKET as f64;
    let moves = |b: &Bucket| b.moves as f64;
    section(
        &mut page,
        "Overloaded hosts, %",
        "Share of host-seconds whose 10 s mean is above safety.",
    );
    chart(&mut page, &curves(summary, "line", share), None);
    section(
        &mut page,
        "Use of the hosts, %",
        "Mean (strong) and the highest second of any host (thin); dashes: safety.",
    );
    let mut both = curves(summary, "line", mean);
    both.extend(curves(summary, "line thin", highest));
    chart(&mut page, &both, Some(100.0 * summary.safety));
    section(
        &mut page,
        "Unserved, cores",
        &format!("Demand beyond the cores of {hosts} hosts, and hand-over gaps."),
    );
    chart(&mut page, &curves(summary, "line", unserved), None);
    section(&mut page, "Moves begun in five minutes", "");
    chart(&mut page, &curves(summary, "line", moves), None);
    page.push_str("</body></html>\n");
    page
}

fn section(page: &mut String, title: &str, text: &str) {
    let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escape(title), escape(text));
}

fn legend(page: &mut String, runs: &[Figures]) {
    page.push_str("<p>");
    for run in runs {
        let class = class(run);
        let _ = write!(page, "<span class=\"key {class}\"></span>{}", label(run));
    }
    page.push_str("</p>\n");
}

/// The run's column head.
pub(super) fn label(run: &Figures) -> &'static str {
    if run.protect {
        "protected"
    } else {
        "unprotected"
    }
}

fn class(run: &Figures) -> &'static str {
    if run.protect { "run1" } else { "run0" }
}

fn table(page: &mut String, summary: &Summary) {
    page.push_str("<table><thead><tr><th></th>");
    for run in &summary.runs {
        let _ = write!(page, "<th>{}</th>", label(run));
    }
    page.push_str("</tr></thead><tbody>\n");
    for (name, cells) in summary.rows() {
        let _ = write!(page, "<tr><td>{}</td>", escape(&name));
        for cell in cells {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n");
}

fn curves(summary: &Summary, kind: &str, value: impl Fn(&Bucket) -> f64) -> Vec<Curve> {
    let of = |run: &Figures| Curve {
        class: format!("{kind} {}", class(run)),
        values: run.series.iter().map(&value).collect(),
    };
    summary.runs.iter().map(of).collect()
}

/// One chart: time of day from left to right, zero at the bottom, `limit` as dashes.
fn chart(page: &mut String, curves: &[Curve], limit: Option<f64>) {
    let (width, height) = SIZE;
    let largest = curves
        .iter()
        .flat_map(|c| &c.values)
        .copied()
        .fold(limit.unwrap_or(0.0), f64::max);
    let top = ceiling(largest);
    let points = curves
        .iter()
        .map(|c| c.values.len())
        .max()
        .unwrap_or(0)
        .max(2);
    let x = |i: usize| LEFT + (width - LEFT) * i as f64 / (points - 1) as f64;
    let y = |v: f64| TOP + (height - BOTTOM - TOP) * (1.0 - v / top);
    let _ = writeln!(page, "<svg viewBox=\"0 0 {width} {height}\" role=\"img\">");
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let at = y(value);
        let _ = writeln!(
            page,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{width}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            short(value)
        );
    }
    let hours = points as f64 * BUCKET as f64 / 3_600.0;
    for quarter in 0..=4 {
        let part = f64::from(quarter) / 4.0;
        let anchor = if quarter == 4 { "end" } else { "middle" };
        let (at, below, text) = (
            LEFT + (width - LEFT) * part,
            height - 8.0,
            short(hours * part),
        );
        let _ = writeln!(
            page,
            "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"{anchor}\">{text} h</text>"
        );
    }
    if let Some(limit) = limit {
        let at = y(limit);
        let _ = writeln!(
            page,
            "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{width}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
        );
    }
    for curve in curves {
        let mut path = String::new();
        for (i, &v) in curve.values.iter().enumerate() {
            let pen = if i == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{pen}{:.1} {:.1}", x(i), y(v));
        }
        let _ = writeln!(page, "<path class=\"{}\" d=\"{path}\"/>", curve.class);
    }
    page.push_str("</svg>\n");
}

/// The next round number (1, 2 or 5 times a power of ten) that is at least `value`.
fn ceiling(value: f64) -> f64 {
    let mut step = 1e-3;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor >= value || step > 1e12 {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text safe inside an element: names come from file names.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_and_escapes_names() {
        let mut run = Figures::new(true, true);
        run.host(0, 4.0, 8.0, false);
        run.host(400, 7.0, 8.0, true);
        let summary = Summary {
            trace: "<b>&".into(),
            runs: vec![run],
            ..Summary::default()
        };
        let page = html(&summary);
        assert!(page.contains("Replay of &lt;b&gt;&amp;"));
        assert_eq!(page.matches("<svg").count(), 4);
        for outside in ["http:", "https:", "<script", "<link", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn ceilings_are_round() {
        assert_eq!(ceiling(0.0), 1e-3);
        assert_eq!(short(ceiling(37.0)), "50");
        assert_eq!(short(ceiling(100.0)), "100");
    }
}
