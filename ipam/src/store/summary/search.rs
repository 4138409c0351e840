//! Which block a summary leads to.

use super::geometry::{BITS, above};
use super::{Geometry, PageId, Summaries, Wanted};
use crate::store::record::BlockSummary;
use crate::time::Timestamp;
use core::time::Duration;

impl Summaries {
    /// The first block from one on that has what is wanted by now; `Err` is the page that must be read first.
    pub(crate) fn first(
        &self,
        geometry: &Geometry,
        from: u128,
        wanted: Wanted,
        clock: (Timestamp, Duration),
    ) -> Result<Option<u128>, PageId> {
        let (first, last) = geometry.blocks();
        let search = Search {
            from: from.max(first),
            last,
            wanted,
            clock,
        };
        let top = PageId {
            pool: geometry.pool,
            level: geometry.top,
            index: above(first, geometry.top),
        };
        self.descend(&search, top)
    }

    fn descend(&self, search: &Search, page: PageId) -> Result<Option<u128>, PageId> {
        let width = BITS * u32::from(page.level);
        let base = page.index.checked_shl(BITS + width).unwrap_or(0);
        // What was never touched is nobody's.
        let untouched = search.wanted != Wanted::Borrowed;
        let Some(known) = self.get(page)? else {
            let first = search.from.max(base);
            return Ok((untouched && first <= search.last).then_some(first));
        };
        for number in 0..1u8 << BITS {
            let low = base + u128::from(number).checked_shl(width).unwrap_or(0);
            let high = low + (1u128.checked_shl(width).unwrap_or(0).saturating_sub(1));
            if high < search.from || low > search.last {
                continue;
            }
            let Some(part) = known.0.get(&number) else {
                match untouched {
                    true => return Ok(Some(low.max(search.from))),
                    false => continue,
                }
            };
            if !part.has(search.wanted, search.clock) {
                continue;
            }
            if page.level == 0 {
                return Ok(Some(low));
            }
            let below = PageId {
                level: page.level - 1,
                index: (page.index << BITS) + u128::from(number),
                ..page
            };
            if let Some(found) = self.descend(search, below)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The block that has the address released longest ago; `Err` is the page that must be read first.
    pub(crate) fn oldest(&self, geometry: &Geometry) -> Result<Option<(u128, Timestamp)>, PageId> {
        self.least(geometry, |part| part.oldest)
    }

    /// The block of a host that is empty for longest, or will be first; `Err` is the page that must be read first.
    pub(crate) fn emptiest(
        &self,
        geometry: &Geometry,
    ) -> Result<Option<(u128, Timestamp)>, PageId> {
        self.least(geometry, |part| part.empty)
    }

    /// The first block of which a time is the least, unless that is the end of time.
    fn least(
        &self,
        geometry: &Geometry,
        time: impl Fn(&BlockSummary) -> Timestamp,
    ) -> Result<Option<(u128, Timestamp)>, PageId> {
        let mut page = PageId {
            pool: geometry.pool,
            level: geometry.top,
            index: above(geometry.blocks().0, geometry.top),
        };
        loop {
            let Some(known) = self.get(page)? else {
                return Ok(None);
            };
            let least = known.0.iter().min_by_key(|(_, part)| time(part));
            let Some((&number, part)) = least.filter(|(_, part)| time(part) != Timestamp::MAX)
            else {
                return Ok(None);
            };
            let index = (page.index << BITS) + u128::from(number);
            if page.level == 0 {
                return Ok(Some((index, time(part))));
            }
            page = PageId {
                level: page.level - 1,
                index,
                ..page
            };
        }
    }
}

/// What [`Summaries::first`] looks for, and where.
struct Search {
    from: u128,
    last: u128,
    wanted: Wanted,
    clock: (Timestamp, Duration),
}
