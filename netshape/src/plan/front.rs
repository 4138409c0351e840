//! Filters of somebody else's that take packets off a device before the classes of its root see them.

use super::disruption::Disruption;
use super::filter_words::said;
use super::op::{Before, Object, Op};
use super::readd::Targets;
use super::reason::{Action, Reason};
use super::steps::Plan;
use super::{ownership, readd};
use crate::object::{DevName, Device, Filter, FilterKind, Handle};
use crate::observe::state::ObservedState;
use crate::policy::RefusalKind;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// A filter of clsact's egress hook, which comes before any root qdisc, that sends packets elsewhere. What other kinds of
/// filters do there can't be seen, and a copy takes nothing. O(log n).
///
/// # Errors
/// The filter.
pub(super) fn hook(seen: &Device, name: &DevName) -> Result<(), RefusalKind> {
    let filters = seen.filters();
    let first = filters.partition_point(|f| f.parent < Handle::HOOK_EGRESS);
    let mut there = filters.get(first..).unwrap_or(&[]).iter();
    let takes = |f: &&Filter| {
        f.parent == Handle::HOOK_EGRESS
            && ownership::is_node(f)
            && ownership::redirects_to(f).is_some()
    };
    there
        .find(takes)
        .map_or(Ok(()), |f| Err(takes_off(f, name)))
}

fn takes_off(filter: &Filter, name: &DevName) -> RefusalKind {
    RefusalKind::FilterBypasses {
        filter: format!("{} of {name}", said(filter)),
        device: name.to_string(),
    }
}

/// Filters on a root qdisc of ours that send packets elsewhere, or past all classes (to `be:0`). Where what is foreign may go they
/// go, if they can be put back.
///
/// # Errors
/// The first one that has to stay.
pub(super) fn root(
    seen: &Device,
    (major, takeover): (u16, bool),
    name: &DevName,
    observed: &ObservedState,
    plan: &mut Plan,
) -> Result<(), RefusalKind> {
    let root = Handle::qdisc(major);
    let past = |f: &&Filter| {
        let FilterKind::U32(u32) = &f.kind else {
            return false;
        };
        let direct = u32.classid().is_some_and(|c| c == root);
        f.parent == root
            && ownership::is_node(f)
            && (direct || ownership::redirects_to(f).is_some())
    };
    let mut targets = Targets::new();
    let mut off: Vec<Filter> = Vec::new();
    for filter in seen.filters().iter().filter(past) {
        if !takeover {
            return Err(takes_off(filter, name));
        }
        match readd::again(filter, name, observed, &mut targets) {
            Ok(again) => off.push(again),
            Err(why) => {
                let filter = format!("{} of {name}", said(filter));
                return Err(RefusalKind::FilterNotRestorable {
                    filter,
                    reason: why,
                });
            }
        }
    }
    if off.is_empty() {
        return Ok(());
    }
    let device = plan.device_number(name);
    plan.know(targets);
    for filter in off {
        let object = Object::Filter(Box::new(filter));
        plan.ops.push(Op {
            device,
            action: Action::Delete,
            disruption: Disruption::Free,
            reason: Reason::Bypasses,
            before: Before::Object(Box::new(object.clone())),
            object,
        });
    }
    Ok(())
}
