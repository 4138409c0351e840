//! What a page of a pool's summary says of a block, or of the page below.

use crate::store::codec::{Reader, RecordError, Writer};
use crate::time::Timestamp;

/// How many fields one has.
const FIELDS: usize = 6;

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
    /// A free address in a block whose host takes new ones from it: another may borrow it.
    #[cfg_attr(feature = "serde", serde(default = "never"))]
    pub borrowed: Timestamp,
    /// From when on a block of a host has no address in use, so that another may take it over: a time of its own, to which no
    /// quarantine is added.
    #[cfg_attr(feature = "serde", serde(default = "never"))]
    pub empty: Timestamp,
}

/// What summaries that were written before had nothing to say of.
#[cfg(feature = "serde")]
fn never() -> Timestamp {
    Timestamp::MAX
}

impl BlockSummary {
    /// What is true of a block that has no record.
    pub const UNTOUCHED: Self = Self {
        free: Timestamp::ZERO,
        unclaimed: Timestamp::ZERO,
        fresh: Timestamp::ZERO,
        oldest: Timestamp::MAX,
        borrowed: Timestamp::MAX,
        empty: Timestamp::MAX,
    };

    /// The best of both in each respect.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            free: self.free.min(other.free),
            unclaimed: self.unclaimed.min(other.unclaimed),
            fresh: self.fresh.min(other.fresh),
            oldest: self.oldest.min(other.oldest),
            borrowed: self.borrowed.min(other.borrowed),
            empty: self.empty.min(other.empty),
        }
    }

    fn fields(self) -> [Timestamp; FIELDS] {
        [
            self.free,
            self.unclaimed,
            self.fresh,
            self.oldest,
            self.borrowed,
            self.empty,
        ]
    }

    /// Two bits a field say whether it is zero, the end of time, or follows: most are one of the two.
    pub(super) fn write(self, w: &mut Writer) {
        let mut shapes = 0u64;
        for (i, at) in self.fields().into_iter().enumerate() {
            let shape = match at {
                Timestamp::ZERO => 0,
                Timestamp::MAX => 1,
                _ => 2,
            };
            shapes |= shape << (2 * i);
        }
        w.number(shapes);
        let others = |at: &Timestamp| !matches!(*at, Timestamp::ZERO | Timestamp::MAX);
        let fields = self.fields();
        fields.iter().filter(|a| others(a)).for_each(|&a| w.time(a));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        // Borrowing and taking over came with format 5.
        let (shapes, told) = match r.version {
            ..5 => (r.byte()?.into(), FIELDS - 2),
            _ => (r.number()?, FIELDS),
        };
        let mut fields = [Timestamp::MAX; FIELDS];
        for (i, field) in fields.iter_mut().enumerate().take(told) {
            *field = match shapes >> (2 * i) & 3 {
                0 => Timestamp::ZERO,
                1 => Timestamp::MAX,
                2 => r.time()?,
                _ => return Err(RecordError::Field("summary")),
            };
        }
        let [free, unclaimed, fresh, oldest, borrowed, empty] = fields;
        Ok(Self {
            free,
            unclaimed,
            fresh,
            oldest,
            borrowed,
            empty,
        })
    }
}
