//! Admission: promises are summed in integers and never exceed what there is, since HTB would let them.

use super::layout::WHOLE;
use super::member::{Member, TierClass, Touch};
use super::numbers::{FIRST, Numbers, TIER_FIRST};
use super::wanted::Host;
use super::weight::WEIGHT_MOST;
use crate::object::DevName;
use crate::policy::container::Container;
use crate::policy::direction::Direction;
use crate::policy::refusal::{Refusal, RefusalKind};
use crate::policy::uplink::Tier;
use crate::unit::Rate;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// Numbers the tiers.
pub(super) fn tiers(tiers: Vec<Tier>, numbers: &mut Numbers) -> Result<Vec<TierClass>, Refusal> {
    let mut classes: Vec<TierClass> = Vec::with_capacity(tiers.len());
    for (i, tier) in tiers.into_iter().enumerate() {
        let within = |r: Refusal| r.within(&format!("tier[{i}]"));
        if classes.iter().any(|c| c.tier.name == tier.name) {
            let given = tier.name.to_string();
            return Err(within(Refusal::new(
                "name",
                RefusalKind::Duplicate { given },
            )));
        }
        let minor = numbers
            .take_in(&tier.name, TIER_FIRST, FIRST - 1)
            .map_err(within)?;
        classes.push(TierClass {
            tier,
            minor,
            promised: [Rate::ZERO; 2],
        });
    }
    Ok(classes)
}

/// A container's tier, by index, and the devices of its two directions.
pub(super) type Admitted = (Option<u16>, [Option<DevName>; 2]);

impl Host {
    /// Whether a container can be taken in, its tier's index, and the devices that shape it; changes nothing.
    /// `has` is what its classes on the uplink have already, by direction.
    pub(super) fn admissible(
        &self,
        container: &Container,
        has: [Rate; 2],
    ) -> Result<Admitted, Refusal> {
        if self.by_id.contains_key(&container.id) {
            let given = container.id.to_string();
            return Err(Refusal::new("id", RefusalKind::Duplicate { given }));
        }
        if let Some(weight) = container.weight.filter(|w| *w > WEIGHT_MOST) {
            let given = u64::from(weight);
            return Err(Refusal::new("weight", RefusalKind::BadWeight { given }));
        }
        let tier = match &container.tier {
            None => None,
            Some(name) => Some(self.tier_index(name)?),
        };
        for (i, address) in container.addresses.iter().enumerate() {
            if self.by_address.contains_key(address) {
                let given = address.to_string();
                let field = format!("addresses[{i}]");
                return Err(Refusal::new(field, RefusalKind::Duplicate { given }));
            }
        }
        let mut names = [None, None];
        for (direction, place) in [Direction::Ingress, Direction::Egress]
            .into_iter()
            .zip(&mut names)
        {
            let Some(shape) = container.shape(direction) else {
                continue;
            };
            if direction == Direction::Egress {
                // An id stands for a namespace where none is named, and not every id can.
                container.inside.check()?;
            }
            *place = container.device(direction);
            if place.is_none() {
                let kind = RefusalKind::NoVeth { direction };
                return Err(Refusal::new("veth", kind));
            }
            if let Some(name) = place.as_ref().filter(|n| self.devices.contains(*n)) {
                let field = if direction == Direction::Ingress {
                    "veth"
                } else {
                    "dev"
                };
                let given = name.to_string();
                return Err(Refusal::new(field, RefusalKind::Duplicate { given }));
            }
            let field = || format!("{}.guarantee", direction.name());
            let asked = shape.guarantee();
            // Whoever asks for no more than it has does not suffer for what others keep.
            let had = has.get(direction as usize).copied().unwrap_or_default();
            let kept = match asked > had {
                true => self.held.rate_beside(&container.id, direction),
                false => Rate::ZERO,
            };
            self.promised
                .fits(direction, asked, kept)
                .map_err(|kind| Refusal::new(field(), kind))?;
        }
        Ok((tier, names))
    }

    /// Whether the tier that a container is to be in is there.
    #[cfg(feature = "serde")]
    pub(crate) fn check_tier(&self, container: &Container) -> Result<(), Refusal> {
        let name = container.tier.as_deref();
        name.map_or(Ok(()), |name| self.tier_index(name).map(drop))
    }

    fn tier_index(&self, name: &str) -> Result<u16, Refusal> {
        let found = self.tiers.iter().position(|t| &*t.tier.name == name);
        found.and_then(|i| u16::try_from(i).ok()).ok_or_else(|| {
            Refusal::new(
                "tier",
                RefusalKind::UnknownTier {
                    given: name.to_string(),
                },
            )
        })
    }

    /// Adds a member's promises to the sums, or takes them off, and touches the classes this changes.
    pub(super) fn account(&mut self, member: &Member, comes: bool) {
        for direction in BOTH {
            if let Some(shape) = member.container.shape(direction) {
                self.promised.change(direction, shape.guarantee(), comes);
            }
        }
        let shared = BOTH.map(|d| self.shared(&member.container, d).copied());
        if shared == [None; 2] {
            return;
        }
        for (direction, shape) in BOTH.into_iter().zip(shared) {
            if let Some(shape) = shape {
                self.account_rate(direction, shape.promised(), member.tier, comes);
            }
        }
        if self.count_weight(member.weight, comes) {
            self.touched.push(Touch::Uplink);
        }
        self.touch_class(member.minor);
        if !member.container.addresses.is_empty() {
            self.touched.push(Touch::Addresses);
        }
    }

    /// What one class of the uplink has, in the sums of the classes above.
    fn account_rate(&mut self, direction: Direction, rate: Rate, tier: Option<u16>, comes: bool) {
        let (whole, i) = (self.whole_rate(direction), direction as usize);
        if direction == Direction::Ingress {
            self.count_ingress(comes);
        }
        let sum = |sum: &mut Rate| {
            *sum = match comes {
                true => sum.saturating_add(rate),
                false => sum.saturating_sub(rate),
            }
        };
        self.promised.rates.get_mut(i).map(sum);
        if whole != self.whole_rate(direction) {
            self.touch_class(WHOLE);
        }
        let Some(tier) = tier.and_then(|t| self.tiers.get_mut(usize::from(t))) else {
            return;
        };
        tier.promised.get_mut(i).map(sum);
        let minor = tier.minor;
        self.touch_class(minor);
    }
}
