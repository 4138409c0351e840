//! What HAProxy says of its servers (`show servers state`).

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Of a server, what is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) id: u32,
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) weight: u32,
    /// In maintenance by a command or the configuration.
    pub(super) in_maintenance: bool,
}

/// The servers of each backend by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backends(pub(super) BTreeMap<String, BTreeMap<String, Server>>);

/// `SRV_ADMF_FMAINT` and `SRV_ADMF_CMAINT` of HAProxy's `server-t.h`.
const MAINTENANCE: u32 = 0x01 | 0x04;

impl Backends {
    /// Reads the answer of format 1. A backend without servers is not in it: HAProxy 2.6 tells of none.
    pub(super) fn read(answer: &str) -> Result<Self, String> {
        let mut lines = answer.lines();
        let version = lines.next().unwrap_or_default().trim();
        let header = lines.next().and_then(|line| line.strip_prefix("# "));
        let (Some(header), "1") = (header, version) else {
            let said: String = answer.chars().take(200).collect();
            return Err(format!(
                "`show servers state` of format 1 is read, not: {said:?}"
            ));
        };
        let columns: Vec<&str> = header.split(' ').collect();
        let mut backends = Self::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let values: Vec<&str> = line.split(' ').collect();
            let value = |name: &str| {
                let place = columns.iter().position(|column| *column == name)?;
                values.get(place).copied()
            };
            let server = || {
                let server = Server {
                    id: value("srv_id")?.parse().ok()?,
                    address: value("srv_addr")?.parse().ok(),
                    port: value("srv_port")?.parse().ok()?,
                    weight: value("srv_uweight")?.parse().ok()?,
                    in_maintenance: value("srv_admin_state")?.parse::<u32>().ok()? & MAINTENANCE
                        != 0,
                };
                Some((value("be_name")?, value("srv_name")?, server))
            };
            let (backend, name, server) =
                server().ok_or_else(|| format!("a server that cannot be read: {line:?}"))?;
            let servers = backends.0.entry(backend.to_owned()).or_default();
            servers.insert(name.to_owned(), server);
        }
        Ok(backends)
    }
}
