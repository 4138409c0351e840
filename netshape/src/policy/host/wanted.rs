//! What one host should look like: its containers admitted against the uplink, each with a class of its own that stays.

use super::admit::tiers as tiers_of;
use super::capabilities::Capabilities;
use super::held::Held;
use super::layout::MAJOR;
use super::member::Member;
use super::member::TierClass;
use super::member::Touch;
use super::minors::Minors;
use super::numbers::{Fixed, Numbers};
use super::promised::Promised;
use super::slot::Slot;
use crate::elastic::entitlement::Entitlement;
use crate::object::{DevName, Handle};
use crate::policy::container::{Container, EgressPoint};
use crate::policy::direction::Direction;
use crate::policy::refusal::Refusal;
use crate::policy::uplink::{Tier, Uplink};
use crate::unit::Rate;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use hashbrown::{HashMap, HashSet};

/// The wanted state of one host. Containers come and go; what changed is remembered for the next plan.
///
/// ```
/// use netshape::{Capabilities, Container, Direction, Host, Rate, Shape, Uplink};
///
/// let uplink = Uplink::new("eth0", Rate::gbit(1), Rate::mbit(100))?;
/// let mut host = Host::new(Some(uplink), Vec::new(), Capabilities::default())?;
/// let shape = Shape::new(Rate::mbit(600), Rate::gbit(1))?;
/// let slot = host.insert(Container::new("a", "veth0")?.with_shape(Direction::Egress, shape))?;
/// assert_eq!(host.promised(Direction::Egress), Rate::mbit(600));
/// assert_eq!(host.container(slot).map(Container::id), Some("a"));
///
/// // 600 + 600 Mbit/s do not fit into 900: refused with the figures, and the host is as it was.
/// let refused = host.insert(Container::new("b", "veth1")?.with_shape(Direction::Egress, shape));
/// assert!(refused.unwrap_err().to_string().contains("over uplink less reserve 900 Mbit/s"));
/// assert!(host.slot("b").is_none());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "node")]
pub struct Host {
    pub(crate) uplink: Option<Uplink>,
    pub(crate) caps: Capabilities,
    pub(crate) tiers: Vec<TierClass>,
    pub(crate) members: Vec<Option<Member>>,
    pub(super) free: Vec<Slot>,
    pub(super) by_id: HashMap<Arc<str>, Slot, Fixed>,
    /// Whose packets on the uplink have an address.
    pub(crate) by_address: HashMap<IpAddr, Slot, Fixed>,
    /// Members by minor number: the uplink's classes in order.
    pub(crate) by_minor: Minors,
    pub(crate) devices: HashSet<DevName, Fixed>,
    pub(super) numbers: Numbers,
    pub(super) promised: Promised,
    /// Classes that share the uplink towards the host.
    pub(super) ingress_classes: u32,
    /// Unsorted, with repetitions; some may be out of date, which the plan sees.
    pub(crate) touched: Vec<Touch>,
    /// What refused sections leave as it is.
    pub(crate) held: Held,
    /// How many that share the uplink have each weight.
    pub(super) weights: BTreeMap<u32, u32>,
    /// The smallest weight.
    pub(crate) least_weight: u32,
}

impl Host {
    /// A host without containers.
    ///
    /// # Errors
    /// Two tiers of one name, or more tiers than there are numbers.
    pub fn new(
        uplink: Option<Uplink>,
        tiers: Vec<Tier>,
        caps: Capabilities,
    ) -> Result<Self, Refusal> {
        let mut numbers = Numbers::new();
        let tiers = tiers_of(tiers, &mut numbers)?;
        let least_weight = tiers.iter().map(|t| t.tier.weight).min().unwrap_or(1);
        let devices = uplink
            .iter()
            .map(|u| DevName::on_host(u.dev.clone()))
            .collect();
        Ok(Self {
            promised: Promised::new(uplink.as_ref()),
            uplink,
            caps,
            tiers,
            members: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::default(),
            by_address: HashMap::default(),
            ingress_classes: 0,
            by_minor: Minors::new(),
            devices,
            numbers,
            touched: alloc::vec![Touch::Uplink],
            held: Held::default(),
            weights: BTreeMap::new(),
            least_weight,
        })
    }

    /// Makes room for so many more containers at once; without it there is room as they come.
    pub fn reserve(&mut self, containers: usize) {
        self.members.reserve(containers);
        self.by_id.reserve(containers);
        self.devices.reserve(containers.saturating_mul(2));
        self.touched.reserve(containers.saturating_mul(2));
    }

    /// Admits a container; what was promised to the others stays theirs. O(log n).
    ///
    /// # Errors
    /// Why it is refused; the host is then as it was.
    pub fn insert(&mut self, container: Container) -> Result<Slot, Refusal> {
        self.insert_with_minor(container, None)
    }

    /// Admits a container whose class had this minor number before, which it keeps if that is still free.
    ///
    /// # Errors
    /// As [`Host::insert`].
    pub fn insert_with_minor(
        &mut self,
        container: Container,
        minor: Option<u16>,
    ) -> Result<Slot, Refusal> {
        self.insert_having(container, minor, [Rate::ZERO; 2])
    }

    /// The same of a container whose classes on the uplink have `has` already, by direction: no more than that is never refused for what refused
    /// containers still have.
    pub(crate) fn insert_having(
        &mut self,
        container: Container,
        minor: Option<u16>,
        has: [Rate; 2],
    ) -> Result<Slot, Refusal> {
        let (tier, names) = self.admissible(&container, has)?;
        let kept = self.unhold(&container.id);
        let minor = self.numbers.take(&container.id, kept.or(minor))?;
        let slot = self
            .free
            .pop()
            .unwrap_or(Slot(u32::try_from(self.members.len()).unwrap_or(u32::MAX)));
        let declared = tier
            .and_then(|t| self.tiers.get(usize::from(t)))
            .map_or(1, |t| t.tier.weight);
        let weight = container.weight.unwrap_or(declared);
        self.by_id.insert(container.id.clone(), slot);
        self.by_minor.insert(minor, slot);
        let addresses = container.addresses.iter();
        self.by_address.extend(addresses.map(|a| (*a, slot)));
        let member = Member {
            container,
            minor,
            tier,
            weight,
            allocated: [None; 2],
            place: None,
        };
        for (direction, name) in [Direction::Ingress, Direction::Egress]
            .into_iter()
            .zip(names)
        {
            if let Some(name) = name {
                self.devices.insert(name);
                self.touched.push(Touch::Device(slot, direction));
            }
        }
        self.account(&member, true);
        match self.members.get_mut(slot.index()) {
            Some(place) => *place = Some(member),
            None => self.members.push(Some(member)),
        }
        Ok(slot)
    }

    /// Lets a container go; its class number becomes free. O(log n).
    pub fn remove(&mut self, id: &str) -> Option<Container> {
        if let Some(minor) = self.unhold(id) {
            self.touch_class(minor);
        }
        let slot = self.by_id.remove(id)?;
        let member = self.members.get_mut(slot.index())?.take()?;
        self.account(&member, false);
        self.numbers.give_back(member.minor);
        self.by_minor.remove(member.minor);
        for address in &member.container.addresses {
            self.by_address.remove(address);
        }
        self.free.push(slot);
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(name) = self.device_of(&member, direction) {
                self.devices.remove(&name);
                let by_ifb =
                    direction == Direction::Egress && member.container.inside == EgressPoint::Ifb;
                if let Some(veth) = member.container.veth.as_ref().filter(|_| by_ifb) {
                    let veth = DevName::on_host(veth.clone());
                    self.touched.push(Touch::Unhooked(Box::new(veth)));
                }
                self.touched.push(Touch::Dropped(Box::new(name)));
            }
        }
        Some(member.container)
    }

    /// Where a container is, by id.
    #[must_use]
    pub fn slot(&self, id: &str) -> Option<Slot> {
        self.by_id.get(id).copied()
    }

    /// The container in a slot.
    #[must_use]
    pub fn container(&self, slot: Slot) -> Option<&Container> {
        self.member(slot).map(|m| &m.container)
    }

    /// The containers by slot: in the order they came, save that a free slot is taken again.
    pub fn containers(&self) -> impl Iterator<Item = (Slot, &Container)> {
        let members = (0_u32..).map(Slot).zip(&self.members);
        members.filter_map(|(slot, m)| m.as_ref().map(|m| (slot, &m.container)))
    }

    /// The class a container has on the uplink; its minor number stays the container's while it is here. (Where an uplink was
    /// first shaped by a version before `be:` was reserved, the class stays below `1:` with the same minor number.)
    #[must_use]
    pub fn class_of(&self, slot: Slot) -> Option<Handle> {
        self.member(slot).map(|m| Handle::new(MAJOR, m.minor))
    }

    /// The weight that a container has in dividing spare bandwidth.
    #[must_use]
    pub fn weight(&self, slot: Slot) -> Option<u32> {
        self.member(slot).map(|m| m.weight)
    }

    /// What a container is entitled to when one direction's capacity is divided.
    #[must_use]
    pub fn entitlement(&self, slot: Slot, direction: Direction) -> Option<Entitlement> {
        let member = self.member(slot)?;
        let shape = member.container.shape(direction)?;
        Some(Entitlement {
            guarantee: shape.guarantee(),
            ceiling: shape.ceiling(),
            weight: member.weight,
        })
    }

    /// The device that shapes one direction of a container, if that is shaped.
    #[must_use]
    pub fn device(&self, slot: Slot, direction: Direction) -> Option<DevName> {
        self.member(slot).and_then(|m| self.device_of(m, direction))
    }

    /// The uplink.
    #[must_use]
    pub const fn uplink(&self) -> Option<&Uplink> {
        self.uplink.as_ref()
    }

    /// What the kernel can do.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.caps
    }

    /// Sum of the guarantees in one direction. It is never over [`Uplink::for_containers`].
    #[must_use]
    pub fn promised(&self, direction: Direction) -> Rate {
        self.promised.sum(direction)
    }

    /// Sets what elastic division gives a container in one direction (`None`: its ceiling again). Says whether anything
    /// changed; if so the next plan holds one `class change`. The guarantee stands whatever is given, and the ceiling too.
    ///
    /// ```
    /// use netshape::{Capabilities, Container, Direction, Host, Rate, Shape};
    ///
    /// let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
    /// let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
    /// let slot = host.insert(Container::new("a", "veth0")?.with_shape(Direction::Egress, shape))?;
    /// assert!(host.allocate(slot, Direction::Egress, Some(Rate::mbit(120))));
    /// assert!(!host.allocate(slot, Direction::Egress, Some(Rate::mbit(120)))); // nothing changed
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn allocate(&mut self, slot: Slot, direction: Direction, rate: Option<Rate>) -> bool {
        let Some(on_uplink) = self.member(slot).map(|m| {
            let shared = self.shared(&m.container, direction);
            shared.is_some()
        }) else {
            return false;
        };
        let Some(member) = self.members.get_mut(slot.index()).and_then(Option::as_mut) else {
            return false;
        };
        let Some(place) = member.allocated.get_mut(direction as usize) else {
            return false;
        };
        if *place == rate || member.container.shape(direction).is_none() {
            return false;
        }
        *place = rate;
        let minor = member.minor;
        if on_uplink {
            self.touch_class(minor);
        } else {
            self.touched.push(Touch::Device(slot, direction));
        }
        true
    }

    /// Remembers a class of the uplink that changed, unless all of the uplink is to be planned anyway.
    pub(super) fn touch_class(&mut self, minor: u16) {
        if self.touched.first() != Some(&Touch::Uplink) {
            self.touched.push(Touch::Class(minor));
        }
    }

    /// The next plan of what changed begins here, since all was compared.
    pub(crate) fn forget_touched(&mut self) {
        self.touched.clear();
    }

    /// How many devices are shaped.
    pub(crate) fn device_count(&self) -> usize {
        self.devices.len()
    }

    pub(crate) fn member(&self, slot: Slot) -> Option<&Member> {
        self.members.get(slot.index()).and_then(Option::as_ref)
    }

    pub(super) fn device_of(&self, member: &Member, direction: Direction) -> Option<DevName> {
        member.container.device(direction)
    }
}
