//! Interned resources and scopes: bounded, append-only, shared by a pipeline and its lanes.

use super::value::{Scalar, put_pair};
use super::wire::put_bytes;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most different scopes (logger names) that one pipeline tells apart. Loggers named after users or requests
/// are a bug in the program; past the limit they share one scope and keep their name as an attribute.
pub const SCOPES_MAX: usize = 4_096;

/// The name of the shared scope past [`SCOPES_MAX`].
pub const OVERFLOW_SCOPE: &str = "telesink.scope_overflow";

/// Most different resources that one pipeline tells apart. A program is one; a few providers with resources of their own
/// are some more. Past the limit records have the pipeline's.
pub const RESOURCES_MAX: usize = 256;

/// A logger, tracer or meter: its name, and the OTLP `InstrumentationScope` message made from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The logger's name.
    pub name: String,
    /// The schema that its records follow; usually empty. It stands beside the message, not in it.
    pub schema_url: String,
    /// The encoded message.
    pub encoded: Vec<u8>,
}

/// The program that the records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`.
    pub service_name: String,
    /// The schema that its attributes follow; usually empty. It stands beside the message, not in it.
    pub schema_url: String,
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
        let json = String::from_utf8(json).unwrap_or_default();
        Self { service_name, schema_url: String::new(), encoded, json }
    }

    /// Takes an encoded OTLP `Resource`, whose attributes may be of any kind.
    pub fn from_encoded(encoded: Vec<u8>, schema_url: &str) -> Self {
        let mut json = Vec::new();
        super::json::write_object(&mut json, super::view::attributes(&encoded, 1));
        let service_name = super::view::attributes(&encoded, 1)
            .find(|(key, _)| *key == "service.name")
            .and_then(|(_, value)| value.as_str())
            .unwrap_or("unknown_service")
            .to_owned();
        let json = String::from_utf8(json).unwrap_or_default();
        Self { service_name, schema_url: without_nul(schema_url), encoded, json }
    }
}

impl Scope {
    /// A scope of which only the name is known, as that of a logger.
    pub fn named(name: &str) -> Self {
        let name = without_nul(name);
        let mut encoded = Vec::new();
        put_bytes(&mut encoded, 0x0a, name.as_bytes());
        Self { name, schema_url: String::new(), encoded }
    }

    /// Takes an encoded OTLP `InstrumentationScope`.
    pub fn from_encoded(encoded: Vec<u8>, schema_url: &str) -> Self {
        let name = super::view::messages(&encoded, 1).next().map_or("", super::value::text).to_owned();
        Self { name, schema_url: without_nul(schema_url), encoded }
    }
}

/// The tables of one pipeline.
#[derive(Debug)]
pub struct Tables {
    /// The pipeline's own first.
    resources: ArcSwap<Vec<Arc<Resource>>>,
    scopes: ArcSwap<Vec<Arc<Scope>>>,
    index: Mutex<HashMap<Scope, u32>>,
}

impl Tables {
    /// Tables that know one resource and the overflow scope.
    pub fn new(resource: Resource) -> Self {
        let overflow = Arc::new(Scope::named(OVERFLOW_SCOPE));
        Self {
            resources: ArcSwap::from_pointee(vec![Arc::new(resource)]),
            scopes: ArcSwap::from_pointee(vec![overflow]),
            index: Mutex::new(HashMap::new()),
        }
    }

    /// The pipeline's own resource.
    pub fn resource(&self) -> Arc<Resource> {
        Arc::clone(&self.resources.load()[0])
    }

    /// All resources known now, the pipeline's own first; an index from an older record is always in it.
    pub fn resources(&self) -> Arc<Vec<Arc<Resource>>> {
        self.resources.load_full()
    }

    /// Replaces the pipeline's own resource; only before the first lane, because lanes store it once.
    pub(crate) fn set_resource(&self, resource: Resource) {
        let _guard = self.index();
        let mut resources = Vec::clone(&self.resources.load());
        resources[0] = Arc::new(resource);
        self.resources.store(Arc::new(resources));
    }

    /// The index of a resource that records bring with them, made if it is new; past [`RESOURCES_MAX`] 0, which is the
    /// pipeline's own.
    ///
    /// Takes a lock: callers on the hot path keep the answer.
    pub fn resource_index(&self, resource: Resource) -> u32 {
        let _guard = self.index();
        let mut resources = Vec::clone(&self.resources.load());
        if let Some(found) = resources.iter().position(|known| **known == resource) {
            return found as u32;
        }
        if resources.len() >= RESOURCES_MAX {
            return 0;
        }
        resources.push(Arc::new(resource));
        let next = resources.len() as u32 - 1;
        self.resources.store(Arc::new(resources));
        next
    }

    /// The index of the scope called `name`, made if it is new; 0 is the overflow scope.
    ///
    /// Takes a lock: callers on the hot path keep the answer.
    pub fn scope_index(&self, name: &str) -> u32 {
        self.scope_index_of(Scope::named(name))
    }

    /// The index of a scope, made if it is new; see [`Tables::scope_index`].
    pub fn scope_index_of(&self, scope: Scope) -> u32 {
        let mut index = self.index();
        if let Some(&found) = index.get(&scope) {
            return found;
        }
        let mut scopes = Vec::clone(&self.scopes.load());
        if scopes.len() >= SCOPES_MAX {
            return 0;
        }
        let next = scopes.len() as u32;
        scopes.push(Arc::new(scope.clone()));
        self.scopes.store(Arc::new(scopes));
        index.insert(scope, next);
        next
    }

    fn index(&self) -> MutexGuard<'_, HashMap<Scope, u32>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All scopes known now; an index from an older record is always in it.
    pub fn scopes(&self) -> Arc<Vec<Arc<Scope>>> {
        self.scopes.load_full()
    }
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

    #[test]
    fn a_resource_has_one_index_and_past_the_limit_records_have_the_pipelines_own() {
        let tables = Tables::new(Resource::new(&[]));
        let named = |name: &str| Resource::new(&[("service.name".to_owned(), name.to_owned())]);
        let first = tables.resource_index(named("shop"));
        assert_eq!(tables.resource_index(named("shop")), first);

        for number in 0..RESOURCES_MAX {
            tables.resource_index(named(&number.to_string()));
        }

        assert_eq!(tables.resource_index(named("one too many")), 0);
        assert_eq!(tables.resources().len(), RESOURCES_MAX);
        assert_eq!(tables.resources()[first as usize].service_name, "shop");
    }

    #[test]
    fn scopes_of_one_name_and_different_schemas_are_different() {
        let tables = Tables::new(Resource::new(&[]));
        let plain = Scope::named("shop");
        let with_schema = Scope::from_encoded(plain.encoded.clone(), "https://example.org/1");

        let (first, second) = (tables.scope_index_of(plain), tables.scope_index_of(with_schema));

        assert_ne!(first, second);
        assert_eq!(tables.scopes()[second as usize].name, "shop");
    }
}
