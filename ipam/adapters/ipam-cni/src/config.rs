//! A call: command, attachment and network configuration, checked.

use crate::arguments::Arguments;
use crate::environment::{Environment, is_name, shortened};
use crate::error::{Code, Refusal};
use crate::field::or_null;
use crate::network::{RangeSet, WrittenSets, address, list, text, wrong_type};
use crate::route::{Attachment, Route, valid_attachments};
use crate::settings::{Retain, Settings};
use crate::version::{Version, allows};
use serde_json::Value;
use std::net::IpAddr;

/// What a runtime asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// Nothing: `CNI_COMMAND` is not set. What the plugin is goes to standard error.
    Usage,
    /// VERSION.
    Version,
    /// ADD: an address of each range set.
    Add(Config),
    /// CHECK: whether the attachment has an address.
    Check(Config),
    /// DEL: what the attachment has is released.
    Delete(Config),
    /// GC: what is held by no valid attachment is released.
    Collect(Config),
    /// STATUS: whether ADD would be answered.
    Status(Config),
}

/// The network and the attachment that a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) container: String,
    pub(crate) interface: String,
    pub(crate) sets: Vec<RangeSet>,
    pub(crate) requested: Vec<IpAddr>,
    pub(crate) workload: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) routes: Vec<Route>,
    pub(crate) valid: Option<Vec<Attachment>>,
    resolv_conf: Option<String>,
    data_dir: Option<String>,
    settings: Settings,
}

/// The longest name of a network: pools and a folder are named after it.
const LONGEST_NAME: usize = 200;
/// Most addresses asked for: each is looked for in every range.
const MOST_REQUESTED: usize = 256;
/// Where host-local keeps its files unless told.
const DATA_DIR: &str = "/var/lib/cni/networks";

impl Call {
    /// Reads a call. What is wrong is found in the order in which host-local finds it: variables, configuration, version,
    /// `ipam` section.
    ///
    /// ```
    /// use ipam_cni::{Call, Environment};
    ///
    /// let mut environment = Environment::default();
    /// environment.command = "VERSION".into();
    /// assert_eq!(Call::read(&environment, b""), Ok(Call::Version));
    /// environment.command = "ADD".into();
    /// let refusal = Call::read(&environment, b"{}").unwrap_err();
    /// assert_eq!(refusal.message, "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
    /// ```
    ///
    /// # Errors
    /// [`Refusal`]: what goes to standard output.
    pub fn read(environment: &Environment, stdin: &[u8]) -> Result<Self, Refusal> {
        if environment.command.is_empty() {
            return Ok(Self::Usage);
        }
        environment.check()?;
        if environment.command == "VERSION" {
            return Ok(Self::Version);
        }
        let json = document(stdin)?;
        let name = network_name(&json)?;
        let since = match &*environment.command {
            "ADD" | "DEL" => None,
            "CHECK" => Some([0, 4, 0]),
            "GC" | "STATUS" => Some([1, 1, 0]),
            other => {
                let message = format!("unknown CNI_COMMAND: {}", shortened(other));
                return Err(Refusal::new(Code::InvalidEnvironment, message)
                    .details("CNI_COMMAND is ADD, DEL, CHECK, GC, STATUS or VERSION"));
            }
        };
        let version = text(&json, "cniVersion")?.unwrap_or_default();
        if let Some(since) = since {
            allows(version, &environment.command, since)?;
        }
        let config = Config::read(environment, &json, name, Version::named(version)?)?;
        Ok(match &*environment.command {
            "ADD" => Self::Add(config.for_add()?),
            "DEL" => Self::Delete(config),
            "CHECK" => Self::Check(config),
            "GC" => Self::Collect(config),
            _ => Self::Status(config),
        })
    }
}

/// The configuration as JSON.
fn document(stdin: &[u8]) -> Result<Value, Refusal> {
    let parsed: Result<Value, _> = serde_json::from_slice(stdin);
    let json = parsed.map_err(|e| {
        let why = match e.is_eof() {
            true => "unexpected end of JSON input".to_owned(),
            false => e.to_string(),
        };
        Refusal::new(
            Code::Decode,
            format!("error unmarshall network config: {why}"),
        )
    })?;
    match json.is_object() || json.is_null() {
        true => Ok(json),
        false => Err(Refusal::new(
            Code::Decode,
            "error unmarshall network config: it is no object",
        )),
    }
}

fn network_name(json: &Value) -> Result<String, Refusal> {
    let name = text(json, "name")?
        .ok_or_else(|| Refusal::new(Code::InvalidConfig, "missing network name"))?;
    check_network_name(name).map(|()| name.to_owned())
}

/// Refuses what can't be a network's name.
///
/// # Errors
/// [`Code::InvalidConfig`].
pub fn check_network_name(name: &str) -> Result<(), Refusal> {
    if !is_name(name) {
        return Err(Refusal::new(
            Code::InvalidConfig,
            "invalid characters found in network name",
        )
        .details(shortened(name)));
    }
    match name.len() <= LONGEST_NAME {
        true => Ok(()),
        false => Err(
            Refusal::new(Code::InvalidConfig, "network name is too long").details(format!(
                "it has {} bytes, {LONGEST_NAME} are the most",
                name.len()
            )),
        ),
    }
}

/// The addresses that the configuration asks for, by `args` and by the capability `ips`.
fn requested(json: &Value) -> Result<Vec<IpAddr>, Refusal> {
    let args = list(or_null(or_null(json, "args"), "cni"), "ips")?;
    let runtime = list(or_null(json, "runtimeConfig"), "ips")?;
    if args.len().saturating_add(runtime.len()) > MOST_REQUESTED {
        let message = format!("more than {MOST_REQUESTED} addresses are asked for");
        return Err(Refusal::new(Code::InvalidConfig, message));
    }
    let mut out: Vec<IpAddr> = Vec::new();
    for item in args.iter().chain(runtime) {
        let Value::String(text) = item else {
            return Err(wrong_type("ips", "strings", item));
        };
        let wrong = || {
            Refusal::new(
                Code::InvalidConfig,
                format!("invalid IP address {}", shortened(text)),
            )
        };
        let address = address(text).ok_or_else(wrong)?;
        // Asked for twice is asked for.
        if !out.contains(&address) {
            out.push(address);
        }
    }
    Ok(out)
}

impl Config {
    fn read(
        environment: &Environment,
        json: &Value,
        name: String,
        version: Version,
    ) -> Result<Self, Refusal> {
        let ipam = or_null(json, "ipam");
        if ipam.is_null() {
            return Err(Refusal::new(
                Code::InvalidConfig,
                "IPAM config missing 'ipam' key",
            ));
        }
        if !ipam.is_object() {
            return Err(wrong_type("ipam", "an object", ipam));
        }
        // What can't be read is found before anything is compared.
        let written = WrittenSets::read(ipam, or_null(json, "runtimeConfig"))?;
        let routes = Route::all(ipam)?;
        let mut requested = requested(json)?;
        let arguments = Arguments::parse(&environment.args)?;
        if let Some(address) = arguments.address {
            requested.retain(|other| *other != address);
            requested.insert(0, address);
        }
        let sets = written.checked(version.name(), version >= Version::LISTS)?;
        let settings = Settings::parse(ipam)?;
        if sets.is_empty() && settings.controller.is_none() {
            return Err(Refusal::new(Code::InvalidConfig, "no IP ranges specified")
                .details("give \"subnet\" or \"ranges\" in the ipam section"));
        }
        Ok(Self {
            requested,
            workload: arguments.workload(),
            pod: arguments.pod(),
            routes,
            valid: match &*environment.command {
                "GC" => valid_attachments(json)?,
                _ => None,
            },
            resolv_conf: text(ipam, "resolvConf")?.map(str::to_owned),
            data_dir: text(ipam, "dataDir")?.map(str::to_owned),
            settings,
            container: environment.container().to_owned(),
            interface: environment.interface.clone(),
            version,
            name,
            sets,
        })
    }

    /// The owner by which an IP controller gave the pod its addresses, if one does.
    pub(crate) fn given_owner(&self) -> Option<Result<String, Refusal>> {
        let cluster = self.settings.controller.as_deref()?;
        let pod = self.pod.as_deref().ok_or_else(|| {
            Refusal::new(
                Code::InvalidEnvironment,
                "an IP controller without a pod to ask it for",
            )
            .details("CNI_ARGS needs K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID")
        });
        Some(pod.map(|pod| format!("{cluster}/{pod}")))
    }

    /// What only an ADD must have.
    fn for_add(self) -> Result<Self, Refusal> {
        match self.settings.retention == Retain::Ephemeral || self.workload.is_some() {
            true => Ok(self),
            false => Err(Refusal::new(Code::InvalidEnvironment, "retention without a workload to retain addresses for")
                .details("CNI_ARGS needs K8S_POD_NAMESPACE and K8S_POD_NAME, or the configuration \"retention\": \"ephemeral\"")),
        }
    }

    /// The configuration's version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file of name servers whose content goes into the result.
    #[must_use]
    pub fn resolv_conf(&self) -> Option<&str> {
        self.resolv_conf.as_deref()
    }

    /// The folder of this network's files: `dataDir` with the network's name.
    #[must_use]
    pub fn folder(&self) -> std::path::PathBuf {
        let data_dir = self.data_dir.as_deref().unwrap_or(DATA_DIR);
        std::path::Path::new(data_dir).join(&self.name)
    }

    /// The keys that host-local has not.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The owner of the claims of an attachment: one of several has a number. Neither names of networks nor
    /// containers nor interfaces have a slash.
    pub(crate) fn owner(&self, group: usize) -> String {
        owner(&self.name, &self.container, &self.interface, group)
    }
}

/// The owner of an attachment's claim of that number.
pub(crate) fn owner(network: &str, container: &str, interface: &str, group: usize) -> String {
    match group {
        0 => format!("{network}/{container}/{interface}"),
        more => format!("{network}/{container}/{interface}/{more}"),
    }
}

/// The attachment that an owner of a network is.
pub(crate) fn attachment<'o>(network: &str, owner: &'o str) -> Option<(&'o str, &'o str)> {
    let rest = owner.strip_prefix(network)?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    Some((parts.next()?, parts.next()?))
}
