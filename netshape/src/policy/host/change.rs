//! A container that is here and wanted otherwise, and where it stands in the policy.

use super::member::Member;
use super::slot::Slot;
use super::wanted::Host;
use crate::policy::container::Container;
use crate::policy::direction::Direction;
use crate::policy::refusal::Refusal;
use crate::policy::shape::Shape;
use crate::unit::Rate;
use alloc::format;
use alloc::string::String;

impl Host {
    /// Changes a container that is here: takes it out and admits it as it is wanted now, with the class number that it had.
    /// O(log n).
    ///
    /// # Errors
    /// Why it is refused; it is then as it was, and its next plan is empty.
    pub fn replace(&mut self, container: Container) -> Result<Slot, Refusal> {
        let Some((slot, old)) = self
            .slot(&container.id)
            .and_then(|s| Some((s, self.member(s)?.clone())))
        else {
            return self.insert(container);
        };
        self.remove(&container.id);
        let minor = Some(old.minor);
        // It was promised that much already: what refused containers keep takes nothing of it away.
        let has = [Direction::Ingress, Direction::Egress];
        let has = has.map(|d| old.container.shape(d).map_or(Rate::ZERO, Shape::guarantee));
        self.insert_having(container, minor, has).inspect_err(|_| {
            let (allocated, place) = (old.allocated, old.place);
            // What was there fits where it was.
            let back = self.insert_having(old.container, minor, has);
            debug_assert_eq!(back, Ok(slot));
            if let Some(member) = self.members.get_mut(slot.index()).and_then(Option::as_mut) {
                (member.allocated, member.place) = (allocated, place);
            }
        })
    }

    /// Remembers a container's place in the policy file.
    #[cfg(feature = "serde")]
    pub(crate) fn set_place(&mut self, slot: Slot, place: usize) {
        if let Some(member) = self.members.get_mut(slot.index()).and_then(Option::as_mut) {
            member.place = u32::try_from(place).ok();
        }
    }

    /// Where in the policy a container is: by number if it is from a file, else by id.
    pub(crate) fn place(&self, slot: Slot) -> String {
        match self.member(slot) {
            Some(Member { place: Some(i), .. }) => format!("container[{i}]"),
            Some(member) => format!("container.{}", member.container.id),
            None => String::from("container"),
        }
    }
}
