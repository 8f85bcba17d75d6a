//! The pipeline of one process, and the sources it can be built from again in the child of a fork.

use crate::capture::{CaptureSettings, Captured};
use crate::patience::Waiting;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
use telesink_core::lane::LaneSpec;
use telesink_core::pipeline::{Pipeline as Core, View};
use telesink_core::record::tables::Resource;
use telesink_core::redact::Redaction;
use telesink_core::settings::Settings;
use telesink_core::sinks;

/// What one `add_sink` asked for; kept to build the pipeline again in the child of a fork.
#[derive(Clone)]
pub(crate) struct SinkSource {
    pub(crate) dsn: String,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) settings: Vec<(String, String, String)>,
    pub(crate) base_directory: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) level: Option<i32>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

/// The core pipeline of one process, and what it takes to build it again in another.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) core: Arc<Core>,
    pub(crate) capture: CaptureSettings,
    pub(crate) sources: Vec<(String, SinkSource)>,
}

impl Process {
    pub(crate) fn new(
        resource: &[(String, String)],
        redaction: &Arc<Redaction>,
        capture: CaptureSettings,
    ) -> Self {
        let core = Arc::new(Core::new(Resource::new(resource), Arc::clone(redaction)));
        Self { core, capture, sources: Vec::new() }
    }

    /// Plans a sink and adds its lane.
    pub(crate) fn add(
        &self,
        source: &SinkSource,
        known_name: Option<&str>,
    ) -> Result<(String, CaptureSettings), ConfigError> {
        let mut settings = Settings::reference_for_tests();
        for (name, value, origin) in &source.settings {
            settings.apply(name, value, origin)?;
        }
        let mut dsn = Dsn::parse(&source.dsn, &source.options, &source.base_directory)?;
        let plan = sinks::plan(&mut dsn)?;
        settings.take_from(&mut dsn)?;
        let level = dsn.take_level("level")?.or(source.level).unwrap_or(0);
        let include = dsn.take_list("include")?.unwrap_or_else(|| source.include.clone());
        let exclude = dsn.take_list("exclude")?.unwrap_or_else(|| source.exclude.clone());
        dsn.finish()?;
        settings.check()?;
        let name = match known_name.or(source.name.as_deref()) {
            Some(name) => name.to_owned(),
            None => self.free_name(plan.kind),
        };
        let capture = CaptureSettings {
            record_bytes_max: settings.record_bytes_max,
            urgent_level: settings.urgent_level,
            ..self.capture
        };
        self.core.add_lane(LaneSpec {
            name: name.clone(),
            index: 0,
            plan,
            settings,
            level,
            include,
            exclude,
        })?;
        Ok((name, capture))
    }

    /// `sqlite`, then `sqlite-2`, `sqlite-3` …
    fn free_name(&self, kind: &str) -> String {
        let lanes = self.core.lanes();
        let is_free = |name: &str| lanes.iter().all(|lane| lane.name() != name);
        let numbered = (2..).map(|number| format!("{kind}-{number}"));
        std::iter::once(kind.to_owned()).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn offer(&self, view: &View, captured: Captured<'_>, py: Python<'_>) -> bool {
        let Captured { record, levelno, logger } = captured;
        self.core.offer_through(view, levelno, &logger, record, &Waiting::new(py))
    }
}
