//! Where records come from: the SDK's `Resource` and `InstrumentationScope`, encoded once for each object.

use super::{read, words, write_attributes};
use crate::capture::Workbench;
use crate::capture::values::ValueReader;
use pyo3::prelude::*;
use std::sync::Arc;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::tables::{Resource, Scope};
use telesink_core::record::wire::put_bytes;
use telesink_core::redact::Redaction;

/// Resources remembered per thread; a program has one for each provider.
const RESOURCES_CACHED: usize = 4;

/// Scopes remembered per thread; a power of two.
const SCOPES_CACHED: usize = 64;

/// Longest encoded resource or scope, in bytes.
const PART_BYTES_MAX: usize = 64 * 1024;

/// Longest name, version or schema address, in bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// The origins that one thread has met lately. Objects are told apart by their identity, and held: otherwise another one
/// could stand at the same address tomorrow.
pub(crate) struct Origins {
    resources: Vec<Option<Known>>,
    scopes: Vec<Option<Known>>,
}

struct Known {
    instance: [u8; 16],
    redaction: Arc<Redaction>,
    object: Py<PyAny>,
    index: u32,
    name: Arc<str>,
}

/// Where a record comes from, as the pipeline's tables know it.
pub(super) struct Origin {
    pub(super) resource: u32,
    pub(super) scope: u32,
    /// The scope's name: what lanes filter by.
    pub(super) name: Arc<str>,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self {
            resources: (0..RESOURCES_CACHED).map(|_| None).collect(),
            scopes: (0..SCOPES_CACHED).map(|_| None).collect(),
        }
    }
}

/// The origin of a record. Uses the bench's builder for what is new: called before the record is begun.
pub(super) fn find(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    resource: Option<&Bound<'_, PyAny>>,
    scope: Option<&Bound<'_, PyAny>>,
    py: Python<'_>,
) -> PyResult<Origin> {
    let resource = match resource {
        Some(resource) => known(bench, pipeline, view, resource, Kind::Resource)?.0,
        None => 0,
    };
    let unknown = py.None().into_bound(py);
    let (scope, name) = known(bench, pipeline, view, scope.unwrap_or(&unknown), Kind::Scope)?;
    Ok(Origin { resource, scope, name })
}

#[derive(Clone, Copy)]
enum Kind {
    Resource,
    Scope,
}

impl Kind {
    fn slots(self, origins: &mut Origins) -> &mut Vec<Option<Known>> {
        match self {
            Self::Resource => &mut origins.resources,
            Self::Scope => &mut origins.scopes,
        }
    }
}

fn known(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    object: &Bound<'_, PyAny>,
    kind: Kind,
) -> PyResult<(u32, Arc<str>)> {
    let slots = kind.slots(&mut bench.origins);
    let slot = (object.as_ptr() as usize >> 4) % slots.len();
    if let Some(known) = &slots[slot]
        && known.object.is(object)
        && known.instance == pipeline.instance()
        && Arc::ptr_eq(&known.redaction, view.redaction())
    {
        return Ok((known.index, Arc::clone(&known.name)));
    }
    let (index, name) = match kind {
        Kind::Resource => encode_resource(&mut bench.builder, pipeline, view, object)?,
        Kind::Scope => encode_scope(&mut bench.builder, pipeline, view, object)?,
    };
    let name: Arc<str> = name.into();
    kind.slots(&mut bench.origins)[slot] = Some(Known {
        instance: pipeline.instance(),
        redaction: Arc::clone(view.redaction()),
        object: object.clone().unbind(),
        index,
        name: Arc::clone(&name),
    });
    Ok((index, name))
}

fn encode_resource(
    builder: &mut RecordBuilder,
    pipeline: &Pipeline,
    view: &View,
    resource: &Bound<'_, PyAny>,
) -> PyResult<(u32, String)> {
    builder.start_part(PART_BYTES_MAX, 0x0a);
    let mut reader = ValueReader::exact(view.redaction());
    write_attributes(builder, &mut reader, read!(resource, "_attributes", "attributes")?.as_ref())?;
    let encoded = builder.part().to_vec();
    let schema_url = read!(resource, "_schema_url", "schema_url")?;
    let schema_url = words(schema_url.as_ref(), NAME_BYTES_MAX, builder)?;
    Ok((pipeline.tables().resource_index(Resource::from_encoded(encoded, &schema_url)), String::new()))
}

/// None, too, has a place in the table: that of a scope about which nothing is known.
fn encode_scope(
    builder: &mut RecordBuilder,
    pipeline: &Pipeline,
    view: &View,
    scope: &Bound<'_, PyAny>,
) -> PyResult<(u32, String)> {
    builder.start_part(PART_BYTES_MAX, 0x1a);
    let mut schema = String::new();
    if !scope.is_none() {
        for (tag, value) in
            [(0x0a, read!(scope, "_name", "name")?), (0x12, read!(scope, "_version", "version")?)]
        {
            let value = words(value.as_ref(), NAME_BYTES_MAX, builder)?;
            let value = builder.fit(&value, NAME_BYTES_MAX);
            if !value.is_empty() {
                put_bytes(builder.buffer(), tag, value.as_bytes());
            }
        }
        let mut reader = ValueReader::exact(view.redaction());
        write_attributes(builder, &mut reader, read!(scope, "_attributes", "attributes")?.as_ref())?;
        let schema_url = read!(scope, "_schema_url", "schema_url")?;
        schema = words(schema_url.as_ref(), NAME_BYTES_MAX, builder)?.into_owned();
    }
    let found = Scope::from_encoded(builder.part().to_vec(), &schema);
    let name = found.name.clone();
    Ok((pipeline.tables().scope_index_of(found), name))
}
