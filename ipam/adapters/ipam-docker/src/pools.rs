//! RequestPool and ReleasePool: networks come and go.

use crate::auto::prefixes;
use crate::draft::Draft;
use crate::driver::{Decided, Driver};
use crate::message::{GLOBAL, LOCAL, PoolRelease, PoolRequest, Reply};
use crate::names::{Attachment, PoolId, counted, is_count};
use crate::options::{AUTO, MADE, Options, ROLE};
use crate::refusal::Refusal;
use ipam::net::{Cidr, Family};
use ipam::{Ipam, PoolSpec};

impl Driver {
    pub(crate) fn request_pool(&self, ipam: &Ipam, request: &PoolRequest) -> Decided {
        if ![LOCAL, GLOBAL].contains(&&*request.address_space) {
            let given = &request.address_space;
            return Err(Refusal::bad(format!(
                "no address space {given:?}: {LOCAL} and {GLOBAL} are there"
            )));
        }
        let options = Options::read(request.options.as_ref())?;
        let subnet = prefix("Pool", &request.pool)?;
        let range = prefix("SubPool", &request.sub_pool)?;
        let mut draft = Draft::new(ipam);
        let pool = match (&options.pool, subnet) {
            (Some(name), _) if ipam.pool(name).is_some() => {
                take_up(&mut draft, name, subnet, &options)?;
                name.clone()
            }
            (Some(name), Some(subnet)) => make(&mut draft, name.clone(), subnet, &options)?,
            (Some(name), None) => {
                return Err(Refusal::refused(format!(
                    "no pool {name:?} in the store: add it (berth ipam pool add), or name its prefix (--subnet)"
                )));
            }
            (None, Some(subnet)) => of_prefix(&mut draft, subnet, &options)?,
            (None, None) => self.automatic(&mut draft, request.v6, &options)?,
        };
        let whole = draft.spec(&pool)?.cidr;
        if let Some(range) =
            range.filter(|r| !(whole.contains(r.first()) && whole.contains(r.last())))
        {
            return Err(Refusal::bad(format!("SubPool: {range} is not in {whole}")));
        }
        let id = PoolId {
            pool,
            range: range.filter(|range| *range != whole),
        };
        let count = count(draft.spec(&id.pool)?, &self.host, &id);
        self.set_count(&mut draft, &id, count.saturating_add(1), &|_| false)?;
        let (id, prefix) = (id.to_string(), whole.to_string());
        Ok((Reply::Pool { id, prefix }, draft.changes))
    }

    /// A pool for a network that names none: one that is labelled for it, else a part of a range. One that a network of this
    /// host has is never given again: an engine that finds a prefix in its way asks for another one, without end.
    fn automatic(&self, draft: &mut Draft, v6: bool, options: &Options) -> Result<String, Refusal> {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let fits = |spec: &&PoolSpec| {
            let auto = spec.labels.get(ROLE).is_some_and(|role| role == AUTO);
            auto && spec.cidr.family() == family
                && !self.uses(spec)
                && options.differs(spec).is_none()
        };
        let pools = draft
            .ipam
            .pools()
            .filter(|pool| !pool.draining())
            .map(ipam::pool::PoolRef::spec);
        if let Some(name) = pools.filter(fits).map(|spec| spec.name.clone()).min() {
            return Ok(name);
        }
        // A prefix that was in use lately is given again once there is no other.
        let (all, used) = (
            prefixes(&draft.ipam, |_| true),
            prefixes(&draft.ipam, |spec| !is_idle(spec)),
        );
        for taken in [&all, &used] {
            for range in self.auto.iter().filter(|range| range.family() == family) {
                if let Some(prefix) = range.first_free(taken.iter()) {
                    return of_prefix(draft, prefix, options);
                }
            }
        }
        let ranges: Vec<String> = self
            .auto
            .iter()
            .filter(|r| r.family() == family)
            .map(ToString::to_string)
            .collect();
        let ranges = if ranges.is_empty() {
            "there is no range for it (--docker-auto)".to_owned()
        } else {
            format!("{} is in use", ranges.join(", "))
        };
        Err(Refusal::refused(format!(
            "no {family} pool is left for a network that names none: no pool labelled {ROLE}={AUTO} is free, and {ranges}; name one (--subnet, --ipam-opt pool=NAME)"
        )))
    }

    /// Whether networks of this host draw from a pool.
    fn uses(&self, spec: &PoolSpec) -> bool {
        spec.labels
            .keys()
            .any(|label| counted(&self.host, label).is_some())
    }

    pub(crate) fn release_pool(&self, ipam: &Ipam, release: &PoolRelease) -> Decided {
        // What is not there needs no release, and nobody counted it.
        let Some(id) = PoolId::known(ipam, &release.pool_id) else {
            return Ok((Reply::Done, Vec::new()));
        };
        let mut draft = Draft::new(ipam);
        let count = count(draft.spec(&id.pool)?, &self.host, &id);
        if count > 0 {
            self.set_count(&mut draft, &id, count - 1, &|_| false)?;
        }
        Ok((Reply::Done, draft.changes))
    }

    /// Notes how many networks draw from a pool; what the last one leaves is released (but for what lives), and the pool goes when nothing is left.
    pub(crate) fn set_count(
        &self,
        draft: &mut Draft,
        id: &PoolId,
        count: u32,
        lives: &dyn Fn(Attachment) -> bool,
    ) -> Result<(), Refusal> {
        let mut spec = draft.spec(&id.pool)?.clone();
        let label = id.label(&self.host);
        match count {
            0 => spec.labels.remove(&label),
            count => spec.labels.insert(label, count.to_string()),
        };
        let (prefix, used) = (spec.cidr, self.uses(&spec));
        draft.change(spec)?;
        if count > 0 {
            return Ok(());
        }
        let claims = draft.ipam.claims_of_host(&self.host);
        let left =
            |owner: &str| match Attachment::of_owner(&self.host, owner).filter(|a| !lives(*a)) {
                Some(Attachment::Endpoint { address, range }) => {
                    range == id.range && prefix.contains(address)
                }
                // Networks that share a pool share its gateway, whatever they draw from.
                Some(Attachment::Gateway { address }) => !used && prefix.contains(address),
                None => false,
            };
        let owners = claims
            .map(ipam::claim::ClaimRef::owner)
            .filter(|owner| left(owner));
        let owners: Vec<String> = owners.map(str::to_owned).collect();
        owners.iter().try_for_each(|owner| draft.release(owner))?;
        remove_if_empty(draft, &id.pool)
    }

    /// Removes pools that were made for networks, that none uses any more, and of which nothing is retained or in quarantine.
    ///
    /// # Errors
    /// [`Refusal`] of a state that does not fit itself.
    pub fn tidy(&self, ipam: &Ipam) -> Result<Vec<ipam::Change<'static>>, Refusal> {
        let idle: Vec<&str> = ipam
            .pools()
            .map(ipam::pool::PoolRef::spec)
            .filter(|spec| is_idle(spec))
            .map(|spec| &*spec.name)
            .collect();
        if idle.is_empty() {
            return Ok(Vec::new());
        }
        let mut draft = Draft::new(ipam);
        idle.iter()
            .try_for_each(|pool| remove_if_empty(&mut draft, pool))?;
        Ok(draft.changes)
    }
}

/// How many networks of a host draw from a pool.
pub(crate) fn count(spec: &PoolSpec, host: &str, id: &PoolId) -> u32 {
    let text = spec.labels.get(&id.label(host));
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// How many networks of a host draw from a pool, or from a range of it.
pub(crate) fn networks(spec: &PoolSpec, host: &str) -> u32 {
    let labels = spec
        .labels
        .iter()
        .filter(|(label, _)| counted(host, label).is_some());
    let counts = labels.filter_map(|(_, count)| count.parse::<u32>().ok());
    counts.fold(0, u32::saturating_add)
}

/// Whether a pool was made for a network, and none of any host uses it any more.
fn is_idle(spec: &PoolSpec) -> bool {
    let made = spec.labels.get(ROLE).is_some_and(|role| role == MADE);
    made && !spec.labels.keys().any(|label| is_count(label))
}

fn remove_if_empty(draft: &mut Draft, pool: &str) -> Result<(), Refusal> {
    let empty = draft.ipam.pool(pool).is_some_and(|pool| {
        let usage = pool.usage();
        is_idle(pool.spec()) && (usage.held, usage.reserved, usage.quarantined) == (0, 0, 0)
    });
    match empty {
        true => draft.remove(pool),
        false => Ok(()),
    }
}

fn prefix(field: &str, text: &str) -> Result<Option<Cidr>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let shown: String = text.chars().take(80).collect();
    let bad = |why: &str| {
        Refusal::bad(format!(
            "{field}: {shown:?} is no prefix such as 10.9.0.0/24{why}"
        ))
    };
    let (address, length) = text.split_once('/').ok_or_else(|| bad(""))?;
    let (address, length) = (
        address.parse().map_err(|_| bad(""))?,
        length.parse().map_err(|_| bad(""))?,
    );
    // Engines of some versions send the address as it was typed.
    let prefix = Cidr::containing(address, length);
    prefix.map(Some).map_err(|e| bad(&format!(": {e}")))
}

/// A pool that is there, for one more network.
fn take_up(
    draft: &mut Draft,
    name: &str,
    prefix: Option<Cidr>,
    options: &Options,
) -> Result<(), Refusal> {
    let spec = draft.spec(name)?;
    if let Some(prefix) = prefix.filter(|prefix| *prefix != spec.cidr) {
        let have = spec.cidr;
        return Err(Refusal::refused(format!(
            "pool {name:?} is {have}, not {prefix}; a part of it is --ip-range"
        )));
    }
    if is_idle(spec) {
        // It waited for what is retained or in quarantine, and begins anew.
        let mut again = spec.clone();
        options.set(&mut again);
        return draft.change(again);
    }
    match options.differs(spec) {
        Some(difference) => Err(Refusal::refused(format!(
            "pool {name:?} is there, and {difference}"
        ))),
        None => Ok(()),
    }
}

/// The pool of a prefix: the one that is there, or a new one.
fn of_prefix(draft: &mut Draft, prefix: Cidr, options: &Options) -> Result<String, Refusal> {
    let there = draft
        .ipam
        .pools()
        .map(ipam::pool::PoolRef::spec)
        .find(|spec| spec.cidr == prefix);
    match there.map(|spec| spec.name.clone()) {
        Some(name) => {
            take_up(draft, &name, Some(prefix), options)?;
            Ok(name)
        }
        None => make(draft, format!("docker/{prefix}"), prefix, options),
    }
}

/// Makes a pool for a network; one that no network uses any more makes room.
fn make(
    draft: &mut Draft,
    name: String,
    prefix: Cidr,
    options: &Options,
) -> Result<String, Refusal> {
    let pools = draft.ipam.pools().map(ipam::pool::PoolRef::spec);
    let idle = pools.filter(|spec| spec.cidr.overlaps(prefix) && is_idle(spec));
    let idle: Vec<String> = idle.map(|spec| spec.name.clone()).collect();
    idle.iter().try_for_each(|pool| draft.clear(pool))?;
    let mut spec = PoolSpec::new(name.clone(), prefix);
    options.set(&mut spec);
    draft.add(spec)?;
    Ok(name)
}

/// Makes the pool of a network that an engine has, where a store that was lost knows it no more.
pub(crate) fn remake(draft: &mut Draft, prefix: Cidr) -> Result<String, Refusal> {
    of_prefix(draft, prefix, &Options::default())
}
