//! Routes, which pass through from the configuration to the result.

use crate::environment::shortened;
use crate::error::{Code, Refusal};
use crate::field::{field, or_null};
use crate::network::{list, prefix, text, wrong_type};
use serde_json::{Map, Value};

/// A route as results have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    json: Value,
    v4: bool,
}

/// Numbers of a route that results carry on, by 1.1.0's names.
const NUMBERS: [&str; 5] = ["mtu", "advmss", "priority", "table", "scope"];

impl Route {
    pub(crate) fn all(ipam: &Value) -> Result<Vec<Self>, Refusal> {
        list(ipam, "routes")?.iter().map(Self::parse).collect()
    }

    fn parse(object: &Value) -> Result<Self, Refusal> {
        if !object.is_object() {
            return Err(wrong_type("routes", "objects with a dst", object));
        }
        let invalid = |message| Refusal::new(Code::InvalidConfig, message);
        let destination = text(object, "dst")?.unwrap_or_default();
        let Some((address, length)) = prefix(destination) else {
            return Err(
                invalid(format!("invalid CIDR address: {}", shortened(destination)))
                    .details("a route needs a dst such as \"0.0.0.0/0\""),
            );
        };
        let address = address.to_canonical();
        let mut json = Map::new();
        json.insert("dst".into(), format!("{address}/{length}").into());
        if let Some(gateway) = text(object, "gw")? {
            let parsed: std::net::IpAddr = gateway.parse().map_err(|_| {
                invalid(format!("invalid IP address: {}", shortened(gateway)))
                    .details("the gw of a route")
            })?;
            json.insert("gw".into(), parsed.to_canonical().to_string().into());
        }
        for name in NUMBERS {
            match or_null(object, name) {
                Value::Null => {}
                number if number.is_i64() || number.is_u64() => {
                    let pointer = name == "table" || name == "scope";
                    // What is zero is left out, but for those where zero means something.
                    if pointer || number.as_u64() != Some(0) {
                        json.insert(name.into(), number.clone());
                    }
                }
                other => return Err(wrong_type(name, "a number", other)),
            }
        }
        Ok(Self {
            json: Value::Object(json),
            v4: address.is_ipv4(),
        })
    }

    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    pub(crate) fn is_v4(&self) -> bool {
        self.v4
    }
}

/// An attachment that the runtime knows of: container id and interface.
pub(crate) type Attachment = (String, String);

/// What is valid as GC is told; nothing where the key is missing.
pub(crate) fn valid_attachments(config: &Value) -> Result<Option<Vec<Attachment>>, Refusal> {
    // The second name was in an early text of the specification, and runtimes give both.
    let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
    let Some(key) = keys.into_iter().find(|key| field(config, key).is_some()) else {
        return Ok(None);
    };
    let one = |item: &Value| match (text(item, "containerID")?, text(item, "ifname")?) {
        (Some(container), Some(interface)) => Ok((container.to_owned(), interface.to_owned())),
        _ => Err(wrong_type(key, "objects with containerID and ifname", item)),
    };
    list(config, key)?
        .iter()
        .map(one)
        .collect::<Result<_, _>>()
        .map(Some)
}
