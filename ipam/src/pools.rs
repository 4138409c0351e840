//! The pools by number, by name and by address.

use crate::cidr::Cidr;
use crate::pool::cells::State;
use crate::pool::spec::{PoolError, PoolSpec};
use crate::pool::{Pool, PoolId};
use crate::spots::Spot;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Pool numbers are 16 bits, one of them for "none".
pub(crate) const MOST_POOLS: usize = u16::MAX as usize;

/// Every pool; no two of one name, no two that overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pools {
    pools: Vec<Option<Pool>>,
    names: BTreeMap<Arc<str>, PoolId>,
}

/// Finding.
impl Pools {
    #[inline]
    pub(crate) fn get(&self, id: u16) -> Option<&Pool> {
        self.pools.get(usize::from(id))?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u16) -> Option<&mut Pool> {
        self.pools.get_mut(usize::from(id))?.as_mut()
    }

    /// The number of the pool of a name.
    pub(crate) fn named(&self, name: &str) -> Option<PoolId> {
        self.names.get(name).copied()
    }

    /// Every pool, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PoolId, &Pool)> {
        let all = self.pools.iter().enumerate();
        all.filter_map(|(index, pool)| Some((PoolId(index as u16), pool.as_ref()?)))
    }

    /// Every pool's number, by name.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = PoolId> + '_ {
        self.names.values().copied()
    }

    /// The pool that an address is of. Linear in the pools.
    pub(crate) fn of_address(&self, address: IpAddr) -> Option<(PoolId, &Pool)> {
        self.iter().find(|(_, p)| p.spec().cidr.contains(address))
    }

    /// A place's pool and address.
    pub(crate) fn place(&self, spot: Spot) -> Option<(PoolId, IpAddr)> {
        Some((PoolId(spot.pool), self.get(spot.pool)?.address(spot.slot)))
    }

    /// What an address is in its pool.
    pub(crate) fn state(&self, spot: Spot) -> Option<State> {
        self.get(spot.pool).map(|p| p.state(spot.slot))
    }

    /// An address as a number, by which those of a pool are in an order that no process sees otherwise.
    pub(crate) fn number(&self, spot: Spot) -> u128 {
        self.get(spot.pool)
            .map_or(0, |p| p.layout().number(spot.slot))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.iter().map(|(_, pool)| pool.heap_bytes()).sum()
    }
}

/// Coming and going.
impl Pools {
    /// Whether a pool fits beside the others.
    pub(crate) fn check(&self, spec: &PoolSpec) -> Result<(), PoolError> {
        spec.check()?;
        if self.names.contains_key(spec.name.as_str()) {
            return Err(PoolError::Exists(spec.name.clone()));
        }
        self.check_overlap(spec.cidr, None)
    }

    /// Whether a prefix overlaps no pool's, but for one's.
    pub(crate) fn check_overlap(&self, cidr: Cidr, but: Option<PoolId>) -> Result<(), PoolError> {
        let mut others = self.iter().filter(|&(id, _)| but != Some(id));
        match others.find(|(_, p)| p.spec().cidr.overlaps(cidr)) {
            None => Ok(()),
            Some((_, other)) => Err(PoolError::Overlap {
                given: cidr,
                with: other.spec().cidr,
                pool: other.spec().name.clone(),
            }),
        }
    }

    /// The lowest number that no pool has.
    pub(crate) fn free_id(&self) -> Result<PoolId, PoolError> {
        let free = self.pools.iter().position(Option::is_none);
        let id = free.unwrap_or(self.pools.len());
        match u16::try_from(id) {
            Ok(id) if usize::from(id) < MOST_POOLS => Ok(PoolId(id)),
            _ => Err(PoolError::TooManyPools { limit: MOST_POOLS }),
        }
    }

    /// Adds a pool that was [checked](Self::check) under a number that is free.
    ///
    /// A number far above the others would be an allocation of the forger's choice: 2 MB at the most.
    pub(crate) fn insert(&mut self, id: PoolId, pool: Pool) -> Result<(), PoolError> {
        let index = usize::from(id.0);
        if index >= MOST_POOLS || self.get(id.0).is_some() {
            return Err(PoolError::TooManyPools { limit: MOST_POOLS });
        }
        if self.pools.len() <= index {
            self.pools.resize_with(index + 1, || None);
        }
        self.names.insert(pool.shared_name(), id);
        if let Some(place) = self.pools.get_mut(index) {
            *place = Some(pool);
        }
        Ok(())
    }

    /// Replaces a pool by one of the same name, made from it.
    pub(crate) fn replace(&mut self, id: PoolId, make: impl FnOnce(&Pool) -> Pool) {
        if let Some(pool) = self.get_mut(id.0) {
            let new = make(pool);
            debug_assert_eq!(new.name(), pool.name());
            *pool = new;
        }
    }

    pub(crate) fn remove(&mut self, id: PoolId) {
        let place = self.pools.get_mut(usize::from(id.0));
        if let Some(pool) = place.and_then(Option::take) {
            self.names.remove(pool.name());
        }
    }
}
