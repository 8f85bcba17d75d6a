//! What callers need of a pipeline, kept by them between records.

use crate::lane::Lane;
use crate::redact::Redaction;
use std::sync::Arc;

/// What a caller needs of a pipeline, as it was at one moment. Callers on the hot path keep it as long as
/// [`Pipeline::version`] stays the same, which costs one load instead of three reference counts.
#[derive(Debug)]
pub struct View {
    pub(super) lanes: Arc<Vec<Arc<Lane>>>,
    pub(super) redaction: Arc<Redaction>,
    /// Least level that any lane wants.
    pub(super) level: i32,
    pub(super) has_lanes: bool,
    /// Whether the level alone does not decide: lanes that filter by logger.
    pub(super) has_filters: bool,
}

impl View {
    /// Whether any lane wants a record of `logger` at `levelno`. Asked before a record is captured.
    #[inline]
    pub fn wants(&self, levelno: i32, logger: &str) -> bool {
        levelno >= self.level
            && (!self.has_filters || self.lanes.iter().any(|lane| lane.filter().admits(levelno, logger)))
    }

    /// What is hidden in records.
    #[inline]
    pub fn redaction(&self) -> &Arc<Redaction> {
        &self.redaction
    }
}
