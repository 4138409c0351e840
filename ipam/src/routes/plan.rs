//! What leads from the routes that are there to those that are wanted, without touching anybody else's.

use super::table::{NextHop, Route};
use crate::cidr::Cidr;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A route that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ObservedRoute {
    /// Where to.
    pub prefix: Cidr,
    /// Which way, if it is a way that a [`Route`] can have.
    pub hop: Option<NextHop>,
    /// Who made it: the kernel's protocol number (`rtnetlink(7)`, `rtm_protocol`), or a tag in a daemon's configuration; 0 is nobody.
    pub mark: u32,
    /// Its metric (kernel) or distance (daemon): two routes of one prefix stand beside each other if theirs differ.
    pub metric: u32,
}

/// A wanted route whose place another's has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LeftAlone {
    /// What is wanted.
    pub route: Route,
    /// What is there: it stays as it is.
    pub taken: ObservedRoute,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Step {
    /// To be made. It is an error if the place is taken by then: never replace.
    Add(Route),
    /// To be removed, if it still bears the mark.
    Remove(ObservedRoute),
}

/// Ordered steps. New prefixes come first, shorter ones before longer; then what changes its way, removed and added at once;
/// what is over goes last, so that nothing is out of reach meanwhile that was not to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RoutePlan {
    /// To be carried out in order.
    pub steps: Vec<Step>,
    /// Not carried out: the prefix is another's, at the same metric.
    pub left_alone: Vec<LeftAlone>,
}

impl RoutePlan {
    /// What leads from `observed` to `wanted` among the routes that bear `mark`, all of which are ours; new ones get `metric`.
    /// What bears another mark is never removed or replaced. `n log n` in the routes.
    ///
    /// ```
    /// use ipam::routes::{NextHop, ObservedRoute, Route, RoutePlan, Step};
    ///
    /// let route = |p: &str| Ok::<_, ipam::net::ParseError>(Route { prefix: p.parse()?, hop: NextHop::Blackhole });
    /// let there = |p: &str, mark| {
    ///     Ok::<_, ipam::net::ParseError>(ObservedRoute { prefix: p.parse()?, hop: Some(NextHop::Blackhole), mark, metric: 9 })
    /// };
    /// let observed = [there("10.9.0.0/26", 198)?, there("10.9.1.0/26", 4)?]; // the second is an administrator's
    /// let plan = RoutePlan::between(&observed, &[route("10.9.0.64/26")?, route("10.9.1.0/26")?], 198, 9);
    /// assert_eq!(plan.steps, [Step::Add(route("10.9.0.64/26")?), Step::Remove(observed[0].clone())]);
    /// assert_eq!(plan.left_alone[0].taken, observed[1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn between(observed: &[ObservedRoute], wanted: &[Route], mark: u32, metric: u32) -> Self {
        let (ours, others): (Vec<_>, Vec<_>) = observed.iter().partition(|o| o.mark == mark);
        let others: BTreeMap<_, _> = others.iter().map(|o| ((o.prefix, o.metric), *o)).collect();
        let mut there: BTreeMap<(Cidr, u32), Vec<&ObservedRoute>> = BTreeMap::new();
        for route in ours {
            there
                .entry((route.prefix, route.metric))
                .or_default()
                .push(route);
        }
        let mut wanted: Vec<&Route> = wanted.iter().collect();
        wanted.sort_by_key(|r| (r.prefix.prefix(), *r));
        let mut plan = Self::default();
        let (mut changed, mut kept) = (Vec::new(), BTreeSet::new());
        for route in wanted {
            let place = (route.prefix, metric);
            if let Some(taken) = others.get(&place) {
                plan.left_alone.push(LeftAlone {
                    route: route.clone(),
                    taken: (*taken).clone(),
                });
                continue;
            }
            let add = Step::Add(route.clone());
            match there.get(&place).map(Vec::as_slice) {
                None => plan.steps.push(add),
                Some([same]) if same.hop.as_ref() == Some(&route.hop) => drop(kept.insert(place)),
                Some(old) => {
                    kept.insert(place);
                    changed.extend(old.iter().map(|o| Step::Remove((*o).clone())));
                    changed.push(add);
                }
            }
        }
        plan.steps.append(&mut changed);
        let over = there.into_iter().filter(|(place, _)| !kept.contains(place));
        let over = over.flat_map(|(_, routes)| routes);
        plan.steps.extend(over.map(|o| Step::Remove(o.clone())));
        plan
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
