//! Somebody else's filter taken off and added again: only where all that it is can be said from what the kernel shows.

use crate::object::{DevName, Filter, FilterKind, Gact, Mirred, TcAction, U32, U32Part, U32Sel};
use crate::observe::state::ObservedState;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// First hash table that the kernel makes of its own accord: a priority's root table has this number or a later one.
const FIRST_ROOT: u32 = 0x8000_0000;

/// `TCA_CLS_FLAGS_SKIP_HW` and `TCA_CLS_FLAGS_SKIP_SW`; the other bits are the kernel's to say.
const SKIP: u32 = 3;
/// `TCA_U32_PCNT`: counters, which a dump has and a request has not.
const COUNTERS: u16 = 9;

/// Devices that filters send to, by number: `tc` wants names.
pub(crate) type Targets = Vec<(u32, Arc<str>)>;

/// A filter as a request makes it again, with the names that `tc` needs for it.
///
/// # Errors
/// What of it can't be said.
pub(super) fn again(
    filter: &Filter,
    on: &DevName,
    observed: &ObservedState,
    targets: &mut Targets,
) -> Result<Filter, String> {
    let FilterKind::U32(seen) = &filter.kind else {
        return Err(format!(
            "its kind is {}, of which only the name is known",
            filter.kind.name()
        ));
    };
    if filter.handle & 0xfff == 0 || (filter.handle >> 20 != 0 && filter.handle < FIRST_ROOT) {
        return Err("it is in a hash table of its own".into());
    }
    let mut parts = Vec::new();
    let mut selector = None;
    for part in &seen.parts {
        match part {
            U32Part::ClassId(_) => parts.push(part.clone()),
            U32Part::Sel(sel) => selector = Some(plain(sel)?),
            U32Part::Actions(list) => {
                let list: Result<Vec<TcAction>, String> = list
                    .iter()
                    .map(|a| action(a, on, observed, targets))
                    .collect();
                parts.push(U32Part::Actions(list?));
            }
            // Where it is, counters, and what hardware did with it, come by themselves.
            U32Part::Hash(_) | U32Part::Raw(COUNTERS, _) => {}
            U32Part::Flags(flags) if flags & SKIP == 0 => {}
            _ => {
                return Err(
                    "it has more than a selector, a class and actions (a link, mark, device, policer or flag)"
                        .into(),
                );
            }
        }
    }
    parts.push(U32Part::Sel(
        selector.ok_or("what it matches is not shown")?,
    ));
    Ok(Filter {
        kind: FilterKind::U32(Box::new(U32 { parts })),
        ..filter.clone()
    })
}

/// A selector that is keys and nothing else.
fn plain(sel: &U32Sel) -> Result<U32Sel, String> {
    let keys_only = U32Sel {
        flags: sel.flags,
        keys: sel.keys.clone(),
        ..U32Sel::default()
    };
    let at = sel
        .keys
        .iter()
        .all(|k| matches!(k.offmask, 0 | -1) && k.off % 4 == 0);
    if *sel != keys_only || sel.flags > 1 || !at {
        return Err("its selector has offsets or a hash key".into());
    }
    Ok(keys_only)
}

fn action(
    action: &TcAction,
    on: &DevName,
    observed: &ObservedState,
    targets: &mut Targets,
) -> Result<TcAction, String> {
    match action {
        TcAction::Mirred(m) if m.block.is_none() && m.extras.is_none() => {
            let name = name_of(m.ifindex, on, observed).ok_or_else(|| {
                format!(
                    "it sends to device number {}, whose name was not observed",
                    m.ifindex
                )
            })?;
            if verdict(m.action).is_none() || !(1..=4).contains(&m.eaction) {
                return Err("what comes after its mirred action is not known".into());
            }
            if !targets.iter().any(|(n, _)| *n == m.ifindex) {
                targets.push((m.ifindex, name));
            }
            Ok(TcAction::Mirred(Mirred {
                index: 0,
                ..m.clone()
            }))
        }
        TcAction::Gact(g)
            if g.random.is_none() && g.extras.is_none() && verdict(g.action).is_some() =>
        {
            Ok(TcAction::Gact(Gact {
                index: 0,
                ..g.clone()
            }))
        }
        TcAction::Mirred(_) | TcAction::Gact(_) => Err("an action of it has more to it".into()),
        TcAction::Other(kind) => Err(format!(
            "an action of it is of kind {kind}, of which only the name is known"
        )),
    }
}

/// The name of a device by its number, in the network namespace of another.
pub(super) fn name_of(number: u32, on: &DevName, observed: &ObservedState) -> Option<Arc<str>> {
    let number = i32::try_from(number).ok().filter(|n| *n > 0)?;
    let mut devices = observed.devices();
    let same = |(name, device): &(&DevName, &crate::object::Device)| {
        name.netns == on.netns && device.ifindex == Some(number)
    };
    devices.find(same).map(|(name, _)| name.dev.clone())
}

/// tc's word for what comes after an action.
fn verdict(action: i32) -> Option<&'static str> {
    Some(match action {
        -1 => "continue",
        0 => "pass",
        1 => "reclassify",
        2 => "drop",
        3 => "pipe",
        // Stolen; tc has no word for it, and redirecting means it.
        4 => "",
        _ => return None,
    })
}

/// The words of actions, as `tc` reads them.
pub(super) fn words(actions: &[TcAction], targets: &[(u32, Arc<str>)]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut say = |text: &str| words.push(text.into());
    for action in actions {
        say("action");
        match action {
            TcAction::Mirred(m) => {
                let [way, what] = match m.eaction {
                    1 => ["egress", "redirect"],
                    2 => ["egress", "mirror"],
                    3 => ["ingress", "redirect"],
                    _ => ["ingress", "mirror"],
                };
                let name = targets.iter().find(|(n, _)| *n == m.ifindex);
                for word in ["mirred", way, what, "dev", name.map_or("*", |(_, n)| n)] {
                    say(word);
                }
                // tc's own: a redirected packet is stolen, a copied one goes on.
                let usual = if what == "redirect" { 4 } else { 3 };
                if let Some(word) = verdict(m.action).filter(|w| m.action != usual && !w.is_empty())
                {
                    say(word);
                }
            }
            TcAction::Gact(g) => say(verdict(g.action).unwrap_or("pass")),
            TcAction::Other(kind) => say(kind),
        }
    }
    words
}
