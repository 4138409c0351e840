//! What a page of a pool's summary says of a block, or of the page below.

use crate::store::codec::{Reader, RecordError, Writer};
use crate::time::Timestamp;

/// When a block, or the best of the blocks below, has what is looked for: each a time since when an address is released,
/// so that it is free once the pool's quarantine has passed since; zero is now, [`Timestamp::MAX`] never.
///
/// Blocks that were never touched have no entry: they are [`BlockSummary::UNTOUCHED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlockSummary {
    /// A free address.
    pub free: Timestamp,
    /// A free address in a block that belongs to no host.
    pub unclaimed: Timestamp,
    /// A free address that was never used; told only of pools that give those out first.
    pub fresh: Timestamp,
    /// The address that was released longest ago; told only of pools that give that one out next, and have no blocks of hosts.
    pub oldest: Timestamp,
}

impl BlockSummary {
    /// What is true of a block that has no record.
    pub const UNTOUCHED: Self = Self {
        free: Timestamp::ZERO,
        unclaimed: Timestamp::ZERO,
        fresh: Timestamp::ZERO,
        oldest: Timestamp::MAX,
    };

    /// The best of both in each respect.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            free: self.free.min(other.free),
            unclaimed: self.unclaimed.min(other.unclaimed),
            fresh: self.fresh.min(other.fresh),
            oldest: self.oldest.min(other.oldest),
        }
    }

    fn fields(self) -> [Timestamp; 4] {
        [self.free, self.unclaimed, self.fresh, self.oldest]
    }

    /// Two bits a field say whether it is zero, the end of time, or follows: most are one of the two.
    pub(super) fn write(self, w: &mut Writer) {
        let mut shapes = 0;
        for (i, at) in self.fields().into_iter().enumerate() {
            let shape = match at {
                Timestamp::ZERO => 0,
                Timestamp::MAX => 1,
                _ => 2,
            };
            shapes |= shape << (2 * i);
        }
        w.byte(shapes);
        let others = |at: &Timestamp| !matches!(*at, Timestamp::ZERO | Timestamp::MAX);
        let fields = self.fields();
        fields.iter().filter(|a| others(a)).for_each(|&a| w.time(a));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        let shapes = r.byte()?;
        let mut fields = [Timestamp::ZERO; 4];
        for (i, field) in fields.iter_mut().enumerate() {
            *field = match shapes >> (2 * i) & 3 {
                0 => Timestamp::ZERO,
                1 => Timestamp::MAX,
                2 => r.time()?,
                _ => return Err(RecordError::Field("summary")),
            };
        }
        let [free, unclaimed, fresh, oldest] = fields;
        Ok(Self {
            free,
            unclaimed,
            fresh,
            oldest,
        })
    }
}
