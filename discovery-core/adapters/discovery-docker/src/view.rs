//! What the containers of an engine come to.

use crate::container::{Container, Read};
use discovery_core::ServiceConfig;
use discovery_core::endpoint::Conditions;
use std::collections::{BTreeMap, BTreeSet};

/// Containers by id, and what is wrong with some.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    containers: BTreeMap<String, Container>,
    /// Of containers that can't be endpoints: name and problem.
    problems: BTreeMap<String, (String, String)>,
    /// Those that were told to end, and had begun then.
    ending: BTreeMap<String, String>,
}

/// A service's endpoints.
#[derive(Debug, PartialEq)]
pub(crate) struct Service<'v> {
    pub(crate) config: &'v ServiceConfig,
    pub(crate) endpoints: Vec<&'v Container>,
}

impl View {
    /// Takes what an engine answered of a container; whether anything changed.
    pub(crate) fn note(&mut self, id: &str, read: Read) -> bool {
        let before = (self.containers.get(id).cloned(), self.problems.remove(id));
        match read {
            Read::Runs(mut container) => {
                if self.ending.get(id) == Some(&container.started_at) {
                    container.end();
                } else {
                    self.ending.remove(id);
                }
                self.containers.insert(id.to_owned(), *container);
            }
            Read::None => {
                self.containers.remove(id);
                self.ending.remove(id);
            }
            // One that is an endpoint stays it as it is.
            Read::Bad(name, problem) => {
                self.problems.insert(id.to_owned(), (name, problem));
            }
        }
        before
            != (
                self.containers.get(id).cloned(),
                self.problems.get(id).cloned(),
            )
    }

    /// A container was sent a signal; whether that tells it to end.
    pub(crate) fn signalled(&mut self, id: &str, signal: &str) -> bool {
        let Some(container) = self.containers.get_mut(id).filter(|c| c.ends_by(signal)) else {
            return false;
        };
        container.end();
        self.ending
            .insert(id.to_owned(), container.started_at.clone());
        true
    }

    /// Whether a container is known, be it as an endpoint or with what is wrong with it.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.containers.contains_key(id) || self.problems.contains_key(id)
    }

    /// Only these containers are there; whether others were known.
    pub(crate) fn keep(&mut self, ids: &BTreeSet<String>) -> bool {
        let before = self.containers.len() + self.problems.len();
        self.containers.retain(|id, _| ids.contains(id));
        self.problems.retain(|id, _| ids.contains(id));
        self.ending.retain(|id, _| ids.contains(id));
        before != self.containers.len() + self.problems.len()
    }

    /// What is wrong with some containers.
    pub(crate) fn problems(&self) -> BTreeSet<String> {
        let all = self.problems.values();
        all.map(|(name, problem)| format!("container {name:?}: {problem}"))
            .collect()
    }

    /// The services by name, each with its endpoints in the order of their names; the configuration is that of the container that
    /// began last.
    pub(crate) fn services(&self) -> BTreeMap<&str, Service<'_>> {
        let mut services: BTreeMap<&str, Vec<&Container>> = BTreeMap::new();
        for container in self.containers.values() {
            let service = services.entry(&container.wishes.service).or_default();
            service.push(container);
        }
        let of = |(name, endpoints)| Some((name, Service::of(endpoints)?));
        services.into_iter().filter_map(of).collect()
    }
}

impl<'v> Service<'v> {
    /// Of these containers; nothing of none.
    fn of(mut endpoints: Vec<&'v Container>) -> Option<Self> {
        let latest = endpoints.iter().max_by_key(|c| (&c.started_at, &c.name));
        let config = &latest.copied()?.wishes.config;
        endpoints.sort_by(|a, b| (&a.name, &b.started_at).cmp(&(&b.name, &a.started_at)));
        // A name that has gone over to another container is the younger one's.
        endpoints.dedup_by(|older, younger| older.name == younger.name);
        Some(Self { config, endpoints })
    }
}

impl Container {
    /// It has been told to end, and serves what it has begun.
    fn end(&mut self) {
        self.conditions = Conditions {
            ready: false,
            terminating: true,
            ..self.conditions
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::Ipv4Addr;

    fn read(name: &str, more: &[(&str, &str)], started_at: &str) -> Read {
        let mut labels = json!({"berth.service": "web", "berth.port": "80"});
        for (label, value) in more {
            labels[label] = (*value).into();
        }
        let answer = json!({
            "Name": name, "State": {"Running": true, "StartedAt": started_at}, "Config": {"Labels": labels},
            "NetworkSettings": {"Networks": {"front": {"IPAddress": "10.9.0.2"}}},
        });
        Read::of(answer.to_string().as_bytes(), Ipv4Addr::LOCALHOST.into()).expect("an answer")
    }

    #[test]
    fn a_container_that_is_told_to_end_drains_until_it_begins_anew() {
        let mut view = View::default();
        assert!(view.note("a", read("web-1", &[], "1")));
        assert!(!view.note("a", read("web-1", &[], "1")));
        assert!(!view.signalled("a", "1") && !view.signalled("b", "15"));
        assert!(view.signalled("a", "15"));
        let ends = |view: &View| view.services()["web"].endpoints[0].conditions.terminating;
        assert!(ends(&view));
        // Asked of the engine it runs still.
        assert!(!view.note("a", read("web-1", &[], "1")) && ends(&view));
        assert!(view.note("a", read("web-1", &[], "2")) && !ends(&view));
        assert!(view.note("a", Read::None) && view.services().is_empty());
    }

    #[test]
    fn a_bad_record_leaves_its_endpoint_and_stops_no_other() {
        let mut view = View::default();
        view.note("a", read("web-1", &[], "1"));
        view.note("b", read("web-2", &[], "1"));
        assert!(view.note("a", read("web-1", &[("berth.port", "x")], "1")));
        assert_eq!(view.services()["web"].endpoints.len(), 2);
        assert_eq!(view.problems().len(), 1);
        assert!(view.keep(&["b".to_owned()].into()));
        assert_eq!(
            (
                view.services()["web"].endpoints.len(),
                view.problems().len()
            ),
            (1, 0)
        );
    }

    #[test]
    fn the_container_that_began_last_configures_its_service() {
        let mut view = View::default();
        view.note("a", read("web-1", &[("berth.health", "tcp")], "2"));
        view.note("b", read("web-2", &[], "1"));
        assert!(view.services()["web"].config.health.is_some());
        view.note("c", read("web-0", &[], "3"));
        assert!(view.services()["web"].config.health.is_none());
        let services = view.services();
        let names = services["web"].endpoints.iter().map(|c| &*c.name);
        assert_eq!(names.collect::<Vec<_>>(), ["web-0", "web-1", "web-2"]);
    }
}
