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
            promised: Rate::ZERO,
        });
    }
    Ok(classes)
}

/// A container's tier, by index, and the devices of its two directions.
pub(super) type Admitted = (Option<u16>, [Option<DevName>; 2]);

impl Host {
    /// Whether a container can be taken in, its tier's index, and the devices that shape it; changes nothing.
    /// `has` is what its class on the uplink has already.
    pub(super) fn admissible(&self, container: &Container, has: Rate) -> Result<Admitted, Refusal> {
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
            let kept = match direction {
                Direction::Egress if asked > has => self.held.rate_beside(&container.id),
                _ => Rate::ZERO,
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
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(shape) = member.container.shape(direction) {
                self.promised.change(direction, shape.guarantee(), comes);
            }
        }
        let Some(shape) = member.container.egress else {
            return;
        };
        if self.uplink.is_none() {
            return;
        }
        let (whole, rate) = (self.whole_rate(), shape.promised());
        self.promised.rates = match comes {
            true => self.promised.rates.saturating_add(rate),
            false => self.promised.rates.saturating_sub(rate),
        };
        if whole != self.whole_rate() {
            self.touch_class(WHOLE);
        }
        if self.count_weight(member.weight, comes) {
            self.touched.push(Touch::Uplink);
        }
        self.touch_class(member.minor);
        let Some(tier) = member.tier.and_then(|t| self.tiers.get_mut(usize::from(t))) else {
            return;
        };
        tier.promised = match comes {
            true => tier.promised.saturating_add(rate),
            false => tier.promised.saturating_sub(rate),
        };
        let minor = tier.minor;
        self.touch_class(minor);
    }
}
