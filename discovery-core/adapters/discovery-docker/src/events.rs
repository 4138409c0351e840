//! What an engine tells of while it happens (`GET /events`).

use crate::label::SERVICE;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Those of containers, of which the state or the name changes, and of networks that containers join or leave. Not those of a
/// `HEALTHCHECK`'s every run (`exec_create`, `exec_start`, `exec_die`).
pub(crate) const PATH: &str = concat!(
    "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%2C%22event%22%3A%5B%22start%22%2C%22die%22%2C",
    "%22destroy%22%2C%22pause%22%2C%22unpause%22%2C%22rename%22%2C%22kill%22%2C%22health_status%22%2C%22connect%22%2C%22disconnect%22%5D%7D"
);

/// The longest event that is read, in bytes: labels are in it.
const LONGEST: usize = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Raw {
    r#type: String,
    action: String,
    actor: Actor,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    attributes: BTreeMap<String, String>,
}

/// Something happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The container's id.
    pub(crate) container: String,
    /// Whether it is told to have a service. Events of networks tell no labels.
    pub(crate) labelled: bool,
    /// The signal that it was sent, as a number.
    pub(crate) signal: Option<String>,
}

impl Event {
    /// Reads a line; nothing of one that tells of no container.
    ///
    /// # Errors
    /// It is no event.
    pub(crate) fn read(line: &[u8]) -> Result<Option<Self>, String> {
        let mut raw: Raw = serde_json::from_slice(line).map_err(|e| format!("an event: {e}"))?;
        let container = match &*raw.r#type {
            "container" => Some(raw.actor.id),
            "network" => raw.actor.attributes.remove("container"),
            _ => None,
        };
        let kill = raw.r#type == "container" && raw.action == "kill";
        let signal = raw.actor.attributes.remove("signal").filter(|_| kill);
        let container = container.filter(|id| is_id(id));
        Ok(container.map(|container| Self {
            container,
            labelled: raw.actor.attributes.contains_key(SERVICE),
            signal,
        }))
    }
}

/// Whether a text can be asked for as a container's id.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The events as they come.
pub(crate) struct Events {
    body: Incoming,
    /// What has come of the next ones.
    pending: Vec<u8>,
}

impl Events {
    pub(crate) fn new(body: Incoming) -> Self {
        Self {
            body,
            pending: Vec::new(),
        }
    }

    /// Waits for the next one; why there is none any more. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Event, String> {
        loop {
            while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                if let Some(event) = Event::read(&line)? {
                    return Ok(event);
                }
            }
            if self.pending.len() > LONGEST {
                return Err(format!("an event of over {LONGEST} bytes"));
            }
            let frame = self.body.frame().await;
            let frame = frame.ok_or("the engine ended its events")?;
            let frame = frame.map_err(|e| format!("the engine's events: {e}"))?;
            self.pending.extend(frame.data_ref().into_iter().flatten());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_name_their_container() {
        let id = "0123456789abcdef";
        let event = |container: &str, signal: Option<&str>| Event {
            container: container.to_owned(),
            labelled: signal.is_some(),
            signal: signal.map(str::to_owned),
        };
        let read = |line: String| Event::read(line.as_bytes());
        let kill = format!(
            r#"{{"Type":"container","Action":"kill","Actor":{{"ID":"{id}","Attributes":{{"signal":"15","berth.service":"web"}}}}}}"#
        );
        assert_eq!(read(kill), Ok(Some(event(id, Some("15")))));
        let die = format!(
            r#"{{"Type":"container","Action":"die","Actor":{{"ID":"{id}","Attributes":{{"signal":"15"}}}}}}"#
        );
        assert_eq!(read(die), Ok(Some(event(id, None))));
        let connect = format!(
            r#"{{"Type":"network","Action":"connect","Actor":{{"ID":"ff","Attributes":{{"container":"{id}"}}}}}}"#
        );
        assert_eq!(read(connect), Ok(Some(event(id, None))));
        for nothing in [
            r#"{"Type":"network","Action":"create","Actor":{"ID":"ff"}}"#,
            r#"{"Type":"image","Actor":{"ID":"ff"}}"#,
            r#"{"Type":"container","Actor":{"ID":"../../secrets"}}"#,
            "{}",
        ] {
            assert_eq!(read(nothing.into()), Ok(None), "{nothing}");
        }
        assert!(read("[".into()).is_err());
    }
}
