//! A plan as lines of text: for a shell, for `tc -batch`, and which network namespaces they are for.

use super::argv;
use super::op::{Object, Op};
use super::reason::{Action, Reason};
use super::steps::Plan;
use crate::object::{DevName, Netns};
use crate::text::{batch_word, joined, printable, shell_line};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Why a plan can't be one batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// One `tc -batch` works in one network namespace.
    #[error(
        "a batch holds one network namespace, and these steps are for {}",
        listed(given)
    )]
    Namespaces {
        /// Those of the plan, in the order of their first steps.
        given: Vec<Netns>,
    },
    /// tc cuts a line at `#`, knows quotes only around a whole word, and no escapes.
    #[error(
        "no line of `tc -batch` can carry the name `{}`: the form argv can, and netlink messages by number",
        printable(given)
    )]
    Name {
        /// The name.
        given: String,
    },
}

/// `host, web-1, pid:4242`; the first few where there are many.
fn listed(given: &[Netns]) -> String {
    const MOST: usize = 20;
    let names: Vec<String> = given.iter().take(MOST).map(ToString::to_string).collect();
    let more = given.len().saturating_sub(MOST);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", names.join(", "))
}

/// Namespaces in the order they came, each once.
#[derive(Default)]
struct Order {
    order: Vec<Netns>,
    seen: BTreeSet<Netns>,
}

impl Order {
    fn take(&mut self, netns: &Netns) {
        if self.seen.insert(netns.clone()) {
            self.order.push(netns.clone());
        }
    }

    fn contains(&self, netns: &Netns) -> bool {
        self.seen.contains(netns)
    }

    fn iter(&self) -> impl Iterator<Item = &Netns> {
        self.order.iter()
    }
}

impl Plan {
    /// The network namespaces that steps are for, in an order to carry their parts out in: that of their first steps, save that
    /// those where something stale goes come after those where nothing does, and those where nothing else happens last. So a
    /// container whose method changes is shaped the new way before the old one ends.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Netns> {
        let stale = |op: &&Op| op.action == Action::Delete && op.reason == Reason::Stale;
        // What is stale on a device that stays goes with the rest of that device's steps.
        let tail = self.ops.iter().rev().take_while(stale).count();
        let (head, tail) = self.ops.split_at(self.ops.len() - tail);
        let (head, tail) = (self.namespaces_of(head), self.namespaces_of(tail));
        let ends = |n: &&Netns| tail.contains(n);
        let (both, alone): (Vec<&Netns>, Vec<&Netns>) = head.iter().partition(ends);
        let last = tail.iter().filter(|n| !head.contains(n));
        alone.into_iter().chain(both).chain(last).cloned().collect()
    }

    /// The namespaces of some steps, in the order of the first ones.
    fn namespaces_of(&self, ops: &[Op]) -> Order {
        let mut order = Order::default();
        let mut last = None;
        for op in ops
            .iter()
            .filter(|op| last.replace(op.device) != Some(op.device))
        {
            if let Some(name) = self.device(op) {
                order.take(&name.netns);
            }
        }
        order
    }

    /// What of the plan is for one network namespace, in order; [`Plan::namespaces`] says in which order the parts go.
    #[must_use]
    pub fn in_netns(&self, netns: &Netns) -> Self {
        let here = |name: &DevName| name.netns == *netns;
        let ops = self
            .ops
            .iter()
            .filter(|op| self.device(op).is_some_and(here));
        let left = self.left_alone.iter().filter(|l| here(&l.device));
        Self {
            devices: self.devices.clone(),
            ops: ops.cloned().collect(),
            left_alone: left.cloned().collect(),
            needs: self.needs.iter().filter(|n| here(n)).cloned().collect(),
            refused: self.refused.clone(),
            targets: self.targets.clone(),
            rounding: self.rounding,
        }
    }

    /// The whole command of a step as raw words: how its network namespace is entered, `tc`, and [`Plan::argv`].
    #[must_use]
    pub fn command(&self, op: &Op) -> Vec<String> {
        let mut words = self.device(op).map(|d| d.netns.enter()).unwrap_or_default();
        words.push("tc".into());
        words.append(&mut self.argv(op));
        words
    }

    /// [`Plan::command`] as a line for a POSIX shell, each word quoted where it needs that.
    #[must_use]
    pub fn shell(&self, op: &Op) -> String {
        shell_line(&self.command(op))
    }

    /// Every step as a line for a POSIX shell ([`Plan::shell`]), in order, after a comment for each device
    /// that is needed first.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = self.needs_said();
        for op in &self.ops {
            text.push_str(&self.shell(op));
            text.push('\n');
        }
        text
    }

    /// Devices that are needed first, in comments.
    fn needs_said(&self) -> String {
        let needs = self.device_commands();
        needs
            .iter()
            .map(|n| format!("# needed first: {n}\n"))
            .collect()
    }

    /// What makes the devices that are needed first ([`Plan::required_devices`]), as lines for a POSIX shell.
    #[must_use]
    pub fn device_commands(&self) -> Vec<String> {
        let make = |name: &DevName| {
            let line = |words: &[&str]| {
                let mut whole = name.netns.enter();
                whole.extend(words.iter().map(|w| (*w).to_string()));
                shell_line(&whole)
            };
            let add = line(&["ip", "link", "add", &name.dev, "type", "ifb"]);
            let up = line(&["ip", "link", "set", &name.dev, "up"]);
            format!("{add} && {up}")
        };
        self.needs.iter().map(make).collect()
    }

    /// Text for `tc -batch`, run in the network namespace that its first line names in a comment. Devices that are needed first
    /// are said in comments too.
    ///
    /// ```
    /// # use netshape::{Capabilities, Container, Direction, Host, ObservedState, Rate, Shape};
    /// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
    /// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
    /// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
    /// # let plan = netshape::plan::diff(&ObservedState::new(), &host);
    /// for netns in plan.namespaces() {
    ///     let batch = plan.in_netns(&netns).batch()?; // for `ip netns exec NAME tc -batch FILE`
    ///     assert!(batch.contains("class add dev veth1 parent be: classid be:10 htb rate 200mbit"));
    /// }
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BatchError::Namespaces`] where steps are for more than one namespace ([`Plan::in_netns`] picks one),
    /// [`BatchError::Name`] where a device has a name that no line can carry.
    pub fn batch(&self) -> Result<String, BatchError> {
        let given = self.namespaces();
        if given.len() > 1 {
            return Err(BatchError::Namespaces { given });
        }
        let mut text = String::new();
        if let Some(netns) = given.first() {
            let _ = writeln!(text, "# netns {netns}");
        }
        text.push_str(&self.needs_said());
        for op in &self.ops {
            text.push_str(&self.batch_line(op)?);
            text.push('\n');
        }
        Ok(text)
    }

    fn batch_line(&self, op: &Op) -> Result<String, BatchError> {
        let words = self.argv(op);
        let carried: Option<Vec<_>> = words.iter().map(|w| batch_word(w)).collect();
        let Some(carried) = carried else {
            let given = words.iter().find(|w| batch_word(w).is_none());
            let given = given.cloned().unwrap_or_default();
            return Err(BatchError::Name { given });
        };
        Ok(joined(carried.into_iter()))
    }

    /// The arguments of `tc` for one step, without `tc` itself, as raw words; in the network namespace of its device.
    #[must_use]
    pub fn argv(&self, op: &Op) -> Vec<String> {
        let dev = self.device(op).map_or("", |d| &d.dev);
        argv::argv(op, dev, self.rounding, &self.targets)
    }

    /// The arguments of `tc` for the first step that takes `op` back.
    #[must_use]
    pub fn inverse_argv(&self, op: &Op) -> Vec<String> {
        op.inverse()
            .first()
            .map(|o| self.argv(o))
            .unwrap_or_default()
    }

    /// The ifb that a step redirects to where its number is not known, so that no message can say it.
    #[must_use]
    pub fn unnumbered_target<'a>(&self, op: &'a Op) -> Option<&'a str> {
        match &op.object {
            Object::Redirect(r) if r.ifindex == 0 => Some(&r.to),
            _ => None,
        }
    }
}
