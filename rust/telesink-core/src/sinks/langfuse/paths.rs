//! The server's paths, and what a status of theirs means.

use super::plan::Target;
use crate::http::{Action, Endpoint, Reply, StatusTable};

/// What a status means. Keys and rights can be mended, and so can paths; what the server does not take is looked at
/// record by record.
pub(super) const STATUSES: StatusTable = StatusTable {
    rows: &[
        (200..=299, Action::Accept),
        (400..=400, Action::Reject),
        (408..=408, Action::Retry),
        (413..=413, Action::Reject),
        (422..=422, Action::Reject),
        (425..=425, Action::Retry),
        (429..=429, Action::Retry),
        (500..=599, Action::Retry),
    ],
    other: Action::Hold,
};

/// Which path of the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path {
    Spans,
    Classic,
    Scores,
}

impl Path {
    /// Where it is.
    pub(super) fn endpoint(self, target: &Target) -> &Endpoint {
        match self {
            Path::Spans => &target.spans,
            Path::Classic => &target.classic,
            Path::Scores => &target.scores,
        }
    }
}

/// Whether the server has no such path.
pub(super) fn is_missing(reply: &Reply) -> bool {
    matches!(reply.status, 404 | 405)
}
