//! What an engine runs, by what its API tells.

use crate::names::Attachment;
use ipam::net::Cidr;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A subnet of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// Whether its network's IPAM driver has this plugin's name.
    pub(crate) own: bool,
    pub(crate) prefix: Option<Cidr>,
    pub(crate) range: Option<Cidr>,
    pub(crate) gateway: Option<IpAddr>,
    /// Auxiliary addresses.
    pub(crate) auxiliary: Vec<IpAddr>,
    /// Containers'.
    pub(crate) endpoints: Vec<IpAddr>,
}

/// What an engine runs: the networks whose addresses this plugin gave, and the containers on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineView {
    pub(crate) subnets: Vec<Subnet>,
    addresses: BTreeSet<IpAddr>,
}

/// IPAM drivers that are no plugins.
const BUILT_IN: [&str; 3] = ["", "default", "null"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    id: String,
    #[serde(rename = "IPAM", default)]
    ipam: NetworkIpam,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkIpam {
    driver: Option<String>,
    config: Option<Vec<NetworkConfig>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkConfig {
    subnet: Option<String>,
    #[serde(rename = "IPRange")]
    ip_range: Option<String>,
    gateway: Option<String>,
    auxiliary_addresses: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    state: Option<String>,
    network_settings: Option<Settings>,
}

impl Container {
    /// Whether it has its addresses: one that was ended while its plugin was away shows them still.
    fn runs(&self) -> bool {
        let state = self.state.as_deref();
        state.is_none_or(|state| ["running", "paused", "restarting"].contains(&state))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    networks: Option<BTreeMap<String, Endpoint>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: Option<String>,
    gateway: Option<String>,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: Option<String>,
}

/// An address, whether or not a prefix length stands behind it; engines of some versions write one for gateways.
fn address(text: Option<&str>) -> Option<IpAddr> {
    let text = text?;
    let text = text.split_once('/').map_or(text, |(address, _)| address);
    text.parse().ok()
}

fn prefix(text: Option<&str>) -> Option<Cidr> {
    let (address, length) = text?.split_once('/')?;
    Cidr::containing(address.parse().ok()?, length.parse().ok()?).ok()
}

impl EngineView {
    /// Reads the answers to `GET /networks` and `GET /containers/json?all=1`, in this order of asking: who is on a network that was
    /// made since holds its address all the same. Networks of
    /// built-in IPAM drivers are passed over; those of other plugins than `driver` are looked at where they are of a pool of the store, since
    /// a plugin may have several names.
    ///
    /// # Errors
    /// What is wrong with an answer.
    pub fn read(driver: &str, networks: &[u8], containers: &[u8]) -> Result<Self, String> {
        let networks: Vec<Network> =
            serde_json::from_slice(networks).map_err(|e| format!("the engine's networks: {e}"))?;
        let containers: Vec<Container> = serde_json::from_slice(containers)
            .map_err(|e| format!("the engine's containers: {e}"))?;
        let mut view = Self::default();
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for network in networks {
            let its = network.ipam.driver.as_deref().unwrap_or_default();
            if BUILT_IN.contains(&its) {
                continue;
            }
            for config in network.ipam.config.unwrap_or_default() {
                places
                    .entry(network.id.clone())
                    .or_default()
                    .push(view.subnets.len());
                let subnet = Subnet::of(&config, its == driver);
                view.addresses
                    .extend(subnet.gateway.iter().chain(&subnet.auxiliary));
                view.subnets.push(subnet);
            }
        }
        let settings = containers
            .into_iter()
            .filter(Container::runs)
            .filter_map(|container| container.network_settings);
        for endpoint in
            settings.flat_map(|settings| settings.networks.unwrap_or_default().into_values())
        {
            let addresses = [&endpoint.ip_address, &endpoint.global_ipv6_address];
            for address in addresses
                .into_iter()
                .filter_map(|text| address(text.as_deref()))
            {
                view.addresses.insert(address);
                let at = places.get(&endpoint.network_id).into_iter().flatten();
                let at = at.copied().find(|at| {
                    view.subnets[*at]
                        .prefix
                        .is_some_and(|prefix| prefix.contains(address))
                });
                if let Some(at) = at {
                    view.subnets[at].note(address, &endpoint);
                }
            }
        }
        Ok(view)
    }

    /// Whether the engine has what an attachment stands for. A container's or auxiliary address is one that a container that runs
    /// has, whichever network it is on, or a network. A gateway is a network's, or may be: an engine does not tell of one that was not asked
    /// for by number (20.10) while no container is there.
    #[must_use]
    pub fn has(&self, attachment: Attachment) -> bool {
        match attachment {
            Attachment::Endpoint { address, .. } => self.addresses.contains(&address),
            Attachment::Gateway { address } => {
                let told = |subnet: &Subnet| subnet.gateway == Some(address);
                self.subnets
                    .iter()
                    .any(|subnet| told(subnet) || subnet.may_have(address))
            }
        }
    }
}

impl Subnet {
    /// Whether its gateway is not known and may be this.
    fn may_have(&self, gateway: IpAddr) -> bool {
        let within = |prefix: Option<Cidr>| prefix.is_none_or(|prefix| prefix.contains(gateway));
        self.gateway.is_none() && self.prefix.is_some() && within(self.prefix) && within(self.range)
    }

    /// A container's address on it; by the way it tells the gateway.
    fn note(&mut self, own: IpAddr, endpoint: &Endpoint) {
        self.endpoints.push(own);
        let gateways = [&endpoint.gateway, &endpoint.ipv6_gateway];
        let mut gateways = gateways
            .into_iter()
            .filter_map(|text| address(text.as_deref()));
        let within = |gateway: &IpAddr| self.prefix.is_some_and(|prefix| prefix.contains(*gateway));
        self.gateway = self.gateway.or_else(|| gateways.find(within));
    }

    fn of(config: &NetworkConfig, own: bool) -> Self {
        let auxiliary = config.auxiliary_addresses.iter().flat_map(BTreeMap::values);
        let whole = prefix(config.subnet.as_deref());
        Self {
            own,
            prefix: whole,
            range: prefix(config.ip_range.as_deref()).filter(|range| Some(*range) != whole),
            gateway: address(config.gateway.as_deref()),
            auxiliary: auxiliary.filter_map(|text| address(Some(text))).collect(),
            endpoints: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_others_are_passed_over_and_stopped_containers_have_nothing() {
        let networks = br#"[
            {"Id": "n1", "IPAM": {"Driver": "berth", "Config": [{"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.64/26", "Gateway": "10.9.0.1/24",
              "AuxiliaryAddresses": {"router": "10.9.0.9"}}, {"Subnet": "fd00:9::/64"}]}},
            {"Id": "n2", "IPAM": {"Driver": "default", "Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}},
            {"Id": "n3", "IPAM": {"Driver": "berth", "Config": null}}]"#;
        let containers = br#"[
            {"State": "running", "NetworkSettings": {"Networks": {"a": {"NetworkID": "n1", "IPAddress": "10.9.0.66", "GlobalIPv6Address": "fd00:9::2", "IPv6Gateway": "fd00:9::1"}}}},
            {"State": "exited", "NetworkSettings": {"Networks": {"a": {"NetworkID": "n1", "IPAddress": "10.9.0.77", "GlobalIPv6Address": ""}}}},
            {"State": "running", "NetworkSettings": {"Networks": {"b": {"NetworkID": "new", "IPAddress": "10.8.0.2"}}}},
            {"State": "created", "NetworkSettings": {"Networks": null}}]"#;
        let view = EngineView::read("berth", networks, containers).expect("answers");
        assert_eq!(view.subnets.len(), 2);
        assert_eq!(
            view.subnets[0].endpoints,
            ["10.9.0.66".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(
            view.subnets[1].endpoints,
            ["fd00:9::2".parse::<IpAddr>().unwrap()]
        );
        let endpoint = |address: &str| Attachment::Endpoint {
            address: address.parse().unwrap(),
            range: None,
        };
        assert_eq!(view.subnets[1].gateway, Some("fd00:9::1".parse().unwrap()));
        for has in ["10.9.0.1", "10.9.0.9", "10.9.0.66", "fd00:9::2", "10.8.0.2"] {
            assert!(view.has(endpoint(has)), "{has}");
        }
        assert!(!view.has(endpoint("172.17.0.1")) && !view.has(endpoint("10.9.0.77")));
        assert!(view.subnets.iter().all(|subnet| subnet.own));
        let gateway = |address: &str| Attachment::Gateway {
            address: address.parse().unwrap(),
        };
        assert!(view.has(gateway("fd00:9::1")) && !view.has(gateway("172.17.0.1")));
        assert!(EngineView::read("berth", b"{}", b"[]").is_err());
    }
}
