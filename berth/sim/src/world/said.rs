//! What the engine wants done, as lines of the event log.

use super::traffic::Traffic;
use crate::events::Events;
use discovery_core::endpoint::ServiceId;
use discovery_core::{Effect, EndpointId};
use serde_json::{Value, json};

impl Traffic {
    pub(super) fn say(&self, second: u64, effect: &Effect, events: &mut Events) {
        let name = |id: &EndpointId| {
            self.engine
                .endpoint(*id)
                .map_or(String::new(), |e| e.name.to_owned())
        };
        let service = |id: &ServiceId| self.engine.service_name(*id).unwrap_or_default().to_owned();
        let (what, subject, reason, data) = match effect {
            Effect::Register {
                endpoint, reason, ..
            } => ("register", name(endpoint), reason.to_string(), Value::Null),
            Effect::Update {
                endpoint, reason, ..
            } => ("update", name(endpoint), reason.to_string(), Value::Null),
            Effect::Deregister { name, reason, .. } => (
                "deregister",
                name.to_string(),
                reason.to_string(),
                Value::Null,
            ),
            Effect::SetWeight {
                endpoint,
                weight,
                reason,
                ..
            } => {
                let data = json!({"weight_thousandths": weight});
                ("set_weight", name(endpoint), reason.to_string(), data)
            }
            Effect::Mode { service: id, mode } => {
                ("mode", service(id), format!("{mode:?}"), Value::Null)
            }
            Effect::Rejected { name, problem, .. } => (
                "rejected",
                name.to_string(),
                problem.to_string(),
                Value::Null,
            ),
            Effect::Hold {
                service: id,
                held,
                of,
            } => (
                "hold",
                service(id),
                if *held == 0 {
                    "no endpoint is held any longer".to_owned()
                } else {
                    format!("{held} of {of} endpoints vanished at once")
                },
                Value::Null,
            ),
            // Probes are too many to be told, and kinds that come later are not known here.
            _ => return,
        };
        events.say(second, "discovery-core", what, &subject, &reason, data);
    }
}
