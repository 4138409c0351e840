//! BIRD 2: static protocols, whole. BIRD itself finds what has changed when it is told to configure.

use super::super::table::{NextHop, Route};
use super::{RenderError, heading, one_family};
use crate::cidr::Family;
use alloc::string::String;
use core::fmt::Write as _;

/// A file for BIRD 2 to `include` at its top level: `berth4` and `berth6` are static protocols with the host's own prefixes,
/// `berth_peers4` and `berth_peers6` with the other hosts'. A part that is `None` has no protocols; one without routes has empty
/// ones, so that filters may name them.
///
/// ```
/// use ipam::routes::{NextHop, Route, bird};
///
/// let own = Route { prefix: "10.9.0.0/26".parse()?, hop: NextHop::Blackhole };
/// let text = bird("h1", Some(&[own]), None)?;
/// assert!(text.contains("protocol static berth4 {\n  ipv4;\n  route 10.9.0.0/26 blackhole;\n}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RenderError::NextHopFamily`].
pub fn bird(
    host: &str,
    own: Option<&[Route]>,
    peers: Option<&[Route]>,
) -> Result<String, RenderError> {
    let mut text = heading('#', host);
    for (name, routes) in [("berth", own), ("berth_peers", peers)] {
        let Some(routes) = routes else { continue };
        for (number, family) in [(4, Family::V4), (6, Family::V6)] {
            let _ = writeln!(text, "protocol static {name}{number} {{\n  ipv{number};");
            for route in routes.iter().filter(|r| r.prefix.family() == family) {
                one_family(route, "BIRD")?;
                line(&mut text, route);
            }
            text += "}\n";
        }
    }
    Ok(text)
}

fn line(text: &mut String, route: &Route) {
    let prefix = route.prefix;
    let _ = match &route.hop {
        NextHop::Blackhole => writeln!(text, "  route {prefix} blackhole;"),
        NextHop::Device(device) => writeln!(text, "  route {prefix} via \"{device}\";"),
        NextHop::Host(via) => writeln!(text, "  route {prefix} via {via};"),
        NextHop::Tunnel { device, via } => {
            // An address's scope is a symbol in BIRD, which quotes hold.
            writeln!(text, "  route {prefix} via {via}%'{device}' onlink;")
        }
    };
}
