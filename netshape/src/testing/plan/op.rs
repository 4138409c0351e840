//! What happens to a host and the kernel below it.

use super::Draws;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A container comes: number, tier, guarantee and ceiling in Mbit/s, whether by an ifb.
    Insert(u8, u8, u16, u16, bool),
    /// A container goes, its devices staying behind.
    Remove(u8),
    /// A container goes with its devices.
    Vanish(u8),
    /// Elastic division gives it so many Mbit/s in a direction.
    Allocate(u8, bool, u16),
    /// Somebody interferes on the uplink: kind of interference, minor number, parent's minor.
    Meddle(u8, u16, u16),
    /// Somebody interferes on a container's device: kind of interference, container, which of its devices.
    Foreign(u8, u8, u8),
    /// A container is to be shaped by the other method or in fewer directions: number, how.
    Change(u8, u8),
    /// A container's section is refused.
    Refuse(u8),
    /// Another process goes on.
    Restart,
    /// Somebody redirects what comes from a container: number, where.
    InFront(u8, u8),
    /// The plan of what was touched is carried out whole.
    Touched,
    /// A whole plan is carried out up to so many steps.
    Cut(u16),
}

impl Op {
    /// An operation from some bytes.
    pub fn draw(bytes: &mut Draws<'_>) -> Self {
        let number = bytes.u8() % 24;
        match bytes.u8() % 20 {
            0..=5 => {
                let guarantee = u16::try_from(bytes.below(400)).unwrap_or(0);
                let more = u16::try_from(bytes.below(1_000)).unwrap_or(0);
                Self::Insert(
                    number,
                    bytes.u8() % 4,
                    guarantee,
                    more,
                    bytes.u8().is_multiple_of(4),
                )
            }
            6 => Self::Remove(number),
            7 => Self::Vanish(number),
            8..=9 => Self::Allocate(
                number,
                bytes.u8().is_multiple_of(2),
                u16::try_from(bytes.below(2_000)).unwrap_or(0),
            ),
            10 => Self::Foreign(bytes.u8(), number, bytes.u8()),
            11..=12 => {
                let minors = [1, 2, 0x10, 0x33, 0x100, u16::from(bytes.u8()) + 0x100];
                let mut pick = || minors.get(bytes.below(6) as usize).copied().unwrap_or(1);
                let (id, parent) = (pick(), pick());
                Self::Meddle(bytes.u8(), id, parent)
            }
            15 => Self::Change(number, bytes.u8()),
            16 => Self::Refuse(number),
            17 => Self::Restart,
            18 => Self::InFront(number, bytes.u8()),
            13..=14 => Self::Touched,
            _ => Self::Cut(u16::from(bytes.u8())),
        }
    }
}
