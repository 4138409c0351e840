//! The document as a plan takes it.

use super::{
    DocumentError, ObservedAction, ObservedClass, ObservedDevice, ObservedDocument, ObservedFilter,
    ObservedMatch, ObservedQdisc,
};
use crate::object::device::Objects;
use crate::object::name;
use crate::object::{
    Class, DevName, Device, Filter, FilterKind, FqCodel, Handle, Htb, HtbClass, Mirred, Netns,
    Other, Qdisc, QdiscKind, RateSpec, TcAction, U32, U32Key, U32Part, U32Sel,
};
use crate::observe::state::ObservedState;
use crate::tc::{ethertype, u32_handle};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

fn handle(text: &str, field: impl FnOnce() -> String) -> Result<Handle, DocumentError> {
    text.parse().map_err(|_| DocumentError {
        field: field(),
        given: text.chars().take(40).collect(),
        wanted: "not a handle such as `1:10` or root",
    })
}

impl ObservedDocument {
    /// The state as [`crate::plan::diff`] takes it.
    ///
    /// # Errors
    /// The first handle that is none.
    pub fn state(&self) -> Result<ObservedState, DocumentError> {
        let mut state = ObservedState::new();
        for (i, seen) in self.devices.iter().enumerate() {
            state.put_device(seen.name(i)?, seen.device(i)?);
        }
        Ok(state)
    }
}

/// What stands in a field, where it can't be what the field says.
fn wrong(field: String, given: &str, wanted: &'static str) -> DocumentError {
    let given = given.chars().take(40).collect();
    DocumentError {
        field,
        given,
        wanted,
    }
}

impl ObservedDevice {
    /// Where it is and what it is called; what the kernel would not call so is refused, since it ends up in commands.
    fn name(&self, i: usize) -> Result<DevName, DocumentError> {
        let at = |name: &str| format!("devices[{i}].{name}");
        let netns = match (&self.netns, self.pid) {
            (Some(_), Some(pid)) => {
                let why = "given beside netns: write one of them";
                return Err(wrong(at("pid"), &pid.to_string(), why));
            }
            (None, Some(0)) => return Err(wrong(at("pid"), "0", "the number of no process")),
            (None, Some(pid)) => Netns::Pid(pid),
            (Some(netns), None) if !name::is_netns_name(netns) => {
                return Err(wrong(at("netns"), netns, name::rule(true)));
            }
            (Some(netns), None) => Netns::Named(netns.as_str().into()),
            (None, None) => Netns::Host,
        };
        if !name::is_dev_name(&self.dev) {
            return Err(wrong(at("dev"), &self.dev, name::rule(false)));
        }
        let dev = self.dev.as_str().into();
        Ok(DevName { netns, dev })
    }

    fn device(&self, number: usize) -> Result<Device, DocumentError> {
        let (mut device, mut objects) = (Device::new(), Objects::default());
        device.ifindex = self.ifindex;
        device.gso_max_size = self.gso_max_size;
        for (i, q) in self.qdiscs.iter().enumerate() {
            let at = |name| move || format!("devices[{number}].qdiscs[{i}].{name}");
            let parent = handle(&q.parent, at("parent"))?;
            objects.qdiscs.push(Qdisc::new(
                handle(&q.handle, at("handle"))?,
                parent,
                q.options(),
            ));
        }
        for (i, c) in self
            .classes
            .iter()
            .enumerate()
            .filter(|(_, c)| c.kind == "htb")
        {
            let at = |name| move || format!("devices[{number}].classes[{i}].{name}");
            let id = handle(&c.classid, at("classid"))?;
            let parent = match handle(&c.parent, at("parent"))? {
                Handle::ROOT => id.of_qdisc(),
                parent => parent,
            };
            objects.classes.push(Class {
                id,
                parent,
                htb: c.options(),
            });
        }
        for (i, f) in self.filters.iter().enumerate() {
            let at = |name: &str| format!("devices[{number}].filters[{i}].{name}");
            let parent = handle(&f.parent, || at("parent"))?;
            let number = match &*f.handle {
                "none" => 0,
                handle => u32_handle(handle).unwrap_or(i as u32),
            };
            let classid = match &f.flowid {
                Some(flowid) => Some(handle(flowid, || at("flowid"))?),
                None => None,
            };
            let link =
                match &f.link {
                    Some(link) => Some(u32_handle(link).ok_or_else(|| {
                        wrong(at("link"), link, "not a hash table such as `7be:`")
                    })?),
                    None => None,
                };
            objects
                .filters
                .push(f.filter(parent, number, classid, link));
        }
        device.absorb(objects);
        Ok(device)
    }
}

impl ObservedQdisc {
    fn options(&self) -> QdiscKind {
        match self.kind.as_str() {
            "htb" => QdiscKind::Htb(Htb {
                rate2quantum: self.r2q.unwrap_or(10),
                default: self.default.unwrap_or(0),
                direct_qlen: self.direct_qlen,
                ..Htb::with_default_class(0)
            }),
            "bfifo" => QdiscKind::Bfifo(self.limit_bytes),
            "pfifo" => QdiscKind::Pfifo(self.limit_packets),
            "fq_codel" => QdiscKind::FqCodel(Box::new(FqCodel {
                memory_limit: self.memory_limit_bytes,
                ..FqCodel::default()
            })),
            "ingress" => QdiscKind::Ingress,
            "clsact" => QdiscKind::Clsact,
            "mq" => QdiscKind::Mq,
            kind => QdiscKind::Other(Box::new(Other {
                kind: kind.to_string(),
                options: None,
            })),
        }
    }
}

impl ObservedClass {
    fn options(&self) -> HtbClass {
        let spec = |rate| RateSpec {
            overhead: self.overhead_bytes,
            mpu: self.mpu_bytes,
            ..RateSpec::plain(rate)
        };
        HtbClass {
            rate: spec(self.rate_bytes_per_second),
            ceil: spec(self.ceil_bytes_per_second),
            buffer: self.buffer_ticks,
            cbuffer: self.cbuffer_ticks,
            quantum: self.quantum,
            prio: self.prio,
            level: 0,
        }
    }
}

impl ObservedFilter {
    fn filter(
        &self,
        parent: Handle,
        handle: u32,
        classid: Option<Handle>,
        link: Option<u32>,
    ) -> Filter {
        let mut parts: Vec<U32Part> = classid.map(U32Part::ClassId).into_iter().collect();
        parts.extend(link.map(U32Part::Link));
        parts.extend(self.divisor.map(U32Part::Divisor));
        // What is in a table of somebody's own says which.
        if handle & 0xfff != 0 && (1 << 20..1 << 31).contains(&handle) {
            parts.push(U32Part::Hash(handle & !0xfff));
        }
        if !self.actions.is_empty() {
            parts.push(U32Part::Actions(
                self.actions.iter().map(ObservedAction::action).collect(),
            ));
        }
        // Rows of a priority or a hash table match nothing themselves.
        if handle & 0xfff != 0 {
            parts.push(U32Part::Sel(self.selector()));
        }
        let kind = match self.kind.as_str() {
            "u32" => FilterKind::U32(Box::new(U32 { parts })),
            other => FilterKind::Other(other.to_string()),
        };
        // All protocols where it does not say, or says a name that nobody knows.
        let protocol = self.protocol.as_deref().and_then(ethertype).unwrap_or(3);
        Filter {
            parent,
            chain: self.chain,
            prio: self.prio,
            protocol,
            handle,
            kind,
        }
    }
}

impl ObservedFilter {
    fn selector(&self) -> U32Sel {
        let key = |m: &ObservedMatch| U32Key {
            mask: m.mask,
            val: m.value,
            off: m.offset_bytes,
            offmask: if m.next_header { -1 } else { 0 },
        };
        let mut keys: Vec<U32Key> = self.matches.iter().map(key).collect();
        if keys.is_empty() {
            keys.push(U32Key::default());
        }
        let terminal = u8::from(self.flowid.is_some() || !self.actions.is_empty());
        // `TC_U32_OFFSET` and `TC_U32_EAT`.
        let over = if self.passed_over_bytes > 0 { 2 | 8 } else { 0 };
        let hash = self.hashkey.clone().unwrap_or_default();
        U32Sel {
            flags: terminal | over,
            off: self.passed_over_bytes,
            hoff: hash.offset_bytes,
            hmask: hash.mask,
            keys,
            ..U32Sel::default()
        }
    }
}

impl ObservedAction {
    fn action(&self) -> TcAction {
        let eaction = match self.action.as_deref() {
            Some("egress_redirect") => 1,
            Some("egress_mirror") => 2,
            Some("ingress_redirect") => 3,
            Some("ingress_mirror") => 4,
            _ => 0,
        };
        match (self.kind.as_str(), self.to_ifindex) {
            ("mirred", to) => {
                let action = if eaction % 2 == 1 { 4 } else { 3 };
                let ifindex = to.unwrap_or(0);
                TcAction::Mirred(Mirred {
                    index: 0,
                    action,
                    eaction,
                    ifindex,
                    block: None,
                    extras: None,
                })
            }
            (kind, _) => TcAction::Other(kind.to_string()),
        }
    }
}
