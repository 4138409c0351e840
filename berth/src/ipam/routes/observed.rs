//! What is there already, as iproute2 and FRR tell of it.

use super::RoutesArgs;
use crate::answer::Failure;
use ipam::Cidr;
use ipam::net::Family;
use ipam::routes::{DeviceName, Forwarding, FrrMarks, Neighbour, NextHop, ObservedRoute};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

/// The longest text that is read, in bytes: some 400,000 routes as `ip -j` prints them.
const MOST: u64 = 64 << 20;

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Routes of the main table, or static routes of FRR.
    pub(super) routes: Vec<ObservedRoute>,
    /// Our neighbour entries on the tunnel device.
    pub(super) neighbours: Vec<Neighbour>,
    /// Our forwarding entries on it.
    pub(super) forwarding: Vec<Forwarding>,
    /// What FRR announces with our route map.
    pub(super) networks: Vec<Cidr>,
    /// What it announces otherwise.
    pub(super) networks_of_others: BTreeSet<Cidr>,
}

/// An entry of `ip -j route`, `ip -j neigh` or `bridge -j fdb`.
#[derive(Deserialize)]
struct Entry {
    dst: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    gateway: Option<IpAddr>,
    via: Option<Via>,
    dev: Option<String>,
    protocol: Option<String>,
    metric: Option<u32>,
    table: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    nexthops: Option<serde::de::IgnoredAny>,
    lladdr: Option<String>,
    state: Option<serde::de::IgnoredAny>,
    mac: Option<String>,
    ifname: Option<String>,
}

#[derive(Deserialize)]
struct Via {
    host: IpAddr,
}

fn read(path: &Path) -> Result<String, Failure> {
    let place = path.display().to_string();
    let mut text = String::new();
    let outcome = if path == Path::new("-") {
        std::io::stdin().take(MOST + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|f| f.take(MOST + 1).read_to_string(&mut text))
    };
    match outcome {
        Ok(read) if read as u64 > MOST => {
            let message = format!("more than {MOST} bytes");
            Err(Failure::input(message, place))
        }
        Ok(_) => Ok(text),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Failure::input("not UTF-8 text", place))
        }
        Err(e) => Err(Failure::io(&e, place)),
    }
}

impl Observed {
    /// From what iproute2 prints as JSON with numbers, one document or several.
    pub(super) fn of_kernel(path: &Path, args: &RoutesArgs) -> Result<Self, Failure> {
        let (text, mut observed) = (read(path)?, Self::default());
        let documents = serde_json::Deserializer::from_str(&text).into_iter::<Vec<Entry>>();
        for document in documents {
            let wrong = |message: String| Failure::input(message, path.display().to_string());
            let entries = document
                .map_err(|e| wrong(format!("not what `ip -N -j` or `bridge -j` prints: {e}")))?;
            for entry in entries {
                observed.take(&entry, args).map_err(wrong)?;
            }
        }
        Ok(observed)
    }

    fn take(&mut self, entry: &Entry, args: &RoutesArgs) -> Result<(), String> {
        let tunnel = args.tunnel_device.as_str();
        if let Some(mac) = &entry.mac {
            let host = entry.dst.as_deref().and_then(|dst| dst.parse().ok());
            let entry = bytes(mac)
                .zip(host)
                .filter(|_| entry.ifname.as_deref() == Some(tunnel));
            // Hardware addresses that we make begin so; others' entries stay.
            let ours = entry.filter(|(mac, _)| matches!(mac[..2], [0x02, 0xbe | 0xbf]));
            self.forwarding
                .extend(ours.map(|(mac, host)| Forwarding { mac, host }));
            return Ok(());
        }
        let Some(dst) = &entry.dst else { return Ok(()) };
        let mark = entry.mark()?;
        if entry.lladdr.is_some() || entry.state.is_some() {
            let ours = mark == u32::from(args.protocol) && entry.dev.as_deref() == Some(tunnel);
            let next_hop = dst.parse().ok().filter(|_| ours);
            let mac = entry.lladdr.as_deref().and_then(bytes);
            let entry = next_hop.zip(mac);
            self.neighbours
                .extend(entry.map(|(next_hop, mac)| Neighbour { next_hop, mac }));
            return Ok(());
        }
        let main = entry
            .table
            .as_deref()
            .is_none_or(|t| t == "254" || t == "main");
        // `default` is no prefix of ours, whoever marked it.
        let prefix = prefix(dst).filter(|_| main);
        let route = prefix.map(|prefix| ObservedRoute {
            prefix,
            hop: entry.hop(),
            mark,
            metric: entry.metric.unwrap_or_default(),
        });
        self.routes.extend(route);
        Ok(())
    }

    /// From FRR's running configuration, the lines of the default VRF.
    pub(super) fn of_frr(path: &Path, as_number: Option<u32>) -> Result<Self, Failure> {
        let (text, mut observed) = (read(path)?, Self::default());
        let mut announcing = false;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["ip" | "ipv6", "route", prefix, rest @ ..] if !line.starts_with(' ') => {
                    observed.routes.extend(static_route(prefix, rest));
                }
                ["router", "bgp", number, rest @ ..] => {
                    let here = number.parse().ok();
                    announcing = rest.is_empty() && here == as_number;
                    if let Some((wanted, here)) = as_number.zip(here)
                        && rest.is_empty()
                        && wanted != here
                    {
                        let message = format!("FRR's BGP instance is of AS {here}, not {wanted}");
                        return Err(Failure::input(message, "--as-number"));
                    }
                }
                ["exit"] => announcing = false,
                ["network", prefix, rest @ ..] if announcing => {
                    let Ok(prefix) = prefix.parse() else { continue };
                    match rest {
                        ["route-map", FrrMarks::ROUTE_MAP] => observed.networks.push(prefix),
                        _ => drop(observed.networks_of_others.insert(prefix)),
                    }
                }
                _ => {}
            }
        }
        Ok(observed)
    }
}

impl Entry {
    /// The protocol's number. A name says too little: FRR's name file calls 196 `static`, as 4 is called.
    fn mark(&self) -> Result<u32, String> {
        let Some(protocol) = &self.protocol else {
            return Ok(0);
        };
        protocol
            .parse()
            .map_err(|_| format!("protocol `{protocol}` is no number: print it with `ip -N -j`"))
    }

    fn hop(&self) -> Option<NextHop> {
        if self.nexthops.is_some() {
            return None;
        }
        match self.kind.as_deref() {
            None | Some("1" | "unicast") => {}
            Some("6" | "blackhole") => return Some(NextHop::Blackhole),
            Some(_) => return None,
        }
        let via = self.gateway.or(self.via.as_ref().map(|via| via.host));
        let device = || self.dev.as_deref()?.parse::<DeviceName>().ok();
        match via {
            None => Some(NextHop::Device(device()?)),
            Some(via) if self.flags.iter().any(|flag| flag == "onlink") => {
                let device = device()?;
                Some(NextHop::Tunnel { device, via })
            }
            Some(via) => Some(NextHop::Host(via)),
        }
    }
}

/// A prefix, or an address alone.
fn prefix(text: &str) -> Option<Cidr> {
    let single = |address: IpAddr| Cidr::new(address, Family::of(address).bits()).ok();
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().and_then(single))
}

fn bytes(mac: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = mac.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// What comes after `ip route PREFIX`: a next hop, then a tag, a distance and other options.
fn static_route(prefix: &str, words: &[&str]) -> Option<ObservedRoute> {
    let prefix = prefix.parse().ok()?;
    let (mut hops, mut options) = (Vec::new(), words.iter().peekable());
    let (mut mark, mut metric, mut onlink, mut known) = (0, 1, false, true);
    while let Some(word) = options.next() {
        match *word {
            "tag" => mark = options.next()?.parse().ok()?,
            "onlink" => onlink = true,
            word => match word.parse() {
                Ok(distance) => metric = distance,
                Err(_) if hops.len() < 2 => hops.push(word),
                // Another VRF's, a label: no line of ours.
                Err(_) => known = false,
            },
        }
    }
    let hop = match (hops.as_slice(), onlink) {
        (["blackhole"], false) => Some(NextHop::Blackhole),
        ([one], false) => match one.parse() {
            Ok(via) => Some(NextHop::Host(via)),
            Err(_) => one.parse().ok().map(NextHop::Device),
        },
        ([via, device], true) => via
            .parse()
            .ok()
            .zip(device.parse().ok())
            .map(|(via, device)| NextHop::Tunnel { device, via }),
        _ => None,
    };
    let hop = hop.filter(|_| known);
    // What we could not remove is not ours.
    let mark = if hop.is_some() { mark } else { 0 };
    Some(ObservedRoute {
        prefix,
        hop,
        mark,
        metric,
    })
}
