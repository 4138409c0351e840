//! What an engine sends, and what it is answered.

use crate::refusal::Refusal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The address space of networks of one host, as recorded engines were given it.
pub const LOCAL: &str = "berth-local";
/// The address space of networks of several hosts. Both are the one store: pools are shared by whoever shares that.
pub const GLOBAL: &str = "berth-global";

/// The longest body that a call may have, in bytes. What engines send is below 1 KiB.
pub const LONGEST_BODY: usize = 64 * 1024;

/// A pool is asked for, by `docker network create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PoolRequest {
    /// [`LOCAL`] or [`GLOBAL`].
    pub address_space: String,
    /// The prefix (`--subnet`); empty: any.
    pub pool: String,
    /// The part of it from which addresses are given to who asks for none (`--ip-range`); empty: all of it.
    pub sub_pool: String,
    /// `--ipam-opt`.
    pub options: Option<BTreeMap<String, String>>,
    /// Whether an IPv6 pool is wanted, where no prefix says so.
    pub v6: bool,
}

/// An address is asked for: a network's gateway or auxiliary address, or a container's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddressRequest {
    /// The pool, by the id that it was given with.
    #[serde(rename = "PoolID")]
    pub pool_id: String,
    /// The address; empty: any.
    pub address: String,
    /// What it is for.
    pub options: Option<BTreeMap<String, String>>,
}

/// The type of a request for a gateway, under [`TYPE`] (libnetwork's `netlabel.Gateway`).
const GATEWAY: &str = "com.docker.network.gateway";
/// The option that says what an address is for (libnetwork's `ipamapi.RequestAddressType`).
const TYPE: &str = "RequestAddressType";
/// The option in which engines from API 1.52 on tell a container's name (moby's `netlabel.EndpointName`).
const ENDPOINT: &str = "com.docker.network.endpoint.name";

impl AddressRequest {
    fn option(&self, key: &str) -> Option<&str> {
        self.options.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether it is for a gateway.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.option(TYPE) == Some(GATEWAY)
    }

    /// The container's name, where the engine tells it.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.option(ENDPOINT).filter(|name| !name.is_empty())
    }
}

/// An address is given back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddressRelease {
    /// The pool.
    #[serde(rename = "PoolID")]
    pub pool_id: String,
    /// The address, without a prefix length.
    pub address: String,
}

/// A pool is given back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PoolRelease {
    /// The pool.
    #[serde(rename = "PoolID")]
    pub pool_id: String,
}

/// A call of libnetwork's remote IPAM protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `/Plugin.Activate`.
    Activate,
    /// `/IpamDriver.GetCapabilities`.
    Capabilities,
    /// `/IpamDriver.GetDefaultAddressSpaces`.
    AddressSpaces,
    /// `/IpamDriver.RequestPool`.
    RequestPool(PoolRequest),
    /// `/IpamDriver.ReleasePool`.
    ReleasePool(PoolRelease),
    /// `/IpamDriver.RequestAddress`.
    RequestAddress(AddressRequest),
    /// `/IpamDriver.ReleaseAddress`.
    ReleaseAddress(AddressRelease),
}

impl Call {
    /// Reads a call by its path and body.
    ///
    /// ```
    /// use ipam_docker::{Call, RefusalKind};
    ///
    /// // Three calls come without a body, not even `{}`.
    /// assert_eq!(Call::read("/Plugin.Activate", b""), Ok(Call::Activate));
    /// // An engine that lost an answer sends its request again without the body that is gone.
    /// let refusal = Call::read("/IpamDriver.RequestAddress", b"").unwrap_err();
    /// assert_eq!(refusal.kind, RefusalKind::Bad);
    /// ```
    ///
    /// # Errors
    /// [`Refusal`]: another path, a body that is too long, empty, or none of that call's.
    pub fn read(path: &str, body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > LONGEST_BODY {
            let given = body.len();
            return Err(Refusal::bad(format!(
                "a body of {given} bytes; {LONGEST_BODY} are read"
            )));
        }
        Ok(match path {
            "/Plugin.Activate" => Self::Activate,
            "/IpamDriver.GetCapabilities" => Self::Capabilities,
            "/IpamDriver.GetDefaultAddressSpaces" => Self::AddressSpaces,
            "/IpamDriver.RequestPool" => Self::RequestPool(parsed(body)?),
            "/IpamDriver.ReleasePool" => Self::ReleasePool(parsed(body)?),
            "/IpamDriver.RequestAddress" => Self::RequestAddress(parsed(body)?),
            "/IpamDriver.ReleaseAddress" => Self::ReleaseAddress(parsed(body)?),
            other => {
                let shown: String = other.chars().take(80).collect();
                return Err(Refusal::bad(format!("no method {shown:?}")));
            }
        })
    }

    /// The name in metrics, such as `request_address`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Capabilities => "capabilities",
            Self::AddressSpaces => "address_spaces",
            Self::RequestPool(_) => "request_pool",
            Self::ReleasePool(_) => "release_pool",
            Self::RequestAddress(_) => "request_address",
            Self::ReleaseAddress(_) => "release_address",
        }
    }
}

/// A call's arguments. Nesting is bounded by `serde_json` (128 levels), all else by the length of the body.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        let message = "an empty body: the answer to an earlier request was lost, and what was asked is not known any more";
        return Err(Refusal::bad(message));
    }
    // A list of values would do for `serde`.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Refusal::bad("the body is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|e| Refusal::bad(format!("the body: {e}")))
}

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// The plugin serves addresses.
    Implements,
    /// Neither hardware addresses nor a replay at the engine's start are wanted.
    Capabilities,
    /// The names of the address spaces.
    AddressSpaces,
    /// A pool.
    Pool {
        /// Its id, and what range of it.
        id: String,
        /// Its prefix.
        prefix: String,
    },
    /// An address with the prefix length of its pool.
    Address(String),
    /// Done.
    Done,
}

impl Reply {
    /// The body of the answer.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Implements => json!({"Implements": ["IpamDriver"]}),
            Self::Capabilities => {
                json!({"RequiresMACAddress": false, "RequiresRequestReplay": false})
            }
            Self::AddressSpaces => {
                json!({"LocalDefaultAddressSpace": LOCAL, "GlobalDefaultAddressSpace": GLOBAL})
            }
            Self::Pool { id, prefix } => json!({"PoolID": id, "Pool": prefix, "Data": {}}),
            Self::Address(address) => json!({"Address": address, "Data": {}}),
            Self::Done => json!({}),
        }
    }
}
