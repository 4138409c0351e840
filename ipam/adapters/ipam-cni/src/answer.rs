//! Results, as each version of the specification has them.

use crate::config::Config;
use crate::version::{LATEST, SUPPORTED, Version};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// An address that an attachment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The length of its subnet's prefix.
    pub prefix_length: u8,
    /// The subnet's gateway.
    pub gateway: Option<IpAddr>,
}

/// Name servers, as resolv.conf has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    nameservers: Vec<String>,
    domain: Option<String>,
    search: Vec<String>,
    options: Vec<String>,
}

impl Dns {
    /// Reads the text of a resolv.conf; lines that say nothing known are passed over.
    ///
    /// ```
    /// use ipam_cni::Dns;
    ///
    /// let dns = Dns::parse("# local\nnameserver 192.0.2.3\nsearch a.example b.example\n");
    /// assert_eq!(dns.to_json()["nameservers"][0], "192.0.2.3");
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut fields = line.split_whitespace().map(str::to_owned);
            let (Some(key), Some(first)) = (fields.next(), fields.next()) else {
                continue;
            };
            let mut all = std::iter::once(first).chain(fields);
            match &*key {
                "nameserver" => out.nameservers.extend(all.next()),
                "domain" => out.domain = all.next(),
                "search" => out.search.extend(all),
                "options" => out.options.extend(all),
                _ => {}
            }
        }
        out
    }

    /// As results have it; what is empty is left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        let lists = [
            ("nameservers", &self.nameservers),
            ("search", &self.search),
            ("options", &self.options),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                json.insert(name.into(), list.clone().into());
            }
        }
        if let Some(domain) = &self.domain {
            json.insert("domain".into(), domain.as_str().into());
        }
        Value::Object(json)
    }
}

/// The answer to ADD, in the configuration's version.
#[must_use]
pub fn result(config: &Config, addresses: &[Address], dns: &Dns) -> Value {
    let mut json = Map::new();
    json.insert("cniVersion".into(), config.version.name().into());
    match config.version < Version::LISTS {
        true => by_family(config, addresses, &mut json),
        false => as_lists(config, addresses, &mut json),
    }
    let dns = dns.to_json();
    // From 1.0.0 on what is empty is left out.
    let empty = dns.as_object().is_some_and(Map::is_empty);
    if config.version < Version::ONE || !empty {
        json.insert("dns".into(), dns);
    }
    Value::Object(json)
}

fn cidr(address: &Address) -> String {
    format!("{}/{}", address.address, address.prefix_length)
}

/// 0.1.0 and 0.2.0: one object per family, with the family's routes.
fn by_family(config: &Config, addresses: &[Address], json: &mut Map<String, Value>) {
    for address in addresses {
        let v4 = address.address.is_ipv4();
        let mut one = json!({ "ip": cidr(address) });
        if let Some(gateway) = address.gateway {
            one["gateway"] = gateway.to_string().into();
        }
        let routes: Vec<Value> = config
            .routes
            .iter()
            .filter(|r| r.is_v4() == v4)
            .map(|r| r.json().clone())
            .collect();
        if !routes.is_empty() {
            one["routes"] = routes.into();
        }
        json.insert(if v4 { "ip4" } else { "ip6" }.into(), one);
    }
}

/// 0.3.0 and later: lists.
fn as_lists(config: &Config, addresses: &[Address], json: &mut Map<String, Value>) {
    let one = |address: &Address| {
        let mut one = Map::new();
        if config.version < Version::ONE {
            let family = if address.address.is_ipv4() { "4" } else { "6" };
            one.insert("version".into(), family.into());
        }
        one.insert("address".into(), cidr(address).into());
        if let Some(gateway) = address.gateway {
            one.insert("gateway".into(), gateway.to_string().into());
        }
        Value::Object(one)
    };
    json.insert("ips".into(), addresses.iter().map(one).collect());
    if !config.routes.is_empty() {
        json.insert(
            "routes".into(),
            config.routes.iter().map(|r| r.json().clone()).collect(),
        );
    }
}

/// The answer to VERSION.
#[must_use]
pub fn versions() -> Value {
    json!({ "cniVersion": LATEST, "supportedVersions": SUPPORTED })
}

/// What a call without a command says on standard error.
#[must_use]
pub fn usage() -> String {
    format!(
        "CNI plugin berth-cni {}: addresses for containers; called by a container runtime, not by hand.\nCNI protocol versions supported: {}\n",
        env!("CARGO_PKG_VERSION"),
        SUPPORTED.join(", ")
    )
}
