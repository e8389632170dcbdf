//! What is loaded, by the ids that the app knows: they stay the same when another program loads it again.

use serde_json::{Map, Value};

const MODEL: &str = "modelId";
const CONTEXT: &str = "contextId";

/// Models and contexts in the order in which they were loaded.
#[derive(Default)]
pub(crate) struct Loaded {
    entries: Vec<Entry>,
    models: u64,
    contexts: u64,
}

struct Entry {
    key: &'static str,
    own: String,
    programs: String,
    params: Map<String, Value>,
}

impl Loaded {
    /// Params with the ids that the present program has given.
    pub(crate) fn as_the_program_knows(&self, mut params: Map<String, Value>) -> Map<String, Value> {
        for key in [MODEL, CONTEXT] {
            if let Some(id) = params.get_mut(key) {
                let found = self.entries.iter().find(|entry| entry.key == key && *id == entry.own.as_str());
                if let Some(entry) = found {
                    *id = Value::from(entry.programs.as_str());
                }
            }
        }
        params
    }

    /// Remember what a request has loaded or ended. Its result gets the ids that the app is to know.
    pub(crate) fn note(&mut self, method: &str, params: &Map<String, Value>, result: &mut Value) {
        match method {
            "loadModel" => {
                self.models += 1;
                let own = format!("model-{}", self.models);
                self.add(MODEL, own, params, result);
            }
            "createContext" => {
                self.contexts += 1;
                let own = format!("context-{}", self.contexts);
                self.add(CONTEXT, own, params, result);
            }
            "unloadModel" => self.entries.retain(|entry| match entry.key {
                MODEL => Some(&Value::from(entry.own.as_str())) != params.get(MODEL),
                _ => entry.params.get(MODEL) != params.get(MODEL),
            }),
            "disposeContext" => self.entries.retain(|entry| {
                entry.key != CONTEXT || Some(&Value::from(entry.own.as_str())) != params.get(CONTEXT)
            }),
            "status" => self.name_all(result),
            _ => {}
        }
    }

    /// What the next program has to do: the app's id, the method and its params. In this order, contexts find their
    /// models loaded.
    pub(crate) fn begin_again(&self) -> Vec<(String, &'static str, Map<String, Value>)> {
        let again = |entry: &Entry| {
            let method = if entry.key == MODEL { "loadModel" } else { "createContext" };
            (entry.own.clone(), method, entry.params.clone())
        };
        self.entries.iter().map(again).collect()
    }

    /// The next program has loaded it under the id in this result.
    pub(crate) fn known_as(&mut self, own: &str, result: &Value) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.own == own) {
            entry.programs = result[entry.key].as_str().unwrap_or_default().into();
        }
    }

    fn add(&mut self, key: &'static str, own: String, params: &Map<String, Value>, result: &mut Value) {
        let Some(members) = result.as_object_mut() else { return }; // not the program that we know
        let programs = members.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        members.insert(key.into(), own.as_str().into());
        self.entries.push(Entry { key, own, programs, params: params.clone() });
    }

    /// The ids in all of a value become the app's.
    fn name_all(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.name_all(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    let found = self.entries.iter().find(|entry| entry.key == name && *member == entry.programs.as_str());
                    match found {
                        Some(entry) => *member = Value::from(entry.own.as_str()),
                        None => self.name_all(member),
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn ids_stay_when_another_program_gives_others() {
        let mut loaded = Loaded::default();
        for path in ["a", "b"] {
            let mut result = json!({"modelId": if path == "a" { "model-1" } else { "model-2" }});
            loaded.note("loadModel", &members(json!({"path": path})), &mut result);
        }
        let of_b = members(json!({"modelId": "model-2"}));
        loaded.note("createContext", &of_b, &mut json!({"contextId": "context-1"}));
        loaded.note("unloadModel", &members(json!({"modelId": "model-1"})), &mut json!({}));

        let again = loaded.begin_again();
        assert_eq!(again.iter().map(|(own, method, _)| (own.as_str(), *method)).collect::<Vec<_>>(), [
            ("model-2", "loadModel"),
            ("context-1", "createContext")
        ]);
        loaded.known_as("model-2", &json!({"modelId": "model-1"}));
        assert_eq!(loaded.as_the_program_knows(again[1].2.clone()), members(json!({"modelId": "model-1"})));

        let mut third = json!({"modelId": "model-2"});
        loaded.note("loadModel", &members(json!({"path": "c"})), &mut third);
        assert_eq!(third, json!({"modelId": "model-3"}), "the app's ids are never given twice");
        let mut status = json!({"models": [{"modelId": "model-1"}, {"modelId": "model-2"}]});
        loaded.note("status", &Map::new(), &mut status);
        assert_eq!(status, json!({"models": [{"modelId": "model-2"}, {"modelId": "model-3"}]}));
        loaded.note("unloadModel", &of_b, &mut json!({}));
        assert_eq!(loaded.begin_again().len(), 1, "its context has gone with it");
    }
}
