//! Whether a tree is one that the kernel would run as it is written. The kernel itself takes most of these without a word.

use super::device::Device;
use super::filter::FilterKind;
use super::handle::Handle;
use super::qdisc::QdiscKind;
use crate::object::Class;
use crate::policy::refusal::RefusalKind;
use crate::unit::Rate;
use alloc::collections::BTreeMap;

/// `TC_HTB_MAXDEPTH`.
const DEPTH_MOST: usize = 8;

impl Device {
    /// Checks parents, depth, the sum of rates below each class, and that the default and every filter's target are
    /// classes. O(n log n).
    ///
    /// # Errors
    /// The first thing that is wrong, with the figures.
    pub fn check(&self) -> Result<(), RefusalKind> {
        let mut sums: BTreeMap<Handle, u64> = BTreeMap::new();
        for class in self.classes() {
            self.check_place(class)?;
            let sum = sums.entry(class.parent).or_default();
            *sum = sum.saturating_add(class.htb.rate.bytes_per_second);
        }
        for (parent, sum) in sums {
            let Some(class) = self.class(parent) else {
                continue;
            };
            let given = class.htb.rate.bytes_per_second;
            if sum > given {
                let [sum, given] = [sum, given].map(Rate::from_bytes_per_second);
                return Err(RefusalKind::ChildrenOverParent { parent, sum, given });
            }
        }
        self.check_targets()
    }

    fn check_place(&self, class: &Class) -> Result<(), RefusalKind> {
        let (mut at, mut depth) = (class.parent, 1);
        while at.minor() != 0 {
            let Some(parent) = self.class(at) else {
                return Err(RefusalKind::UnknownClass {
                    pointer: "parent",
                    class: at,
                });
            };
            depth += 1;
            if depth > DEPTH_MOST {
                return Err(RefusalKind::TooDeep {
                    class: class.id,
                    limit: DEPTH_MOST,
                });
            }
            at = parent.parent;
        }
        Ok(())
    }

    fn check_targets(&self) -> Result<(), RefusalKind> {
        for qdisc in self.qdiscs() {
            let QdiscKind::Htb(htb) = &qdisc.kind else {
                continue;
            };
            let minor = u16::try_from(htb.default).unwrap_or(0);
            let class = Handle::new(qdisc.handle.major(), minor);
            if minor == 0 || self.class(class).is_none() {
                return Err(RefusalKind::UnknownClass {
                    pointer: "default",
                    class,
                });
            }
        }
        for filter in self.filters() {
            let FilterKind::U32(u32) = &filter.kind else {
                continue;
            };
            if let Some(class) = u32.classid().filter(|id| self.class(*id).is_none()) {
                return Err(RefusalKind::UnknownClass {
                    pointer: "flowid",
                    class,
                });
            }
        }
        Ok(())
    }
}
