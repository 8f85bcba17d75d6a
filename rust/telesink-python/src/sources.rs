//! The pipeline of one process, and the sources it can be built from again in the child of a fork.

use crate::capture::{CaptureSettings, Captured, LeftOut};
use crate::patience::Waiting;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use telesink_core::diagnostics::Diagnostics;
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
use telesink_core::lane::LaneSpec;
use telesink_core::pipeline::{Pipeline as Core, View};
use telesink_core::record::tables::Resource;
use telesink_core::redact::Redaction;
use telesink_core::settings::Settings;
use telesink_core::sinks;

/// What one `add_sink` asked for; kept to build the pipeline again in the child of a fork.
#[derive(Clone, FromPyObject)]
#[pyo3(from_item_all)]
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
    /// Each with the name it was given.
    pub(crate) sources: Vec<SinkSource>,
    /// Of this process: its lock may be held by a thread that the child of a fork does not have.
    pub(crate) diagnostics: Arc<Diagnostics>,
    /// Observations that are no part of the sample.
    pub(crate) left_out: Arc<LeftOut>,
}

impl Process {
    pub(crate) fn new(
        resource: &[(String, String)],
        redaction: &Arc<Redaction>,
        capture: CaptureSettings,
    ) -> Self {
        let core = Arc::new(Core::new(Resource::new(resource), Arc::clone(redaction)));
        Self { core, capture, sources: Vec::new(), diagnostics: Arc::default(), left_out: Arc::default() }
    }

    /// Plans sinks and adds their lanes: all of them, or none if one cannot be.
    pub(crate) fn add(&self, sources: &[SinkSource]) -> Result<(Vec<String>, CaptureSettings), ConfigError> {
        let (mut names, mut specs) = (Vec::new(), Vec::new());
        let mut capture = self.capture;
        for source in sources {
            let mut spec = source.plan()?;
            if spec.name.is_empty() {
                spec.name = self.free_name(spec.plan.kind, &names);
            }
            capture.record_bytes_max = spec.settings.record_bytes_max;
            capture.urgent_level = spec.settings.urgent_level;
            names.push(spec.name.clone());
            specs.push(spec);
        }
        self.core.add_lanes(specs)?;
        Ok((names, capture))
    }

    /// `sqlite`, then `sqlite-2`, `sqlite-3` …
    fn free_name(&self, kind: &str, chosen: &[String]) -> String {
        let lanes = self.core.lanes();
        let is_free = |name: &String| {
            lanes.iter().all(|lane| lane.name() != name) && chosen.iter().all(|other| other != name)
        };
        let numbered = (2..).map(|number| format!("{kind}-{number}"));
        std::iter::once(kind.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn offer(&self, view: &View, captured: Captured<'_>, py: Python<'_>) -> bool {
        let Captured { record, levelno, logger } = captured;
        self.core.offer_through(view, levelno, &logger, record, &Waiting::new(py))
    }
}

impl SinkSource {
    /// The same with the name it was given.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// The settings without those in the DSN.
    ///
    /// # Errors
    /// A value that its setting does not take.
    pub(crate) fn named_settings(&self) -> Result<Settings, ConfigError> {
        let mut settings = Settings::documented();
        for (name, value, origin) in &self.settings {
            settings.apply(name, value, origin)?;
        }
        Ok(settings)
    }

    /// Checks everything and touches nothing. The name is empty if none was given.
    ///
    /// # Errors
    /// Unknown scheme, option or value; a setting that does not hold for one sink; a name that cannot be shown.
    pub(crate) fn plan(&self) -> Result<LaneSpec, ConfigError> {
        let source = self;
        let mut settings = self.named_settings()?;
        let mut dsn = Dsn::parse(&source.dsn, &source.options, &source.base_directory)?;
        let plan = sinks::plan(&mut dsn)?;
        settings.take_from(&mut dsn)?;
        let level = dsn.take_level("level")?.or(source.level).unwrap_or(0);
        let include = dsn.take_list("include")?.unwrap_or_else(|| source.include.clone());
        let exclude = dsn.take_list("exclude")?.unwrap_or_else(|| source.exclude.clone());
        dsn.finish()?;
        settings.check()?;
        let name = match &source.name {
            Some(name) => shown_name(name)?,
            None => String::new(),
        };
        Ok(LaneSpec { name, index: 0, plan, settings, level, include, exclude })
    }
}

/// Names stand in messages, thread names and statistics.
fn shown_name(name: &str) -> Result<String, ConfigError> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(ConfigError::new(
            format!("the sink's name is {name:?}; expected visible text"),
            "leave `name` away to get the scheme's",
        ));
    }
    Ok(name.to_owned())
}
