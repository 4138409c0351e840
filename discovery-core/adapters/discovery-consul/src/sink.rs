//! Consul, brought in line.

use crate::catalog::{Check, Node, NodeOp, NodeServices, Op};
use crate::client::{Address, Client, UrlError};
use crate::plan::{Group, There, plan};
use crate::watch::{Seen, moved};
use async_trait::async_trait;
use discovery_core::registry::MAX_TXN;
use discovery_proxy::{Assignments, Proxy, ProxyError, Synced};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::sleep;

/// The least pause between two looks that somebody else's changes are the cause of.
const PAUSE: Duration = Duration::from_millis(100);

/// Consul's catalog, by an agent's or a server's HTTP interface.
#[derive(Debug)]
pub struct Consul {
    address: Address,
    node: String,
    known: BTreeSet<Box<str>>,
    /// When it was read last, if nothing was written since.
    seen: Option<Seen>,
}

impl Consul {
    /// At `http://HOST:PORT`, under the node `berth`.
    ///
    /// # Errors
    /// Another kind of URL.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            address: Address::new(url)?,
            node: "berth".into(),
            known: BTreeSet::new(),
            seen: None,
        })
    }

    /// Under a node of another name, which no agent may have. Letters, digits, `.`, `_` and `-`; anything else is replaced by `-`.
    #[must_use]
    pub fn node(mut self, name: &str) -> Self {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        self.node = name
            .chars()
            .map(|c| if fits(c) { c } else { '-' })
            .collect();
        self
    }

    /// With a token for its access control.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.address.set_token(token.into());
        self
    }

    fn services_path(&self) -> String {
        format!("/v1/catalog/node-services/{}", self.node)
    }

    fn checks_path(&self) -> String {
        format!("/v1/health/node/{}", self.node)
    }

    /// Whether the node is there, what stands under it, and as of when.
    async fn read(&self, client: &mut Client<'_>) -> Result<(bool, There, Seen), ProxyError> {
        let path = self.services_path() + "?consistent";
        let (services, of_services): (Option<NodeServices>, _) = client.get(&path).await?;
        let path = self.checks_path() + "?consistent";
        let (checks, of_checks): (Vec<Check>, _) = client.get(&path).await?;
        let seen = Seen {
            services: of_services,
            checks: of_checks,
        };
        let services = services.unwrap_or_default();
        let is_there = services.node.is_some();
        let services = services.services.unwrap_or_default().into_iter();
        let services: BTreeMap<_, _> = services.map(|s| (s.id.clone(), s)).collect();
        let checks = checks.into_iter().map(|c| (c.id.clone(), c)).collect();
        Ok((is_there, There { services, checks }, seen))
    }
}

#[async_trait]
impl Proxy for Consul {
    fn name(&self) -> String {
        format!("consul http://{}", self.address.authority())
    }

    async fn sync(&mut self, wanted: &Assignments) -> Result<Synced, ProxyError> {
        self.seen = None;
        let mut client = Client::connect(&self.address).await?;
        let (is_there, there, seen) = self.read(&mut client).await?;
        for (_, assignment) in wanted.iter() {
            let names = assignment.members.iter().map(|m| m.name.clone());
            self.known.extend(names);
        }
        let mut plan = plan(wanted, &there, &self.node, &self.known);
        let changes = plan.groups.len();
        if !is_there && changes > 0 {
            plan.groups.insert(0, vec![node(&self.node)]);
        }
        for transaction in transactions(plan.groups) {
            let body = serde_json::to_vec(&transaction)?;
            client.put("/v1/txn", body).await?;
        }
        // What was written here is no news: it is read again at the next look, and waited from then on.
        self.seen = (changes == 0).then_some(seen);
        match (plan.withheld, plan.taken.first()) {
            (0, None) => Ok(Synced::Done { changes }),
            (0, Some(name)) => Err(ProxyError(format!("{name:?} is another owner's service"))),
            (withheld, _) => Err(ProxyError(format!(
                "{withheld} entries that the source never told of stay: they are over half of what is there"
            ))),
        }
    }

    /// By blocking queries. A Consul that can't be asked is looked at by and by.
    async fn changed(&mut self) {
        if let Some(seen) = self.seen {
            let (services, checks) = (self.services_path(), self.checks_path());
            let moved = tokio::select! {
                moved = moved(&self.address, &services, seen.services) => moved,
                moved = moved(&self.address, &checks, seen.checks) => moved,
            };
            if moved.is_ok() {
                return sleep(PAUSE).await;
            }
        }
        std::future::pending::<()>().await;
    }
}

/// The node under which all stands; its address is nobody's.
fn node(name: &str) -> Op {
    Op::Node(NodeOp {
        verb: "set",
        node: Node {
            node: name.to_owned(),
            address: "127.0.0.1".into(),
            meta: BTreeMap::from([("external-node".to_owned(), "true".to_owned())]),
        },
    })
}

/// As many groups a transaction as fit.
fn transactions(groups: Vec<Group>) -> Vec<Vec<Op>> {
    let mut all: Vec<Vec<Op>> = Vec::new();
    for group in groups {
        match all.last_mut() {
            Some(last) if last.len() + group.len() <= MAX_TXN => last.extend(group),
            _ => all.push(group),
        }
    }
    all
}
