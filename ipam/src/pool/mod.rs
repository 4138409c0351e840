//! One pool: its free slots, what is known of the others, and the transitions between them.

pub use crate::forecast::Forecast;
pub use crate::listing::Quarantined;
pub use crate::query::{BlockRef, PoolRef};
pub use blocks::BlockState;
pub use spec::{Affinity, NameError, Order, PoolError, PoolSpec, check_name};

pub(crate) mod blocks;
mod blockset;
pub(crate) mod cells;
mod check;
pub(crate) mod layout;
mod part;
pub(crate) mod pick;
mod rebuilt;
pub(crate) mod released;
mod restored;
mod slot;
pub(crate) mod spec;
mod summary;

use crate::cidr::{AddressRange, Cidr, number};
use crate::slots::SlotTree;
use crate::time::Timestamp;
use alloc::sync::Arc;
use alloc::vec::Vec;
use blocks::Blocks;
use cells::{Cells, State};
use core::net::IpAddr;
use layout::Layout;
pub(crate) use rebuilt::rebuilt;
use released::{List, ReleaseQueues};
pub(crate) use slot::is_used;

/// A pool's number, stable while the pool exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct PoolId(pub(crate) u16);

impl core::fmt::Display for PoolId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "pool#{}", self.0)
    }
}

/// How many addresses of a pool are in which state.
///
/// ```
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
/// let usage = ipam.pool("p").ok_or("a pool")?.usage();
/// assert_eq!((usage.capacity, usage.held, usage.free), (254, 1, 253));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Usage {
    /// Addresses that may be given out at all; saturates for large IPv6 pools.
    pub capacity: u64,
    /// Held by owners.
    pub held: u32,
    /// Retained for workloads, held by nobody.
    pub reserved: u32,
    /// In quarantine after release.
    pub quarantined: u32,
    /// Free for anyone.
    pub free: u64,
}

/// A pool's whole state.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    spec: PoolSpec,
    name: Arc<str>,
    bridge: Option<Arc<str>>,
    layout: Layout,
    free: SlotTree,
    cells: Cells,
    released: ReleaseQueues,
    blocks: Blocks,
    held: u32,
    reserved: u32,
    /// Offset at which round robin goes on, and below which an LRU pool has given out unused addresses.
    cursor: u128,
    /// In a sparse pool: every block below this number has slots and none of them free.
    low: u128,
    draining: bool,
    /// Whether only some of its blocks are known: the others give nothing.
    part: bool,
    /// What damaged records may hold: nothing of it is given, asked for or not.
    frozen: Vec<AddressRange>,
}

impl Pool {
    pub(crate) fn new(spec: PoolSpec) -> Self {
        let layout = Layout::new(spec.cidr, spec.block_size);
        Self::laid_out(spec, layout, false)
    }

    fn laid_out(spec: PoolSpec, layout: Layout, part: bool) -> Self {
        let shift = spec.block_bits();
        let blocks = if spec.affinity == Affinity::Off {
            0
        } else {
            layout.len() >> shift
        };
        let mut pool = Self {
            name: Arc::from(spec.name.as_str()),
            bridge: spec.bridge.as_deref().map(Arc::from),
            free: SlotTree::new(layout.len()),
            cells: Cells::new(),
            released: ReleaseQueues::default(),
            blocks: Blocks::new(shift, blocks),
            held: 0,
            reserved: 0,
            cursor: 0,
            low: 0,
            draining: false,
            part,
            frozen: Vec::new(),
            layout,
            spec,
        };
        pool.free_new(0);
        pool
    }

    /// Makes the slots from `from` on free, barred ones excepted.
    fn free_new(&mut self, from: u32) {
        if self.part {
            return;
        }
        let to = self.layout.len();
        self.free.fill(from..to, true);
        let Some(last) = to.checked_sub(1).filter(|&l| l >= from) else {
            return;
        };
        // New slots are always consecutive addresses.
        let (first, last) = (self.layout.number(from), self.layout.number(last));
        let ranges: Vec<AddressRange> = self.barred().collect();
        for range in ranges {
            let (a, b) = range.numbers();
            if a <= last && b >= first {
                let start = from + (a.max(first) - first) as u32;
                let end = from + (b.min(last) - first) as u32 + 1;
                self.free.fill(start..end, false);
            }
        }
    }

    #[inline]
    pub(crate) fn slot(&self, address: IpAddr) -> Option<u32> {
        if !self.spec.cidr.contains(address) {
            return None;
        }
        self.layout.slot(number(address))
    }

    #[inline]
    pub(crate) fn address(&self, slot: u32) -> IpAddr {
        self.spec.cidr.family().address(self.layout.number(slot))
    }

    /// The slot of an address of this pool, made if it does not exist yet. `None` outside the pool or when
    /// a sparse pool has no slots left.
    pub(crate) fn materialise(&mut self, address: IpAddr) -> Option<u32> {
        if !self.spec.cidr.contains(address) {
            return None;
        }
        if let Some(slot) = self.layout.slot(number(address)) {
            return Some(slot);
        }
        let from = self.layout.materialise(number(address))?;
        self.free.grow(self.layout.len());
        self.free_new(from);
        if self.spec.affinity != Affinity::Off {
            self.blocks
                .grow(self.layout.len() >> self.blocks.shift, !self.part);
        }
        self.layout.slot(number(address))
    }

    #[inline]
    pub(crate) fn state(&self, slot: u32) -> State {
        self.cells.get(slot).state()
    }

    /// Whether an address may be given out only when asked for.
    pub(crate) fn is_set_aside(&self, address: IpAddr) -> bool {
        self.spec.set_aside.iter().any(|r| r.contains(address))
    }

    /// Whether a damaged record may hold an address.
    pub(crate) fn is_frozen(&self, address: IpAddr) -> bool {
        self.frozen.iter().any(|r| r.contains(address))
    }

    /// Whether an address that is nobody's is not free all the same.
    #[inline]
    pub(crate) fn is_barred(&self, address: IpAddr) -> bool {
        self.spec.excludes(address).is_some()
            || self.is_set_aside(address)
            || self.is_frozen(address)
    }

    /// Every range inside the prefix that is not for free use.
    pub(crate) fn barred(&self) -> impl Iterator<Item = AddressRange> + '_ {
        self.spec.barred().chain(self.frozen.iter().copied())
    }

    /// Gives nothing of a range from now on; claims, reservations and quarantines in it go on.
    pub(crate) fn freeze(&mut self, range: AddressRange) {
        let Some(range) = range.intersection(self.spec.cidr.range()) else {
            return;
        };
        self.frozen.push(range);
        for address in crate::apply::workload::addresses(range) {
            // A sparse pool's unused block has no slots: it is passed over by its range.
            let Some(slot) = self.layout.slot(number(address)) else {
                if range.count() > u128::from(self.layout.len()) {
                    break;
                }
                continue;
            };
            self.bar(slot);
        }
    }

    pub(crate) fn block_of(&self, slot: u32) -> u32 {
        slot >> self.blocks.shift
    }

    /// The prefix of a block.
    pub(crate) fn block_cidr(&self, block: u32) -> Cidr {
        let first = self.address(block << self.blocks.shift);
        // The block size was checked against the family when the pool was made.
        Cidr::containing(first, self.spec.block_size).unwrap_or(self.spec.cidr)
    }

    /// Counts; constant time.
    pub(crate) fn usage(&self) -> Usage {
        let quarantined = self.released.count(List::Quarantine);
        let free = match &self.layout {
            Layout::Dense { .. } => u64::from(self.free.free_count()),
            Layout::Sparse { .. } => {
                let total = self.spec.cidr.range().count();
                let made = u128::from(self.layout.len());
                let barred = self.unmade_barred();
                let unmade = total.saturating_sub(made).saturating_sub(barred);
                u64::try_from(unmade)
                    .unwrap_or(u64::MAX)
                    .saturating_add(self.free.free_count().into())
            }
        };
        let used = u64::from(self.held) + u64::from(self.reserved) + u64::from(quarantined);
        Usage {
            capacity: free.saturating_add(used),
            held: self.held,
            reserved: self.reserved,
            quarantined,
            free,
        }
    }

    /// Upper bound of the barred addresses without slots (ranges may overlap each other).
    fn unmade_barred(&self) -> u128 {
        self.barred()
            .filter(|r| self.slot(r.first()).is_none())
            .fold(0, |n, r| r.count().saturating_add(n))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let slots = self.free.heap_bytes() + self.cells.heap_bytes();
        slots + self.blocks.heap_bytes() + self.released.heap_bytes()
    }
}

/// Looking.
impl Pool {
    #[inline]
    pub(crate) fn spec(&self) -> &PoolSpec {
        &self.spec
    }

    #[inline]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name, for leases to share.
    #[inline]
    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    #[inline]
    pub(crate) fn bridge(&self) -> Option<Arc<str>> {
        self.bridge.clone()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }

    #[inline]
    pub(crate) fn released(&self) -> &ReleaseQueues {
        &self.released
    }

    #[inline]
    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// How many addresses are held.
    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    /// How many are retained and not held.
    pub(crate) fn reserved(&self) -> u32 {
        self.reserved
    }

    pub(crate) fn cursor(&self) -> u128 {
        self.cursor
    }

    #[inline]
    pub(crate) fn draining(&self) -> bool {
        self.draining
    }

    pub(crate) fn frozen(&self) -> &[AddressRange] {
        &self.frozen
    }

    /// Whether a block has a free slot.
    pub(crate) fn has_free(&self, block: u32) -> bool {
        self.free.first_in(self.blocks.slots(block)).is_some()
    }
}

/// Setting.
impl Pool {
    pub(crate) fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    pub(crate) fn set_cursor(&mut self, cursor: u128) {
        self.cursor = cursor;
    }

    /// Goes on as another spec says, from which its slots and bits would be made as they are.
    pub(crate) fn set_spec(&mut self, spec: PoolSpec) {
        self.bridge = spec.bridge.as_deref().map(Arc::from);
        self.spec = spec;
    }

    /// A host has a block from now on.
    pub(crate) fn take_block(&mut self, block: u32, host: u32, state: BlockState) {
        let open = self.has_free(block);
        self.blocks.set_host(block, host, state, open);
    }

    /// A block belongs to nobody from now on.
    pub(crate) fn release_block(&mut self, block: u32) {
        self.blocks
            .set_host(block, blocks::NOBODY, BlockState::Pending, false);
    }

    pub(crate) fn set_block_age(&mut self, block: u32, generation: u64, empty_since: Timestamp) {
        self.blocks.set_age(block, generation, empty_since);
    }

    /// A slot goes into quarantine after all others of its time.
    pub(crate) fn quarantine_next(&mut self, slot: u32, at: Timestamp, now: Timestamp) {
        let order = self.released.next_order();
        self.quarantine_at(slot, at, order, now);
    }
}
