//! Objects made, replaced and patched by clients.

use crate::answer::Refused;
use crate::resource::Target;
use crate::state::{Key, State};
use serde_json::Value;

impl State {
    /// Answers a write.
    pub(crate) fn write(
        &mut self,
        verb: &str,
        target: &Target,
        body: Value,
    ) -> Result<(u16, Value), Refused> {
        match verb {
            "create" => self.create(target, body).map(|object| (201, object)),
            "update" => self.update(target, body).map(|object| (200, object)),
            _ => self.patch(target, &body).map(|object| (200, object)),
        }
    }

    fn key(target: &Target, name: &str) -> Key {
        let namespace = target.namespace.clone().unwrap_or_default();
        (target.resource.plural, namespace, name.to_owned())
    }

    fn create(&mut self, target: &Target, mut body: Value) -> Result<Value, Refused> {
        let plural = target.resource.plural;
        let name = body["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if name.is_empty() {
            return Err(invalid(
                "metadata.name: Required value: name or generateName is required",
            ));
        }
        if body["metadata"]["resourceVersion"].is_string() {
            return Err(Refused::new(
                400,
                "BadRequest",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if self.objects.contains_key(&Self::key(target, &name)) {
            let message = format!("{plural} \"{name}\" already exists");
            return Err(Refused::new(409, "AlreadyExists", message));
        }
        body["metadata"]["namespace"] = target.namespace.clone().unwrap_or_default().into();
        Ok(self.put(target.resource, body))
    }

    fn there(&self, target: &Target) -> Result<Value, Refused> {
        let name = target.name.as_deref().unwrap_or_default();
        let there = self.objects.get(&Self::key(target, name)).cloned();
        there.ok_or_else(|| Refused::not_found(target.resource.plural, name))
    }

    fn update(&mut self, target: &Target, mut body: Value) -> Result<Value, Refused> {
        let there = self.there(target)?;
        if !body["metadata"]["resourceVersion"].is_string() {
            return Err(invalid(
                "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update",
            ));
        }
        preconditions(&there, &body)?;
        body["metadata"]["uid"] = there["metadata"]["uid"].clone();
        body["metadata"]["namespace"] = there["metadata"]["namespace"].clone();
        Ok(self.put(target.resource, body))
    }

    fn patch(&mut self, target: &Target, patch: &Value) -> Result<Value, Refused> {
        let there = self.there(target)?;
        if !patch.is_object() {
            return Err(Refused::new(
                400,
                "BadRequest",
                "a merge patch is an object",
            ));
        }
        preconditions(&there, patch)?;
        let mut object = there.clone();
        merge(&mut object, patch);
        if let Some(annotations) = object["metadata"].get("annotations")
            && !annotations
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string))
        {
            return Err(invalid(
                "metadata.annotations: Invalid value: must be strings",
            ));
        }
        // Nothing altered is no event.
        if object == there {
            return Ok(there);
        }
        Ok(self.put(target.resource, object))
    }
}

fn invalid(message: &str) -> Refused {
    Refused::new(422, "Invalid", message)
}

/// A `uid` or a version that is named must be what is there.
fn preconditions(there: &Value, given: &Value) -> Result<(), Refused> {
    for field in ["uid", "resourceVersion"] {
        let (there, given) = (&there["metadata"][field], &given["metadata"][field]);
        if !given.is_null() && given != there {
            return Err(Refused::conflict(format!(
                "Operation cannot be fulfilled: {field} in precondition: {given}, in object meta: {there}; please apply your changes to the latest version"
            )));
        }
    }
    Ok(())
}

/// RFC 7396.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(serde_json::Map::new());
    }
    let Value::Object(object) = object else {
        return;
    };
    for (key, value) in patch {
        match value {
            Value::Null => {
                object.remove(key);
            }
            value => merge(object.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}
