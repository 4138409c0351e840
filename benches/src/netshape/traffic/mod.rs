//! Figures of real traffic through what is planned: TCP and UDP between network namespaces, shaped by our plans on the kernel that runs
//! this, the CNI project's bandwidth plugin beside them where it has the same to offer.

mod changes;
mod goodput;
mod latency;
mod shares;
mod stand;

use crate::{Figure, Judge, Limit};

/// The figures.
pub(super) fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "",
        what: "",
        unit: "share",
        judge: Judge::Ours,
        must: Limit::None,
        aim: Limit::None,
        long: true,
        run: || Err("no measurement".into()),
    };
    [
        goodput::figures(base),
        changes::figures(base),
        latency::figures(base),
        shares::figures(base),
    ]
    .concat()
}
