//! The network configuration: the bandwidth plugin's keys, as they are.

use ipam_cni::{Code, Refusal, check_network_name};
use netshape::{Bytes, Rate, Shape};
use serde::Deserialize;
use serde_json::Value;

/// Versions with interfaces in their results, which say where a container's veth is.
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
/// Most subnets of either kind.
const SUBNETS_MOST: usize = 256;

/// `ingressRate` and the others: rates in bit/s, bursts in bits, 0 for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Bandwidth {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
    unshaped_subnets: Vec<String>,
    shaped_subnets: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    cni_version: String,
    name: String,
    prev_result: Option<Value>,
    runtime_config: Runtime,
    #[serde(flatten)]
    fixed: Bandwidth,
    #[serde(rename = "cni.dev/valid-attachments")]
    attachments: Option<Vec<Attachment>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Runtime {
    bandwidth: Option<Bandwidth>,
}

/// One that GC is to leave.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attachment {
    #[serde(rename = "containerID")]
    pub(crate) container: String,
    #[serde(rename = "ifname")]
    pub(crate) interface: String,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) previous: Option<Value>,
    /// Towards the container, and from it.
    pub(crate) ingress: Option<Shape>,
    pub(crate) egress: Option<Shape>,
    /// Subnets at the other end, and whether these are the ones that are shaped or those that are not.
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) shaped_only: bool,
    pub(crate) attachments: Vec<Attachment>,
}

/// A subnet, as tc writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) v6: bool,
    pub(crate) text: String,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidConfig, message)
}

impl Config {
    pub(crate) fn read(text: &[u8]) -> Result<Self, Refusal> {
        let file: File = serde_json::from_slice(text).map_err(|e| {
            Refusal::new(Code::Decode, "failed to parse network configuration")
                .details(e.to_string())
        })?;
        if !VERSIONS.contains(&&*file.cni_version) {
            let details = format!(
                "config is {:?}, plugin supports {VERSIONS:?}",
                file.cni_version
            );
            return Err(
                Refusal::new(Code::IncompatibleVersion, "incompatible CNI versions")
                    .details(details),
            );
        }
        check_network_name(&file.name)?;
        // What is written in the network's configuration comes before what a runtime asks for.
        let bandwidth = match file.fixed == Bandwidth::default() {
            true => file.runtime_config.bandwidth.unwrap_or_default(),
            false => file.fixed,
        };
        if !bandwidth.unshaped_subnets.is_empty() && !bandwidth.shaped_subnets.is_empty() {
            return Err(invalid(
                "unshapedSubnets and shapedSubnets cannot be both specified, one of them should be discarded",
            ));
        }
        let shaped_only = !bandwidth.shaped_subnets.is_empty();
        let given = bandwidth
            .unshaped_subnets
            .iter()
            .chain(&bandwidth.shaped_subnets);
        let subnets: Result<Vec<Subnet>, Refusal> = given.map(|text| subnet(text)).collect();
        let subnets = subnets?;
        if subnets.len() > SUBNETS_MOST {
            return Err(invalid(format!(
                "{} subnets, {SUBNETS_MOST} at most",
                subnets.len()
            )));
        }
        Ok(Self {
            version: file.cni_version,
            name: file.name,
            previous: file.prev_result,
            ingress: shape(bandwidth.ingress_rate, bandwidth.ingress_burst, "ingress")?,
            egress: shape(bandwidth.egress_rate, bandwidth.egress_burst, "egress")?,
            subnets,
            shaped_only,
            attachments: file.attachments.unwrap_or_default(),
        })
    }

    /// Whether anything is to be shaped.
    pub(crate) fn shapes(&self) -> bool {
        self.ingress.is_some() || self.egress.is_some()
    }
}

/// A rate and a burst, both in bits. The burst is cut to what the kernel can count (274.9 s of the rate; Kubernetes asks for 2 Gbit whatever the
/// rate is) and is a full packet at the least.
fn shape(rate: Option<u64>, burst: Option<u64>, way: &str) -> Result<Option<Shape>, Refusal> {
    let (rate, burst) = (rate.unwrap_or(0), burst.unwrap_or(0));
    match (rate, burst) {
        (0, 0) => return Ok(None),
        (_, 0) => {
            return Err(invalid(format!(
                "{way}: if rate is set, burst must also be set"
            )));
        }
        (0, _) => {
            return Err(invalid(format!(
                "{way}: if burst is set, rate must also be set"
            )));
        }
        _ => {}
    }
    if burst / 8 >= u64::from(u32::MAX) {
        return Err(invalid(format!("{way}: burst cannot be more than 4GB")));
    }
    let refused = |kind: netshape::policy::RefusalKind| invalid(format!("{way}: {kind}"));
    let shape = Shape::new(Rate::ZERO, Rate::from_bits(rate)).map_err(refused)?;
    let most = rate.saturating_div(8).saturating_mul(274);
    let bytes = (burst / 8).min(most).max(netshape::policy::MIN_BURST);
    shape.with_burst(Bytes(bytes)).map_err(refused).map(Some)
}

/// `10.0.0.0/8`, `fd00::/8`, or an address alone.
fn subnet(text: &str) -> Result<Subnet, Refusal> {
    let bad = || {
        invalid(format!(
            "bad subnet {text:?} provided: write 10.0.0.0/8 or fd00::/8"
        ))
    };
    let (address, length) = text
        .split_once('/')
        .map_or((text, None), |(a, l)| (a, Some(l)));
    let address: std::net::IpAddr = address.parse().map_err(|_| bad())?;
    let most: u8 = if address.is_ipv6() { 128 } else { 32 };
    let length = length.map_or(Ok(most), |l| l.parse().map_err(|_| bad()))?;
    if length > most {
        return Err(bad());
    }
    Ok(Subnet {
        v6: address.is_ipv6(),
        text: format!("{address}/{length}"),
    })
}
