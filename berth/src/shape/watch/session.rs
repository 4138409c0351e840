//! What is watched: the policy, the kernel as it was read and has been told since, and the shares.

use super::super::live::{self, Seen};
use super::super::plan;
use super::WatchArgs;
use super::usage::{BOTH, Counted, Row};
use crate::answer::Failure;
use crate::service::say;
use netshape::elastic::{Elastic, ElasticConfig};
use netshape::kernel::{Kernel as _, KernelModel, apply_or_undo, take_back};
use netshape::object::Handle;
use netshape::plan::{Object, Plan, diff, diff_touched};
use netshape::policy::PolicyFile;
use netshape::{Capabilities, DevName, Direction, Host, Netns, ObservedState, Rate, Refusal};
use netshape_netlink::NetlinkKernel;
use std::collections::{BTreeMap, BTreeSet};

/// A plan that was carried out, and what it was made from.
struct Done {
    plan: Plan,
    observed: ObservedState,
}

pub(super) struct Session {
    kernel: NetlinkKernel,
    capabilities: Capabilities,
    policy: PolicyFile,
    place: String,
    numbers: BTreeMap<String, u16>,
    dry_run: bool,
    restores: bool,
    host: Host,
    /// The kernel as it was read, with all that was carried out since.
    model: KernelModel,
    elastic: [Option<Elastic>; 2],
    /// What `--restore` takes back, in order; of classes that division changes only the first change.
    log: Vec<Done>,
    changed: BTreeSet<(DevName, Handle)>,
    made: Vec<DevName>,
    /// The whole kernel is to be compared at the next opportunity.
    pub(super) stale: bool,
    /// Classes that division has changed so far.
    pub(super) changes: u64,
}

impl Session {
    pub(super) async fn begin(args: &WatchArgs, policy: PolicyFile) -> Result<Self, Failure> {
        let kernel = NetlinkKernel::new();
        let probed = kernel.probe().await.map_err(|e| live::failure(&e))?;
        let capabilities = probed.capabilities().with_takeover(args.takeover);
        let host = Host::new(None, Vec::new(), capabilities);
        let mut session = Self {
            kernel,
            capabilities,
            policy,
            place: args.policy.desired.display().to_string(),
            numbers: plan::classes(args.classes.as_deref())?,
            dry_run: args.dry_run,
            restores: args.restore,
            host: host.map_err(|r| Failure::input(r.to_string(), "policy"))?,
            model: KernelModel::new(),
            elastic: [None, None],
            log: Vec::new(),
            changed: BTreeSet::new(),
            made: Vec::new(),
            stale: true,
            changes: 0,
        };
        session.reconcile().await?;
        Ok(session)
    }

    /// Another policy from now on.
    pub(super) fn replace(&mut self, policy: PolicyFile) {
        self.policy = policy;
        self.stale = true;
    }

    /// Reads the whole kernel and makes it as the policy says, shares as they are.
    pub(super) async fn reconcile(&mut self) -> Result<(), Failure> {
        let mut seen = self.planned().await?;
        let needs = seen.1.required_devices().to_vec();
        if !needs.is_empty() && !self.dry_run {
            self.kernel
                .create_ifbs(&needs)
                .await
                .map_err(|e| live::failure(&e))?;
            self.made.extend(needs);
            seen = self.planned().await?;
        }
        let (observed, plan) = seen;
        self.model = KernelModel::from(observed.clone());
        if !self.dry_run {
            self.carry_out(plan, observed).await?;
        }
        self.stale = false;
        Ok(())
    }

    /// The host as the policy wants it, with what is divided now, and the plan for it.
    async fn planned(&mut self) -> Result<(ObservedState, Plan), Failure> {
        let Seen { state, .. } = live::read_for(&self.kernel, &self.policy).await?;
        for (slot, container) in self.host.containers() {
            if let Some(class) = self.host.class_of(slot) {
                self.numbers
                    .insert(container.id().to_owned(), class.minor());
            }
        }
        let refusal =
            |r: Refusal| Failure::input(r.kind.to_string(), format!("{}: {}", self.place, r.field));
        let wanted = self
            .policy
            .host_on(&state, self.capabilities, &self.numbers);
        let (mut host, refused) = wanted.map_err(refusal)?;
        let mut elastic = BOTH.map(|direction| divider(&host, direction));
        for (slot, direction, rate) in host.resume(&state) {
            if let Some(Some(elastic)) = elastic.get_mut(direction as usize) {
                elastic.resume(slot, rate);
            }
        }
        let plan = diff(&state, &host);
        if self.stale {
            plan::tell_refused(&refused, &plan);
        }
        (self.host, self.elastic) = (host, elastic);
        Ok((state, plan))
    }

    async fn carry_out(&mut self, plan: Plan, observed: ObservedState) -> Result<(), Failure> {
        if plan.is_empty() {
            return Ok(());
        }
        let done = apply_or_undo(&mut self.kernel, &plan, &observed).await;
        if let Some(failure) = done.failure {
            let step = plan.ops().get(failure.step).map(|op| plan.shell(op));
            let why = format!(
                "{}: {}; taken back",
                step.unwrap_or_default(),
                failure.error
            );
            return Err(Failure::io(&std::io::Error::other(why), "kernel"));
        }
        // Steps for devices that went meanwhile are void here too.
        for op in plan.ops() {
            let _ = self.model.apply(&plan, op);
        }
        self.remember(plan, observed);
        Ok(())
    }

    /// Keeps what `--restore` needs: whole plans, and of division's changes the first of each class.
    fn remember(&mut self, plan: Plan, observed: ObservedState) {
        if !self.restores {
            return;
        }
        let mut news = false;
        for op in plan.ops() {
            let class = match (&op.object, plan.device(op)) {
                (Object::Class(class), Some(device)) => {
                    self.changed.insert((device.clone(), class.id))
                }
                _ => true,
            };
            news |= class;
        }
        if news {
            self.log.push(Done { plan, observed });
        }
    }

    /// Takes in the counters without dividing.
    pub(super) async fn count(&self, counted: &mut Counted) -> Result<(), Failure> {
        let counters = self
            .kernel
            .qdisc_counters(&Netns::Host)
            .await
            .map_err(|e| live::failure(&e))?;
        counted.take(&counters, &self.host, self.model.state());
        Ok(())
    }

    /// One interval: what was used, and the uplink divided anew by that.
    pub(super) async fn interval(&mut self, counted: &mut Counted) -> Result<Vec<Row>, Failure> {
        let counters = self
            .kernel
            .qdisc_counters(&Netns::Host)
            .await
            .map_err(|e| live::failure(&e))?;
        let interval = counted.take(&counters, &self.host, self.model.state());
        if self.dry_run || interval.length.is_zero() {
            return Ok(interval.rows);
        }
        for (direction, usage) in BOTH.into_iter().zip(&interval.usage) {
            let Some(Some(elastic)) = self.elastic.get_mut(direction as usize) else {
                continue;
            };
            elastic.step(interval.length, usage);
            let changed = elastic.apply_to(&mut self.host, direction);
            self.changes = self.changes.saturating_add(changed as u64);
        }
        let plan = diff_touched(self.model.state(), &mut self.host);
        if !plan.is_empty() {
            let observed = self.model.state().clone();
            self.carry_out(plan, observed).await?;
        }
        Ok(interval.rows)
    }

    /// Takes back all that was done, the last first.
    pub(super) async fn restore(&mut self) -> Result<(), Failure> {
        let mut left = 0;
        while let Some(Done { plan, observed }) = self.log.pop() {
            let failed = take_back(&mut self.kernel, &plan, &observed).await;
            for (step, error) in &failed {
                let step = plan.ops().get(*step).map(|op| plan.shell(op));
                say(&format!(
                    "could not be taken back: {}: {error}",
                    step.unwrap_or_default()
                ));
            }
            left += failed.len();
        }
        self.kernel
            .remove_ifbs(&self.made)
            .await
            .map_err(|e| live::failure(&e))?;
        if left > 0 {
            let why = format!("{left} steps could not be taken back");
            return Err(Failure::io(&std::io::Error::other(why), "kernel").of_kind("undone"));
        }
        Ok(())
    }
}

/// Divides what containers may have of one direction of the uplink among those that share it.
fn divider(host: &Host, direction: Direction) -> Option<Elastic> {
    let capacity = host.uplink()?;
    let capacity: Rate = capacity.for_containers_in(direction);
    let mut elastic = Elastic::new(capacity, ElasticConfig::default());
    for (slot, _) in host
        .containers()
        .filter(|(slot, _)| host.shares_uplink(*slot, direction))
    {
        elastic.set(slot, host.entitlement(slot, direction));
    }
    (!elastic.is_empty()).then_some(elastic)
}
