//! `report.html`: one file, charts inline as SVG, nothing fetched, light and dark by the reader's setting.

mod chart;

use super::figures::{BUCKET, Bucket, Figures};
use super::summary::Summary;
use chart::{Chart, Curve};
use std::fmt::Write as _;

const STYLE: &str = include_str!("report.css");

/// The whole page.
#[must_use]
pub(super) fn html(summary: &Summary) -> String {
    let mut page = String::new();
    let title = if summary.generated {
        "Replay of a generated day".to_owned()
    } else {
        format!("Replay of {}", escape(&summary.trace))
    };
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    let _ = writeln!(
        page,
        "<p class=\"lead\">{}</p>",
        escape(&summary.plain_words())
    );
    page.push_str(
        "<p class=\"whole\">Invariants of all four cores, checked after each simulated second: none broken.</p>\n",
    );
    let _ = writeln!(page, "<p>{}</p>", escape(&summary.headline()));
    for note in summary.notes() {
        let _ = writeln!(page, "<p>{}</p>", escape(&note));
    }
    table(&mut page, summary);
    for chart in charts(summary) {
        page.push_str(&chart.html());
    }
    page.push_str("</main>\n</body></html>\n");
    page
}

fn charts(summary: &Summary) -> [Chart<'static>; 5] {
    let hosts = summary.hosts;
    let share = |b: &Bucket| 100.0 * b.overloaded as f64 / b.host_seconds.max(1) as f64;
    let mean = |b: &Bucket| 100.0 * b.used / (b.host_seconds.max(1) as f64 * summary.host_cores);
    let highest = |b: &Bucket| 100.0 * b.highest;
    let mut used = curves(summary, ", mean", "", mean);
    used.extend(curves(summary, ", highest second", " thin", highest));
    [
        Chart {
            title: "Overloaded hosts, %",
            text: "Share of host-seconds whose 10 s mean is above the safety capacity.".into(),
            unit: "%",
            whole: false,
            limit: None,
            curves: curves(summary, "", "", share),
        },
        Chart {
            title: "Use of the hosts, %",
            text: "Mean of all hosts, and the highest second of any host.".into(),
            unit: "%",
            whole: false,
            limit: Some((100.0 * summary.safety, "safety capacity")),
            curves: used,
        },
        Chart {
            title: "Harm, cores",
            text: "Demand unserved, or served late above the safety capacity.".into(),
            unit: "cores",
            whole: false,
            limit: None,
            curves: curves(summary, "", "", |b| b.harm / BUCKET as f64),
        },
        Chart {
            title: "Unserved demand, cores",
            text: format!("Demand beyond the cores of {hosts} hosts, and hand-over gaps."),
            unit: "cores",
            whole: false,
            limit: None,
            curves: curves(summary, "", "", |b| b.unserved / BUCKET as f64),
        },
        Chart {
            title: "Moves begun in five minutes",
            text: String::new(),
            unit: "moves",
            whole: true,
            limit: None,
            curves: curves(summary, "", "", |b| b.moves as f64),
        },
    ]
}

fn curves(summary: &Summary, what: &str, kind: &str, value: impl Fn(&Bucket) -> f64) -> Vec<Curve> {
    // Nothing can be drawn of what is no number, and no axis reaches infinity.
    let drawable = |b: &Bucket| Some(value(b)).filter(|v| v.is_finite()).unwrap_or(0.0);
    let of = |run: &Figures| Curve {
        label: format!("{}{what}", run.policy.label()),
        class: format!("{}{kind}", run.policy.name()),
        values: run.series.iter().map(drawable).collect(),
    };
    summary.columns().into_iter().map(of).collect()
}

fn table(page: &mut String, summary: &Summary) {
    page.push_str("<table><thead><tr><th scope=\"col\">figure</th>");
    for run in summary.columns() {
        let label = run.policy.label();
        let _ = write!(page, "<th scope=\"col\">{label}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for (name, cells) in summary.rows() {
        // A row that is part of the one above begins with two blanks in the text form.
        let part = name.starts_with("  ");
        let sub = if part { " class=\"sub\"" } else { "" };
        let _ = write!(page, "<tr><td{sub}>{}</td>", escape(name.trim_start()));
        for cell in cells {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n");
}

/// Text safe inside an element or a quoted attribute: names come from file names.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[test]
    fn the_page_is_one_file_and_escapes_names() {
        let mut run = Figures::new(Policy::Protected, true, 0);
        run.host(0, 4.0, 8.0, false);
        run.host(400, 7.0, 8.0, true);
        let summary = Summary {
            trace: "<b>&".into(),
            runs: vec![run],
            ..Summary::default()
        };
        let page = html(&summary);
        assert!(page.contains("Replay of &lt;b&gt;&amp;"));
        assert_eq!(page.matches("<svg").count(), 5);
        for outside in ["http:", "https:", "<script", "<link", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn no_text_is_below_11_px_on_a_phone() {
        for rule in STYLE.split("font-size:").skip(1) {
            let size = rule.split([';', ' ', '}']).find(|part| !part.is_empty());
            let size = size.expect("a size");
            // The narrow page's own size is 15 px; `rem` is the browser's 16 px.
            let pixels = match size.strip_suffix("px") {
                Some(number) => number.parse::<f64>(),
                None => size
                    .trim_end_matches("rem")
                    .parse::<f64>()
                    .map(|n| 16.0 * n),
            };
            let pixels = pixels.expect("px or rem");
            assert!(pixels >= 11.0, "{size}");
        }
    }

    #[test]
    fn each_chart_has_a_legend_and_says_what_it_shows() {
        let mut run = Figures::new(Policy::ByLoad, true, 0);
        run.host(0, 4.0, 8.0, true);
        let summary = Summary {
            runs: vec![run],
            ..Summary::default()
        };
        let page = html(&summary);
        assert_eq!(page.matches("<ul class=\"legend\">").count(), 5);
        assert_eq!(page.matches("role=\"img\" aria-label=").count(), 5);
        assert!(page.contains("by load: mean 100, highest 100 %."));
        assert!(page.contains("<td class=\"sub\">in hand-over gaps</td>"));
        assert!(page.contains("none broken"));
    }
}
