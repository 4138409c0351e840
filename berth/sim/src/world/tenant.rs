//! A replica besides its load: its name and address, and how it comes, serves, drains and goes.

use super::addresses::Held;
use super::{World, broken};
use crate::error::Error;
use crate::events::Events;
use crate::load::Replica;
use std::net::IpAddr;

/// A replica's belongings besides its load.
pub(super) struct Tenant {
    /// Endpoint's name and address owner: the container's name and how often it has been started.
    pub(super) name: String,
    pub(super) held: Option<Held>,
    /// The address and name that it warms up under while its own address is still on the old host.
    pub(super) warming: Option<(String, Held)>,
    /// When it was taken out of rotation.
    pub(super) draining: Option<u64>,
    /// Whether it answers probes.
    pub(super) up: bool,
}

impl Tenant {
    /// The name and address that callers reach it under, once it has one.
    pub(super) fn endpoint(&self) -> Option<(&str, IpAddr)> {
        let own = || {
            let held = self.held.as_ref();
            held.map(|held| (self.name.as_str(), held.address))
        };
        let warming = self.warming.as_ref();
        let warming = warming.map(|(name, held)| (name.as_str(), held.address));
        warming.or_else(own)
    }
}

impl World<'_> {
    /// Makes room for a replica and plans its shaping. It has no address and no traffic yet.
    pub(super) fn create(
        &mut self,
        second: u64,
        container: usize,
        host: usize,
        warm: bool,
        events: &mut Events,
    ) -> Result<usize, Error> {
        let service = self.of[container];
        self.starts[container] += 1;
        let name = format!(
            "{}#{}",
            self.setup.trace.containers[container].name, self.starts[container]
        );
        self.shaping[host].add(second, host, container, &name, &mut self.figures, events)?;
        let replica = Replica {
            container,
            service,
            host,
            factor: 0.0,
            serving_since: None,
            warm,
            need: 0.0,
            requests: 0.0,
        };
        let tenant = Tenant {
            name,
            held: None,
            warming: None,
            draining: None,
            up: warm,
        };
        self.changed = true;
        let free = self.replicas.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.replicas.len());
        if slot == self.replicas.len() {
            self.replicas.push(None);
            self.tenants.push(None);
        }
        self.replicas[slot] = Some(replica);
        self.tenants[slot] = Some(tenant);
        Ok(slot)
    }

    pub(super) fn tenant(&mut self, second: u64, replica: usize) -> Result<&mut Tenant, Error> {
        let tenant = self.tenants.get_mut(replica).and_then(Option::as_mut);
        tenant.ok_or_else(|| broken(second, "replay", &format!("no replica {replica}")))
    }

    pub(super) fn place_of(&self, second: u64, replica: usize) -> Result<(usize, usize), Error> {
        let found = self.replicas.get(replica).and_then(Option::as_ref);
        let found =
            found.ok_or_else(|| broken(second, "replay", &format!("no replica {replica}")))?;
        Ok((found.container, found.host))
    }

    /// Claims an address for a replica, on its host.
    pub(super) fn claim(
        &mut self,
        second: u64,
        replica: usize,
        events: &mut Events,
    ) -> Result<(), Error> {
        let (container, host) = self.place_of(second, replica)?;
        let name = self.tenant(second, replica)?.name.clone();
        let held =
            self.addresses
                .claim(second, container, &name, host, &mut self.figures, events)?;
        self.tenant(second, replica)?.held = Some(held);
        self.changed = true;
        Ok(())
    }

    /// Puts a replica that has an address into rotation.
    pub(super) fn serve(&mut self, second: u64, replica: usize) -> Result<(), Error> {
        let (container, host) = self.place_of(second, replica)?;
        let served = |r: &Replica| r.warm || r.serving_since.is_some();
        let warm = self.replicas[replica].as_ref().is_some_and(served);
        let tenant = self.tenant(second, replica)?;
        tenant.up = true;
        let Some((name, address)) = tenant.endpoint() else {
            return Err(broken(second, "replay", &"serving without an address"));
        };
        let (name, place) = (name.to_owned(), (replica, self.of[container], host));
        self.traffic.start(second, &name, place, address, warm)
    }

    /// Takes a replica out of rotation.
    pub(super) fn drain(&mut self, second: u64, replica: usize) -> Result<(), Error> {
        let tenant = self.tenant(second, replica)?;
        tenant.draining = Some(second);
        let name = tenant.name.clone();
        self.traffic.drain(second, &name)
    }

    /// Ends a drained replica: its address is released, its endpoint removed, its shaping taken away.
    pub(super) fn end(
        &mut self,
        second: u64,
        replica: usize,
        events: &mut Events,
    ) -> Result<(), Error> {
        let (container, host) = self.place_of(second, replica)?;
        let Some(tenant) = self.tenants.get_mut(replica).and_then(Option::take) else {
            return Ok(());
        };
        self.replicas[replica] = None;
        self.changed = true;
        if let Some(held) = &tenant.held {
            let reason = "the replica has drained and ended";
            self.addresses
                .release(second, &tenant.name, held, reason, events)?;
        }
        self.traffic.stop(second, &tenant.name)?;
        self.shaping[host].remove(
            second,
            host,
            container,
            &tenant.name,
            &mut self.figures,
            events,
        )
    }
}
