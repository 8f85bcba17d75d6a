//! Interned resources and scopes: bounded, append-only, shared by a pipeline and its lanes.

use super::value::{Scalar, put_pair};
use super::wire::put_bytes;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Most different scopes (logger names) that one pipeline tells apart. Loggers named after users or requests
/// are a bug in the program; past the limit they share one scope and keep their name as an attribute.
pub const SCOPES_MAX: usize = 4_096;

/// The name of the shared scope past [`SCOPES_MAX`].
pub const OVERFLOW_SCOPE: &str = "telesink.scope_overflow";

/// A logger: its name, and the OTLP `InstrumentationScope` message made from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Scope {
    /// The logger's name.
    pub name: String,
    /// The encoded message.
    pub encoded: Vec<u8>,
}

/// The program that the records come from.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`.
    pub service_name: String,
    /// The OTLP `Resource` message.
    pub encoded: Vec<u8>,
    /// The attributes as a JSON object.
    pub json: String,
}

impl Resource {
    /// Encodes text attributes; `service.name` is taken from them, or is `unknown_service`.
    pub fn new(attributes: &[(String, String)]) -> Self {
        let attributes: Vec<_> =
            attributes.iter().map(|(key, value)| (without_nul(key), without_nul(value))).collect();
        let mut encoded = Vec::new();
        let mut json = Vec::new();
        for (key, value) in &attributes {
            put_pair(&mut encoded, 0x0a, key, Scalar::Str(value));
        }
        let pairs = attributes.iter().map(|(key, value)| (key.as_str(), super::value::Value::Str(value)));
        super::json::write_object(&mut json, pairs);
        let service_name = attributes
            .iter()
            .find(|(key, _)| key == "service.name")
            .map_or_else(|| "unknown_service".to_owned(), |(_, value)| value.clone());
        Self { service_name, encoded, json: String::from_utf8(json).unwrap_or_default() }
    }
}

/// The tables of one pipeline.
#[derive(Debug)]
pub struct Tables {
    resource: ArcSwap<Resource>,
    scopes: ArcSwap<Vec<Arc<Scope>>>,
    index: Mutex<HashMap<String, u32>>,
}

impl Tables {
    /// Tables that know one resource and the overflow scope.
    pub fn new(resource: Resource) -> Self {
        let overflow = Arc::new(scope(OVERFLOW_SCOPE));
        Self {
            resource: ArcSwap::from_pointee(resource),
            scopes: ArcSwap::from_pointee(vec![overflow]),
            index: Mutex::new(HashMap::new()),
        }
    }

    /// The pipeline's resource.
    pub fn resource(&self) -> Arc<Resource> {
        self.resource.load_full()
    }

    /// Replaces the resource; only before the first lane, because lanes store it once.
    pub(crate) fn set_resource(&self, resource: Resource) {
        self.resource.store(Arc::new(resource));
    }

    /// The index of the scope called `name`, made if it is new; 0 is the overflow scope.
    ///
    /// Takes a lock: callers on the hot path keep the answer.
    pub fn scope_index(&self, name: &str) -> u32 {
        let mut index = self.index.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&found) = index.get(name) {
            return found;
        }
        let mut scopes = Vec::clone(&self.scopes.load());
        if scopes.len() >= SCOPES_MAX {
            return 0;
        }
        let next = scopes.len() as u32;
        scopes.push(Arc::new(scope(name)));
        self.scopes.store(Arc::new(scopes));
        index.insert(name.to_owned(), next);
        next
    }

    /// All scopes known now; an index from an older record is always in it.
    pub fn scopes(&self) -> Arc<Vec<Arc<Scope>>> {
        self.scopes.load_full()
    }
}

fn scope(name: &str) -> Scope {
    let name = without_nul(name);
    let mut encoded = Vec::new();
    put_bytes(&mut encoded, 0x0a, name.as_bytes());
    Scope { name, encoded }
}

/// Replaces NUL as records do: neither Postgres nor C readers of `SQLite` can hold it.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_index_and_past_the_limit_names_share_the_overflow_scope() {
        let tables = Tables::new(Resource::new(&[]));
        let first = tables.scope_index("shop");
        assert_eq!(tables.scope_index("shop"), first);

        for number in 0..SCOPES_MAX {
            tables.scope_index(&number.to_string());
        }

        assert_eq!(tables.scope_index("one too many"), 0);
        assert_eq!(tables.scopes().len(), SCOPES_MAX);
        assert_eq!(tables.scopes()[first as usize].name, "shop");
    }
}
