//! Filters of somebody else's that are asked before ours, or are where ours have to be.

use super::rows::{FIRST_ROOT, TAGGED_PRIO, WITHIN, is_in_own_table, is_ours_by_number, protocol};
use crate::object::{DevName, Device, Filter, FilterKind, Handle};
use crate::observe::state::ObservedState;
use crate::plan::disruption::Disruption;
use crate::plan::filter_words::said;
use crate::plan::op::{Before, Object, Op};
use crate::plan::ownership::is_node;
use crate::plan::readd::{self, Targets};
use crate::plan::reason::{Action, Reason};
use crate::plan::steps::Plan;
use crate::policy::RefusalKind;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// Greatest node number of ours in a priority's own table.
const LAST: u32 = 0xbf;

/// Whether a filter is asked before ours. Behind ours in the same table, or in a later priority, it gets what no address of ours matches.
fn is_first(filter: &Filter) -> bool {
    if filter.chain != 0
        || filter.prio > TAGGED_PRIO
        || is_ours_by_number(filter)
        || is_in_own_table(filter)
    {
        return false;
    }
    let alike =
        protocol(filter.prio) == Some(filter.protocol) && matches!(filter.kind, FilterKind::U32(_));
    let behind = filter.handle >= FIRST_ROOT && filter.handle & WITHIN > LAST;
    !(alike && behind)
}

/// The filters on a root qdisc that are asked before ours.
fn first(seen: &Device, root: Handle) -> impl Iterator<Item = &Filter> {
    let on_root = seen.filters().iter().filter(move |f| f.parent == root);
    on_root.filter(|f| is_node(f) && is_first(f))
}

/// A priority of ours that others have for another protocol or kind, with nothing in it.
fn empty(seen: &Device, root: Handle) -> impl Iterator<Item = &Filter> {
    let rows = move || {
        seen.filters()
            .iter()
            .filter(move |f| f.parent == root && f.chain == 0)
    };
    rows().filter(move |head| {
        let ours = head.handle == 0 && protocol(head.prio).is_some();
        let alike =
            protocol(head.prio) == Some(head.protocol) && matches!(head.kind, FilterKind::U32(_));
        let in_use = || {
            rows()
                .any(|f| f.prio == head.prio && is_node(f) && f.handle != 0 && !is_in_own_table(f))
        };
        ours && !alike && !in_use()
    })
}

/// Whether nothing is in the way.
pub(in crate::plan) fn clear(seen: &Device, root: Handle) -> bool {
    first(seen, root).next().is_none() && empty(seen, root).next().is_none()
}

/// Makes way for our filters: what is asked before them is taken off, and comes again behind them by the filters that are returned.
///
/// # Errors
/// One that has to stay.
pub(in crate::plan) fn make_way(
    seen: &Device,
    (root, takeover): (Handle, bool),
    name: &DevName,
    observed: &ObservedState,
    plan: &mut Plan,
) -> Result<Vec<Op>, RefusalKind> {
    let moved = restorable(seen, (root, takeover), name, observed, plan)?;
    let device = plan.device_number(name);
    let op = |action, object: Object, before| Op {
        device,
        action,
        disruption: Disruption::Free,
        reason: Reason::Moved,
        object,
        before,
    };
    let delete = |object: Object| {
        let before = Before::Object(Box::new(object.clone()));
        op(Action::Delete, object, before)
    };
    let on_root = seen.filters().iter().filter(|f| f.parent == root);
    let mut prios: Vec<u16> = on_root.map(|f| f.prio).collect();
    let mut again = Vec::new();
    for (i, filter) in moved.iter().enumerate() {
        // The last of a priority that is not ours takes the priority along: it would keep its protocol.
        let rest = moved.get(i + 1..).unwrap_or(&[]);
        let last = rest.iter().all(|f| f.prio != filter.prio);
        let whole = last && protocol(filter.prio) != Some(filter.protocol);
        let handle = if whole {
            filter.handle & 0xfff
        } else {
            filter.handle
        };
        let gone = Filter {
            handle,
            ..filter.clone()
        };
        plan.ops.push(delete(Object::Filter(Box::new(gone))));
        let free = (TAGGED_PRIO + 1..u16::MAX).find(|p| !prios.contains(p));
        let prio = free.unwrap_or(u16::MAX);
        prios.push(prio);
        let behind = Filter {
            prio,
            handle: 0,
            ..filter.clone()
        };
        again.push(op(
            Action::Add,
            Object::Filter(Box::new(behind)),
            Before::Nothing,
        ));
    }
    for head in empty(seen, root) {
        plan.ops
            .push(delete(Object::Filter(Box::new(head.clone()))));
    }
    Ok(again)
}

/// The filters in front as they are added again.
///
/// # Errors
/// One that has to stay.
fn restorable(
    seen: &Device,
    (root, takeover): (Handle, bool),
    name: &DevName,
    observed: &ObservedState,
    plan: &mut Plan,
) -> Result<Vec<Filter>, RefusalKind> {
    let mut targets = Targets::new();
    let mut moved = Vec::new();
    for filter in first(seen, root) {
        let said = format!("{} of {name}", said(filter));
        if !takeover {
            let ifb = format!("the classes of {name}");
            return Err(RefusalKind::FilterInFront { filter: said, ifb });
        }
        match readd::again(filter, name, observed, &mut targets) {
            Ok(again) => moved.push(again),
            Err(reason) => {
                return Err(RefusalKind::FilterNotRestorable {
                    filter: said,
                    reason,
                });
            }
        }
    }
    plan.know(targets);
    Ok(moved)
}
