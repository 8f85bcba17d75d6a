//! Rows of `telesink_metrics`: one for each point.

use super::super::failure::Failure;
use super::{Common, Scratch, bind_json, bind_text, integer};
use crate::record::json;
use crate::record::view::{MetricView, PointView};
use crate::sinks::Entry;
use crate::sinks::points::{PointRow, rows};
use rusqlite::types::Null;
use rusqlite::{Connection, Statement};

pub(super) const INSERT: &str = "\
INSERT INTO telesink_metrics (ts, start_ts, name, kind, unit, temporality, is_monotonic, value, count, sum, min, max, \
buckets, service, attributes, resource_id, instance, seq) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// Inserts all points of a metric, or none.
pub(super) fn insert(
    connection: &Connection,
    insert: &mut Statement<'_>,
    entry: &Entry,
    common: &Common<'_>,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    let view = entry.metric();
    if view.points().nth(1).is_none() {
        return insert_points(insert, entry.seq, &view, common, scratch);
    }
    connection.prepare_cached("SAVEPOINT telesink_metric")?.raw_execute()?;
    let inserted = insert_points(insert, entry.seq, &view, common, scratch);
    if inserted.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO telesink_metric")?.raw_execute()?;
    }
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE telesink_metric")?.raw_execute()?;
    }
    inserted
}

fn insert_points(
    insert: &mut Statement<'_>,
    seq: u64,
    view: &MetricView<'_>,
    common: &Common<'_>,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    for point in rows(view) {
        bind_point(insert, view, point.as_ref(), scratch)?;
        insert.raw_bind_parameter(14, common.service)?;
        bind_json(insert, 15, scratch, |out| {
            match &point {
                Some(point) => json::write_object(out, point.attributes()),
                None => out.extend_from_slice(b"{}"),
            }
            true
        })?;
        insert.raw_bind_parameter(16, common.resource)?;
        insert.raw_bind_parameter(17, common.instance)?;
        insert.raw_bind_parameter(18, seq as i64)?;
        insert.raw_execute()?;
    }
    Ok(())
}

fn bind_point(
    insert: &mut Statement<'_>,
    view: &MetricView<'_>,
    point: Option<&PointView<'_>>,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    let row = PointRow::of(view, point);
    insert.raw_bind_parameter(1, integer(row.time_unix_nano))?;
    insert.raw_bind_parameter(2, row.start_unix_nano.map(integer))?;
    insert.raw_bind_parameter(3, view.name)?;
    insert.raw_bind_parameter(4, view.data as u8)?;
    bind_text(insert, 5, view.unit)?;
    insert.raw_bind_parameter(6, row.temporality)?;
    insert.raw_bind_parameter(7, row.is_monotonic)?;
    // NaN becomes NULL: SQLite has none.
    insert.raw_bind_parameter(8, row.value)?;
    insert.raw_bind_parameter(9, row.count.map(integer))?;
    insert.raw_bind_parameter(10, row.sum)?;
    insert.raw_bind_parameter(11, row.min)?;
    insert.raw_bind_parameter(12, row.max)?;
    match point {
        Some(point) => bind_json(insert, 13, scratch, |out| json::write_buckets(out, point)),
        None => Ok(insert.raw_bind_parameter(13, Null)?),
    }
}
