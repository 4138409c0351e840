//! `CNI_ARGS`: `KEY=VALUE` pairs with semicolons between.

use crate::environment::shortened;
use crate::error::{Code, Refusal};
use crate::network::address;
use std::net::IpAddr;

/// What `CNI_ARGS` says to this plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// `IP`: the address asked for.
    pub(crate) address: Option<IpAddr>,
    /// `K8S_POD_NAMESPACE` and `K8S_POD_NAME`.
    namespace: Option<String>,
    pod: Option<String>,
    /// `K8S_POD_UID`.
    uid: Option<String>,
}

/// A key that Kubernetes' runtimes give and that means nothing here.
const UNUSED: [&str; 1] = ["K8S_POD_INFRA_CONTAINER_ID"];

impl Arguments {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut out = Self::default();
        let (mut unknown, mut ignore) = (Vec::new(), false);
        if text.is_empty() {
            return Ok(out);
        }
        for pair in text.split(';') {
            let halves = pair.split_once('=').filter(|(_, v)| !v.contains('='));
            let Some((key, value)) = halves else {
                return Err(wrong(format!("ARGS: invalid pair {:?}", shortened(pair))));
            };
            out.note(key, value, pair, &mut ignore, &mut unknown)?;
        }
        match unknown.is_empty() || ignore {
            true => Ok(out),
            false => Err(wrong(format!("ARGS: unknown args [{}]", unknown.join(" ")))
                .details("CNI_ARGS may hold IP, K8S_POD_NAMESPACE and K8S_POD_NAME; IgnoreUnknown=1 lets others pass")),
        }
    }

    fn note(
        &mut self,
        key: &str,
        value: &str,
        pair: &str,
        ignore: &mut bool,
        unknown: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        let cidr = "an IP address, with or without a prefix length";
        match key {
            "IP" if value.is_empty() => self.address = None,
            "IP" => {
                let why = || format!("invalid IP address {}", shortened(value));
                self.address = Some(address(value).ok_or_else(|| unreadable(pair, &why(), cidr))?);
            }
            "IgnoreUnknown" => {
                let why = || {
                    format!(
                        "boolean unmarshal error: invalid input {}",
                        shortened(value)
                    )
                };
                *ignore = boolean(value)
                    .ok_or_else(|| unreadable(pair, &why(), "1, true, 0 or false"))?;
            }
            "K8S_POD_NAMESPACE" => self.namespace = Some(value.to_owned()),
            "K8S_POD_NAME" => self.pod = Some(value.to_owned()),
            "K8S_POD_UID" => self.uid = Some(value.to_owned()),
            _ if UNUSED.contains(&key) => {}
            _ => unknown.push(format!("{:?}", shortened(pair))),
        }
        Ok(())
    }

    /// The workload, `NAMESPACE/NAME`, where both are told.
    pub(crate) fn workload(&self) -> Option<String> {
        let (namespace, pod) = (self.namespace.as_deref()?, self.pod.as_deref()?);
        (!namespace.is_empty() && !pod.is_empty()).then(|| format!("{namespace}/{pod}"))
    }

    /// The pod, `NAMESPACE/NAME/UID`, where all three are told.
    pub(crate) fn pod(&self) -> Option<String> {
        let uid = self.uid.as_deref().filter(|uid| !uid.is_empty())?;
        Some(format!("{}/{uid}", self.workload()?))
    }
}

fn wrong(message: String) -> Refusal {
    Refusal::new(Code::InvalidEnvironment, message).details("see CNI_ARGS")
}

fn unreadable(pair: &str, why: &str, right: &str) -> Refusal {
    let pair = shortened(pair);
    let message = format!("ARGS: error parsing value of pair {pair:?}: {why}");
    Refusal::new(Code::InvalidEnvironment, message).details(format!("CNI_ARGS: want {right}"))
}

fn boolean(text: &str) -> Option<bool> {
    match &*text.to_ascii_lowercase() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}
