//! One device's shaping objects: what is wanted, or what was seen.

use super::filter::Filter;
use super::handle::Handle;
use super::qdisc::Qdisc;
use crate::object::Class;
use alloc::vec::Vec;

/// Qdiscs, classes and filters of one device, sorted, so that lookups are binary searches and a comparison is one merge.
///
/// ```
/// use netshape::Device;
/// use netshape::object::{Handle, Htb, Qdisc, QdiscKind};
///
/// let mut device = Device::new();
/// let htb = QdiscKind::Htb(Htb::with_default_class(0x10));
/// device.put_qdisc(Qdisc::new(Handle::qdisc(1), Handle::ROOT, htb));
/// assert_eq!(device.root().unwrap().handle.to_string(), "1:");
/// // Unclassified traffic would go to a class that is not there: the kernel takes that, and does not shape.
/// assert!(device.check().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    qdiscs: Vec<Qdisc>,
    classes: Vec<Class>,
    filters: Vec<Filter>,
    /// Interface index, where it is known.
    pub ifindex: Option<i32>,
    /// Largest GSO packet in bytes, where that is known.
    pub gso_max_size: Option<u32>,
}

impl Device {
    /// A device with nothing on it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            qdiscs: Vec::new(),
            classes: Vec::new(),
            filters: Vec::new(),
            ifindex: None,
            gso_max_size: None,
        }
    }

    /// Qdiscs by parent: each parent has one at the most.
    #[must_use]
    pub fn qdiscs(&self) -> &[Qdisc] {
        &self.qdiscs
    }

    /// Classes by id.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The root qdisc, if there is one.
    #[must_use]
    pub fn root(&self) -> Option<&Qdisc> {
        self.qdisc_at(Handle::ROOT)
    }

    /// The qdisc attached to `parent`. O(log n).
    #[must_use]
    pub fn qdisc_at(&self, parent: Handle) -> Option<&Qdisc> {
        self.qdiscs.get(self.qdisc_index(parent).ok()?)
    }

    /// The qdisc with this handle. O(n), and O(1) for the root's.
    #[must_use]
    pub fn qdisc(&self, handle: Handle) -> Option<&Qdisc> {
        // The root's parent is the greatest number, so it comes last.
        if let Some(root) = self
            .qdiscs
            .last()
            .filter(|q| q.handle == handle && !handle.is_none())
        {
            return Some(root);
        }
        self.qdiscs
            .iter()
            .find(|q| q.handle == handle && !handle.is_none())
    }

    /// A class by id. O(log n).
    #[must_use]
    pub fn class(&self, id: Handle) -> Option<&Class> {
        self.classes.get(self.class_index(id).ok()?)
    }

    /// Whether some class has `id` as its parent. O(n).
    #[must_use]
    pub fn has_children(&self, id: Handle) -> bool {
        self.classes.iter().any(|c| c.parent == id)
    }

    /// Inserts a qdisc, or replaces the one attached to the same parent, which is returned. O(log n), and a move of what follows.
    pub fn put_qdisc(&mut self, qdisc: Qdisc) -> Option<Qdisc> {
        match self.qdisc_index(qdisc.parent) {
            Ok(i) => self
                .qdiscs
                .get_mut(i)
                .map(|slot| core::mem::replace(slot, qdisc)),
            Err(i) => {
                self.qdiscs.insert(i, qdisc);
                None
            }
        }
    }

    /// Inserts a class, or replaces the one with the same id, which is returned. O(log n), and a move of what follows.
    pub fn put_class(&mut self, class: Class) -> Option<Class> {
        match self.class_index(class.id) {
            Ok(i) => self
                .classes
                .get_mut(i)
                .map(|slot| core::mem::replace(slot, class)),
            Err(i) => {
                self.classes.insert(i, class);
                None
            }
        }
    }

    /// Removes the qdisc that is attached to `parent`.
    pub fn take_qdisc(&mut self, parent: Handle) -> Option<Qdisc> {
        self.qdisc_index(parent).ok().map(|i| self.qdiscs.remove(i))
    }

    /// Removes a class.
    pub fn take_class(&mut self, id: Handle) -> Option<Class> {
        self.class_index(id).ok().map(|i| self.classes.remove(i))
    }

    /// Removes everything and keeps the memory.
    pub fn clear(&mut self) {
        self.qdiscs.clear();
        self.classes.clear();
        self.filters.clear();
    }

    /// Filters by parent, chain, priority and handle.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Inserts a filter, or replaces the one with the same place and handle, which is returned. O(log n), and a move of what follows.
    pub fn put_filter(&mut self, filter: Filter) -> Option<Filter> {
        match self
            .filters
            .binary_search_by_key(&filter_key(&filter), filter_key)
        {
            Ok(i) => self
                .filters
                .get_mut(i)
                .map(|slot| core::mem::replace(slot, filter)),
            Err(i) => {
                self.filters.insert(i, filter);
                None
            }
        }
    }

    /// Puts many objects in at once, in any order; of those for one place the last stays. O(n log n), and O(n) for what comes in
    /// order.
    pub(crate) fn absorb(&mut self, objects: Objects) {
        merge(&mut self.qdiscs, objects.qdiscs, |q| q.parent);
        merge(&mut self.classes, objects.classes, |c| c.id);
        merge(&mut self.filters, objects.filters, filter_key);
    }

    /// A qdisc with all that hangs below it. O(n) a level.
    pub(crate) fn below(&self, qdisc: &Qdisc) -> Self {
        let mut tree = Self::new();
        let mut open = alloc::vec![qdisc];
        // Whatever was observed, each qdisc is taken once.
        while let Some(qdisc) = open.pop() {
            if tree.put_qdisc(qdisc.clone()).is_some() || qdisc.handle.is_none() {
                continue;
            }
            let major = qdisc.handle.major();
            let classes = self.classes.iter().filter(|c| c.id.major() == major);
            for class in classes {
                tree.put_class(*class);
            }
            let filters = self.filters.iter().filter(|f| f.parent.major() == major);
            for filter in filters {
                tree.put_filter(filter.clone());
            }
            open.extend(self.qdiscs.iter().filter(|q| q.parent.major() == major));
        }
        tree
    }

    /// Keeps the filters that the rule names.
    pub(crate) fn retain_filters(&mut self, rule: impl FnMut(&Filter) -> bool) {
        self.filters.retain(rule);
    }

    /// Keeps the qdiscs and classes that the two rules name.
    pub(crate) fn retain(
        &mut self,
        qdiscs: impl FnMut(&Qdisc) -> bool,
        classes: impl FnMut(&Class) -> bool,
    ) {
        self.qdiscs.retain(qdiscs);
        self.classes.retain(classes);
    }

    fn qdisc_index(&self, parent: Handle) -> Result<usize, usize> {
        search(&self.qdiscs, parent, |q| q.parent)
    }

    fn class_index(&self, id: Handle) -> Result<usize, usize> {
        search(&self.classes, id, |c| c.id)
    }
}

/// Objects of one device as they come: a kernel dumps classes in the order of its hash table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) qdiscs: Vec<Qdisc>,
    pub(crate) classes: Vec<Class>,
    pub(crate) filters: Vec<Filter>,
}

/// Merges what comes into what is sorted, one for each key, the later one.
fn merge<T, K: Ord>(sorted: &mut Vec<T>, mut come: Vec<T>, key: impl Fn(&T) -> K) {
    if sorted.is_empty() {
        core::mem::swap(sorted, &mut come);
    } else {
        sorted.append(&mut come);
    }
    if sorted.is_sorted_by(|a, b| key(a) < key(b)) {
        return;
    }
    // Stable, so that of equal ones the later comes later.
    sorted.sort_by_key(&key);
    sorted.dedup_by(|later, earlier| {
        let same = key(later) == key(earlier);
        if same {
            core::mem::swap(later, earlier);
        }
        same
    });
}

/// Where a filter stands among the others.
fn filter_key(f: &Filter) -> (Handle, u32, u16, u16, u32) {
    (f.parent, f.chain, f.prio, f.protocol, f.handle)
}

/// Binary search that tries the end first: trees are mostly built in order.
fn search<T>(sorted: &[T], key: Handle, of: impl Fn(&T) -> Handle) -> Result<usize, usize> {
    match sorted.last() {
        Some(last) if of(last) < key => Err(sorted.len()),
        None => Err(0),
        _ => sorted.binary_search_by(|item| of(item).cmp(&key)),
    }
}
