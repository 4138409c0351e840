//! Who shares the uplink, in which direction, and by which device.

use super::member::Touch;
use super::slot::Slot;
use super::wanted::Host;
use crate::object::{DevName, Netns};
use crate::policy::container::Container;
use crate::policy::direction::Direction;
use crate::policy::ifb::ifb_name;
use crate::policy::refusal::{Refusal, RefusalKind};
use crate::policy::shape::Shape;
use crate::policy::uplink::Classifier;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;

impl Host {
    /// The shape of a container's class in one direction of the uplink, if it has a class there: one that no packet could reach is none.
    pub(crate) fn shared<'a>(
        &self,
        container: &'a Container,
        direction: Direction,
    ) -> Option<&'a Shape> {
        let reached = match self.uplink.as_ref()?.classifier {
            Classifier::Address => !container.addresses.is_empty(),
            Classifier::Priority => direction == Direction::Egress,
        };
        container.shape(direction).filter(|_| reached)
    }

    /// Whether a container asks for what only a class on the uplink gives, which no packet could reach.
    pub(crate) fn unclassified(&self, slot: Slot) -> Option<Refusal> {
        let uplink = self.uplink.as_ref()?;
        let container = self.container(slot)?;
        let both = [Direction::Ingress, Direction::Egress];
        let has = both.iter().any(|d| self.shared(container, *d).is_some());
        let guaranteed = container.ingress.is_some_and(|s| !s.guarantee().is_zero());
        let by_address = uplink.classifier == Classifier::Address;
        if has || !by_address || (container.egress.is_none() && !guaranteed) {
            return None;
        }
        let kind = RefusalKind::Unclassified {
            id: container.id.to_string(),
            uplink: uplink.dev.to_string(),
        };
        Some(Refusal::new(
            format!("{}.addresses", self.place(slot)),
            kind,
        ))
    }

    /// The device that one direction of the uplink is or would be shared on: itself, or the ifb that what comes in is redirected to.
    pub(crate) fn uplink_place(&self, direction: Direction) -> Option<DevName> {
        let dev = &self.uplink.as_ref()?.dev;
        Some(DevName::on_host(match direction {
            Direction::Egress => dev.clone(),
            Direction::Ingress => ifb_name(dev),
        }))
    }

    /// The same where that direction is shared.
    pub(crate) fn uplink_device(&self, direction: Direction) -> Option<DevName> {
        let shared = direction == Direction::Egress || self.ingress_classes > 0;
        self.uplink_place(direction).filter(|_| shared)
    }

    /// Which direction of the uplink is shared on a device.
    pub(crate) fn uplink_direction(&self, name: &DevName) -> Option<Direction> {
        let both = [Direction::Egress, Direction::Ingress];
        let is = |d: &Direction| self.uplink_device(*d).as_ref() == Some(name);
        both.into_iter()
            .find(is)
            .filter(|_| name.netns == Netns::Host)
    }

    /// Counts a class that shares the uplink towards the host; the first makes its ifb wanted, the last unwanted.
    pub(super) fn count_ingress(&mut self, comes: bool) {
        let before = self.ingress_classes > 0;
        self.ingress_classes = match comes {
            true => self.ingress_classes.saturating_add(1),
            false => self.ingress_classes.saturating_sub(1),
        };
        if before == (self.ingress_classes > 0) {
            return;
        }
        let (Some(ifb), Some(uplink)) = (
            self.uplink_place(Direction::Ingress),
            self.uplink_place(Direction::Egress),
        ) else {
            return;
        };
        if before {
            self.devices.remove(&ifb);
            self.touched.push(Touch::Unhooked(Box::new(uplink)));
            self.touched.push(Touch::Dropped(Box::new(ifb)));
        } else {
            self.devices.insert(ifb);
            self.touched.push(Touch::Uplink);
        }
    }
}
