//! Where the rates of a class come from in the policy.

use super::op::{Object, Op};
use super::reason::Action;
use super::steps::Plan;
use crate::object::{Class, DevName};
use crate::policy::{Direction, Host, Slot};
use crate::unit::Rate;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

/// Whose device each one is; looked up once for a whole plan.
pub(super) struct Origins<'a> {
    host: &'a Host,
    devices: BTreeMap<DevName, (Slot, Direction)>,
}

impl<'a> Origins<'a> {
    pub(super) fn new(host: &'a Host) -> Self {
        let both = [Direction::Ingress, Direction::Egress];
        let of = |slot: Slot| {
            both.into_iter()
                .filter_map(move |d| Some((host.device(slot, d)?, (slot, d))))
        };
        let devices = host.containers().flat_map(|(slot, _)| of(slot)).collect();
        Self { host, devices }
    }

    /// What a step's rates are; nothing for what has no rates.
    pub(super) fn said(&self, plan: &Plan, op: &Op) -> Option<String> {
        let Object::Class(class) = &op.object else {
            return None;
        };
        if op.action == Action::Delete {
            return None;
        }
        let name = plan.device(op)?;
        if let Some(direction) = self.host.uplink_direction(name) {
            return self.on_uplink(direction, class);
        }
        let (slot, direction) = self.devices.get(name)?;
        let container = self.host.container(*slot)?;
        let ceiling = container.shape(*direction)?.ceiling();
        let now = Rate::from_bytes_per_second(class.htb.ceil.bytes_per_second);
        let given = match now.bytes_per_second() < ceiling.bytes_per_second() {
            true => format!(", of which elastic division gives {now} now"),
            false => String::new(),
        };
        Some(format!(
            "rate and ceil: the {} ceiling of container {}, {ceiling}{given}; a tree of its own shares with nobody, so both are one",
            direction.name(),
            container.id()
        ))
    }

    fn on_uplink(&self, direction: Direction, class: &Class) -> Option<String> {
        let (host, uplink) = (self.host, self.host.uplink()?);
        let capacity = uplink.carries(direction);
        let minor = class.id.minor();
        if let Some(slot) = host.by_minor.get(minor) {
            let container = host.container(slot)?;
            let (shape, id) = (container.shape(direction)?, container.id());
            let promised = shape.promised();
            let rate = if shape.guarantee().is_zero() {
                format!("rate: {id} has no guarantee, so the little that HTB needs: {promised}")
            } else {
                let way = direction.name();
                format!("rate: the {way} guarantee of container {id}, {promised}")
            };
            let most = shape.ceiling().min(capacity);
            let now = Rate::from_bytes_per_second(class.htb.ceil.bytes_per_second);
            let ceil = match now.bytes_per_second() < most.bytes_per_second() {
                true => format!("what elastic division gives it of its ceiling {most}"),
                false => format!(
                    "its ceiling {}, the uplink's {capacity} at most",
                    shape.ceiling()
                ),
            };
            let weight = host.weight(slot).unwrap_or(1);
            let quantum = format!(
                "quantum: weight {weight} · one GSO packet / {}, the smallest weight",
                host.least_weight
            );
            return Some(format!("{rate}; ceil: {ceil}; {quantum}"));
        }
        if let Some(tier) = host.tiers.iter().find(|t| t.minor == minor) {
            return Some(format!(
                "rate: the sum of what members of tier {} are promised, {}; ceil: the uplink's {capacity}",
                tier.tier.name,
                tier.promised
                    .get(direction as usize)
                    .copied()
                    .unwrap_or_default()
            ));
        }
        Some(match minor {
            1 => format!(
                "rate and ceil: the whole uplink, {capacity}, and no less than what is promised and reserved"
            ),
            _ => format!(
                "rate: the host's own traffic has the reserve, {}, 8 kbit/s at least; ceil: the uplink's {capacity}",
                uplink.capacity().saturating_sub(uplink.for_containers())
            ),
        })
    }
}
