//! A point of a metric as a row of a table.

use crate::record::view::{MetricData, MetricView, PointData, PointView};

/// The points of a metric, each a row. A metric without points, or of a kind that this version does not know, has one
/// row without a value: it has a number, and a number without a row would look like a loss.
pub(super) fn rows<'a>(view: &MetricView<'a>) -> impl Iterator<Item = Option<PointView<'a>>> + use<'a> {
    let is_empty = view.points().next().is_none();
    view.points().map(Some).chain(is_empty.then_some(None))
}

/// What a point has in columns of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PointRow {
    /// Nanoseconds since the Unix epoch.
    pub(super) time_unix_nano: u64,
    /// Since when it sums or counts.
    pub(super) start_unix_nano: Option<u64>,
    /// 0 unspecified, 1 delta, 2 cumulative; of sums and histograms.
    pub(super) temporality: Option<u8>,
    /// Of sums.
    pub(super) is_monotonic: Option<bool>,
    /// Of gauges and sums.
    pub(super) value: Option<f64>,
    /// Of distributions, as the four below.
    pub(super) count: Option<u64>,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

impl PointRow {
    /// The row of a point of `view`, or of a metric without any.
    pub(super) fn of(view: &MetricView<'_>, point: Option<&PointView<'_>>) -> Self {
        let has_temporality =
            matches!(view.data, MetricData::Sum | MetricData::Histogram | MetricData::ExponentialHistogram);
        let mut row = Self {
            time_unix_nano: view.header.time_unix_nano,
            start_unix_nano: None,
            temporality: has_temporality.then_some(view.temporality),
            is_monotonic: (view.data == MetricData::Sum).then_some(view.is_monotonic),
            value: None,
            count: None,
            sum: None,
            min: None,
            max: None,
        };
        let Some(point) = point else { return row };
        if point.time_unix_nano != 0 {
            row.time_unix_nano = point.time_unix_nano;
        }
        row.start_unix_nano = Some(point.start_unix_nano).filter(|start| *start != 0);
        match point.data {
            PointData::None => {}
            PointData::Int(value) => row.value = Some(value as f64),
            PointData::Double(value) => row.value = Some(value),
            PointData::Distribution { count, sum, min, max, .. } => {
                (row.count, row.sum, row.min, row.max) = (Some(count), sum, min, max);
            }
        }
        row
    }
}
