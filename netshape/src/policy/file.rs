//! The policy as people write it, in any format that serde reads. Every field is checked here, so that an error names it.

use super::addresses::addresses;
use super::container::{Container, EgressPoint};
use super::direction::Direction;
use super::quantity::{maybe_text, text};
use super::refusal::{Refusal, RefusalKind};
use super::shape::Shape;
use super::uplink::{Classifier, Tier, Uplink};
use crate::object::{DevName, Netns};
use crate::observe::state::ObservedState;
use crate::policy::host::capabilities::Capabilities;
use crate::policy::host::wanted::Host;
use crate::unit::{Bytes, Rate};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;

/// Greatest number of containers or tiers that a policy may hold.
const MOST: usize = 65_536;

/// The whole policy file, in any format that serde reads.
///
/// ```
/// use netshape::policy::PolicyFile;
/// use netshape::{Capabilities, ObservedState};
///
/// let policy: PolicyFile = serde_json::from_str(
///     r#"{"host": {"uplink": {"dev": "eth0", "capacity": "1gbit", "reserve": "100mbit"}},
///         "container": [
///           {"id": "web", "veth": "v1", "egress": {"guarantee": "50mbit", "ceiling": "200mbit"}},
///           {"id": "job", "veth": "v2", "egress": {"guarantee": "50"}}]}"#,
/// )?;
/// let observed = ObservedState::new();
/// let (host, refused) = policy.host_on(&observed, Capabilities::default(), &Default::default())?;
/// assert!(host.slot("web").is_some());
/// assert_eq!(refused[0].field, "container[1].egress.guarantee"); // the unit is missing
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyFile {
    /// What the host has.
    #[serde(default)]
    pub host: HostSection,
    /// Classes of containers.
    #[serde(default)]
    pub tier: Vec<TierSection>,
    /// The containers.
    #[serde(default)]
    pub container: Vec<ContainerSection>,
}

/// `[host]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HostSection {
    /// The device that all share.
    pub uplink: Option<UplinkSection>,
}

/// `uplink = { dev = "eth0", capacity = "10gbit", reserve = "200mbit" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UplinkSection {
    /// Device.
    pub dev: String,
    /// What it carries.
    #[serde(deserialize_with = "text")]
    pub capacity: String,
    /// What the host keeps for itself.
    #[serde(default, deserialize_with = "maybe_text")]
    pub reserve: Option<String>,
    /// What it carries towards the host, where that is not `capacity`.
    #[serde(default, deserialize_with = "maybe_text")]
    pub ingress: Option<String>,
    /// How packets come into the classes of containers: `address` (unless said otherwise) or `priority`.
    pub classify: Option<Classifier>,
}

/// `[[tier]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TierSection {
    /// Name.
    pub name: String,
    /// Share in spare bandwidth, 1 to 1000.
    pub weight: Option<u32>,
}

/// `[[container]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerSection {
    /// Id.
    pub id: String,
    /// The host's end of its veth; none where it is on a macvlan or ipvlan device, whose egress alone can be shaped.
    pub veth: Option<String>,
    /// Named network namespace that it is in.
    pub netns: Option<String>,
    /// Or a process in it.
    pub pid: Option<u32>,
    /// Its own device, `eth0` where not said.
    pub dev: Option<String>,
    /// Its tier.
    pub tier: Option<String>,
    /// A weight of its own.
    pub weight: Option<u32>,
    /// The addresses that its packets have on the uplink.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What comes in.
    pub ingress: Option<ShapeSection>,
    /// What goes out.
    pub egress: Option<ShapeSection>,
}

/// `{ guarantee = "50mbit", ceiling = "200mbit", burst = "256kB", priority = 0 }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ShapeSection {
    /// Guaranteed rate.
    #[serde(default, deserialize_with = "maybe_text")]
    pub guarantee: Option<String>,
    /// Ceiling; the uplink's capacity where not given.
    #[serde(default, deserialize_with = "maybe_text")]
    pub ceiling: Option<String>,
    /// Burst (bucket size).
    #[serde(default, deserialize_with = "maybe_text")]
    pub burst: Option<String>,
    /// 0 to 7.
    pub priority: Option<u64>,
}

fn parse<T: FromStr<Err = crate::unit::UnitError>>(text: &str, field: &str) -> Result<T, Refusal> {
    text.parse()
        .map_err(|error| Refusal::new(field, RefusalKind::Unit(error)))
}

impl PolicyFile {
    /// The host that is wanted, and what had to be refused; the rest is in it. `numbers` are the class numbers that
    /// containers had before, by id. As [`PolicyFile::host_on`] where nothing was observed.
    ///
    /// # Errors
    /// What is wrong with the host itself or its tiers: then nothing can be planned.
    pub fn host(
        &self,
        caps: Capabilities,
        numbers: &BTreeMap<String, u16>,
    ) -> Result<(Host, Vec<Refusal>), Refusal> {
        self.host_on(&ObservedState::new(), caps, numbers)
    }

    /// The host that is wanted, and what had to be refused, by place in the file. A container whose section is refused keeps what
    /// it has ([`Host::hold`]): what its class on the observed uplink has is not promised to those that ask for more
    /// than they have. Guarantees are admitted in the order of the file. A refused section that does not even say which devices
    /// it is about, whose id or device another section has too, or that names a device that was not observed, makes plans remove nothing ([`Host::hold_everything`]).
    ///
    /// # Errors
    /// What is wrong with the host itself or its tiers: then nothing can be planned.
    pub fn host_on(
        &self,
        observed: &ObservedState,
        caps: Capabilities,
        numbers: &BTreeMap<String, u16>,
    ) -> Result<(Host, Vec<Refusal>), Refusal> {
        let limit = |name: &str, n: usize| match n > MOST {
            true => Err(Refusal::new(
                name,
                RefusalKind::TooMany {
                    given: n,
                    limit: MOST,
                },
            )),
            false => Ok(()),
        };
        limit("tier", self.tier.len())?;
        limit("container", self.container.len())?;
        let uplink = match &self.host.uplink {
            None => None,
            Some(section) => Some(section.uplink().map_err(|r| r.within("host.uplink"))?),
        };
        let mut tiers = Vec::with_capacity(self.tier.len());
        for (i, section) in self.tier.iter().enumerate() {
            let tier = Tier::new(&section.name, section.weight.unwrap_or(1));
            tiers.push(tier.map_err(|r| r.within(&format!("tier[{i}]")))?);
        }
        let mut host = Host::new(uplink.clone(), tiers, caps)?;
        host.reserve(self.container.len());
        let mut refused = Vec::new();
        // What is wrong by itself first: all that such containers keep counts when the others are admitted.
        let mut sound = Vec::with_capacity(self.container.len());
        for (i, section) in self.container.iter().enumerate() {
            let container = section.container(uplink.as_ref());
            match container.and_then(|c| host.check_tier(&c).map(|()| c)) {
                Ok(container) => sound.push((i, container)),
                Err(refusal) => {
                    self.refuse(i, &mut host, observed, numbers);
                    refused.push((i, refusal));
                }
            }
        }
        for (i, container) in sound {
            let number = numbers.get(container.id()).copied();
            let has = host.has(container.id(), number, observed);
            match host.insert_having(container, number, has) {
                Ok(slot) => host.set_place(slot, i),
                Err(refusal) => {
                    self.refuse(i, &mut host, observed, numbers);
                    refused.push((i, refusal));
                }
            }
        }
        if self.may_mean_another(&refused, observed) {
            host.hold_everything();
        }
        refused.sort_by_key(|(i, _)| *i);
        let within = |(i, r): (usize, Refusal)| r.within(&format!("container[{i}]"));
        Ok((host, refused.into_iter().map(within).collect()))
    }

    /// Whether a refused section has its id or a device in common with another one, or with the uplink: one of the two is a
    /// slip, and the container or device that was meant, which nobody knows, has to stay. So it is where it names a device that
    /// was not among those observed beside it. O(n log n) if anything is refused.
    fn may_mean_another(&self, refused: &[(usize, Refusal)], observed: &ObservedState) -> bool {
        if refused.is_empty() {
            return false;
        }
        let places = |s: &ContainerSection| s.attachment().map(|c| c.places()).unwrap_or_default();
        let (mut ids, mut taken) = (BTreeMap::new(), BTreeMap::new());
        let uplink = self.host.uplink.as_ref();
        if let Some(name) = uplink.map(|u| DevName::on_host(u.dev.as_str().into())) {
            taken.insert(name, 1_usize);
        }
        for section in &self.container {
            *ids.entry(&*section.id).or_insert(0_usize) += 1;
            for name in places(section) {
                *taken.entry(name).or_insert(0) += 1;
            }
        }
        let namespaces = observed.devices().map(|(name, _)| &name.netns);
        let namespaces: BTreeSet<&Netns> = namespaces.collect();
        let mut sections = refused.iter().filter_map(|(i, _)| self.container.get(*i));
        sections.any(|s| {
            let twice = |name| taken.get(&name).is_some_and(|n| *n > 1);
            ids.get(&*s.id).is_some_and(|n| *n > 1)
                || places(s).into_iter().any(twice)
                || s.attachment()
                    .is_ok_and(|c| is_astray(&c, observed, &namespaces))
        })
    }

    /// Leaves what a refused section is about as it is.
    fn refuse(
        &self,
        place: usize,
        host: &mut Host,
        observed: &ObservedState,
        numbers: &BTreeMap<String, u16>,
    ) {
        let section = self.container.get(place);
        // Ingress without a veth: which one it was is not said.
        let section = section.filter(|s| s.veth.is_some() || s.ingress.is_none());
        match section.map(ContainerSection::attachment) {
            Some(Ok(container)) => {
                let had = numbers.get(container.id()).copied();
                host.hold(&container, had, observed);
            }
            _ => host.hold_everything(),
        }
    }
}

/// Whether the container's veth is not on the observed host, or its own end not in a namespace of which devices were observed.
fn is_astray(
    container: &Container,
    observed: &ObservedState,
    namespaces: &BTreeSet<&Netns>,
) -> bool {
    let mut ends = container.ends();
    ends.any(|end| namespaces.contains(&end.netns) && observed.device(&end).is_none())
}

impl UplinkSection {
    fn uplink(&self) -> Result<Uplink, Refusal> {
        let reserve = self
            .reserve
            .as_deref()
            .map_or(Ok(Rate::ZERO), |r| parse(r, "reserve"))?;
        let uplink = Uplink::new(&self.dev, parse(&self.capacity, "capacity")?, reserve)?;
        let uplink = uplink.classified_by(self.classify.unwrap_or_default());
        match &self.ingress {
            Some(ingress) => uplink.with_ingress(parse(ingress, "ingress")?),
            None => Ok(uplink),
        }
    }
}

impl ContainerSection {
    /// Who it is and where it is shaped, without how.
    fn attachment(&self) -> Result<Container, Refusal> {
        let inside = match (&self.netns, self.pid) {
            (Some(_), Some(pid)) => {
                let given = pid.to_string();
                return Err(Refusal::new(
                    "pid",
                    RefusalKind::Conflicting {
                        given,
                        other: "netns",
                    },
                ));
            }
            (Some(netns), None) => EgressPoint::Netns(netns.as_str().into()),
            (None, Some(pid)) => EgressPoint::Pid(pid),
            (None, None) => EgressPoint::Ifb,
        };
        let dev = self.dev.as_deref().unwrap_or("eth0");
        let container = match &self.veth {
            Some(veth) => Container::new(&self.id, veth)?,
            // Neither end is said: nobody knows which devices it is about.
            None if inside == EgressPoint::Ifb => {
                let direction = Direction::Egress;
                return Err(Refusal::new("veth", RefusalKind::NoVeth { direction }));
            }
            None => Container::without_veth(&self.id)?,
        };
        container.with_egress_point(inside, dev)
    }

    fn container(&self, uplink: Option<&Uplink>) -> Result<Container, Refusal> {
        let mut container = self
            .attachment()?
            .with_addresses(addresses(&self.addresses)?)?;
        if let Some(tier) = &self.tier {
            container = container.with_tier(tier);
        }
        if let Some(weight) = self.weight {
            if !(1..=1000).contains(&weight) {
                let kind = RefusalKind::BadWeight {
                    given: u64::from(weight),
                };
                return Err(Refusal::new("weight", kind));
            }
            container = container.with_weight(weight);
        }
        for (direction, section) in [
            (Direction::Ingress, &self.ingress),
            (Direction::Egress, &self.egress),
        ] {
            if let Some(section) = section {
                let shape = section
                    .shape(uplink.map(|u| u.carries(direction)))
                    .map_err(|r| r.within(direction.name()))?;
                container = container.with_shape(direction, shape);
            }
        }
        Ok(container)
    }
}

impl ShapeSection {
    fn shape(&self, capacity: Option<Rate>) -> Result<Shape, Refusal> {
        let guarantee = self.guarantee.as_deref();
        let guarantee = guarantee.map_or(Ok(Rate::ZERO), |g| parse(g, "guarantee"))?;
        let ceiling = match (&self.ceiling, capacity) {
            (Some(text), _) => parse(text, "ceiling")?,
            (None, Some(capacity)) => capacity,
            (None, None) => return Err(Refusal::new("ceiling", RefusalKind::Missing)),
        };
        let at = |field: &'static str| move |kind| Refusal::new(field, kind);
        let mut shape = Shape::new(guarantee, ceiling).map_err(at("ceiling"))?;
        if let Some(text) = &self.burst {
            shape = shape
                .with_burst(parse::<Bytes>(text, "burst")?)
                .map_err(at("burst"))?;
        }
        if let Some(priority) = self.priority {
            let small =
                u8::try_from(priority).map_err(|_| RefusalKind::BadPriority { given: priority });
            let small = small.and_then(|p| shape.with_priority(p));
            shape = small.map_err(at("priority"))?;
        }
        Ok(shape)
    }
}
