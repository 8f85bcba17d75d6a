//! The contract of `support/contract.rs`, once for every sink.
//!
//! The console writes to a descriptor of this process, so that its turn is in a test crate of its own.

mod support;

use std::path::{Path, PathBuf};
use support::contract::{self, Mend, SECRET, Subject};
use telesink_core::dsn::Dsn;
use telesink_core::sinks;

#[test]
fn the_memory_sink_keeps_the_contract() {
    let plan = support::plan("memory://?records_max=10000");
    let store = plan.memory.clone().expect("a store");
    let read = move || store.entries().iter().map(|entry| entry.log().message().into_owned()).collect();

    contract::check(Subject {
        plan,
        read: Some(Box::new(read)),
        count: None,
        break_it: None,
        has_ledger: false,
    });
}

#[test]
fn the_null_sink_keeps_as_much_of_the_contract_as_can_be_seen() {
    let plan = support::plan("null://");

    contract::check(Subject { plan, read: None, count: None, break_it: None, has_ledger: false });
}

#[test]
fn the_sqlite_sink_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file name can hold what looks like a secret as well.
    let path = folder.path().join("contract.db");
    let plan = support::plan(&format!("sqlite:///{}", path.display()));
    let (for_reading, for_counting, for_breaking) = (path.clone(), path.clone(), path.clone());

    contract::check(Subject {
        plan,
        read: Some(Box::new(move || bodies_in(&for_reading))),
        count: Some(Box::new(move || rows_in(&for_counting))),
        break_it: Some(Box::new(move || put_a_folder_in_its_place(&for_breaking))),
        has_ledger: true,
    });
}

#[test]
#[cfg(unix)]
fn the_file_sink_keeps_the_contract() {
    for format in ["json", "otlp"] {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = support::plan(&format!("file://{}?format={format}&rotate=never", folder.path().display()));
        let service = folder.path().join("shop");
        let (for_reading, for_counting, for_breaking) = (service.clone(), service.clone(), service.clone());

        contract::check(Subject {
            plan,
            read: Some(Box::new(move || logs_in(&for_reading, format))),
            count: Some(Box::new(move || {
                [
                    logs_in(&for_counting, format).len() as u64,
                    spans_in(&for_counting),
                    points_in(&for_counting),
                ]
            })),
            break_it: Some(Box::new(move || put_folders_in_place_of_files(&for_breaking))),
            has_ledger: false,
        });
    }
}

#[cfg(unix)]
fn lines_in(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The arrays of this name in the scopes of the resources of each line.
#[cfg(unix)]
fn records_in(path: &Path, resources: &str, scopes: &str, records: &str) -> Vec<serde_json::Value> {
    let of = |value: &serde_json::Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let lines = lines_in(path);
    let scopes = lines.iter().flat_map(|line| of(line, resources)).flat_map(|resource| of(&resource, scopes));
    scopes.flat_map(|scope| of(&scope, records)).collect()
}

#[cfg(unix)]
fn logs_in(folder: &Path, format: &str) -> Vec<String> {
    let path = folder.join("logs.jsonl");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    if format == "json" {
        return lines_in(&path).iter().map(|line| text(&line["msg"])).collect();
    }
    let records = records_in(&path, "resourceLogs", "scopeLogs", "logRecords");
    records.iter().map(|record| text(&record["body"]["stringValue"])).collect()
}

#[cfg(unix)]
fn spans_in(folder: &Path) -> u64 {
    records_in(&folder.join("traces.jsonl"), "resourceSpans", "scopeSpans", "spans").len() as u64
}

#[cfg(unix)]
fn points_in(folder: &Path) -> u64 {
    let metrics = records_in(&folder.join("metrics.jsonl"), "resourceMetrics", "scopeMetrics", "metrics");
    let kinds = ["gauge", "sum", "histogram"];
    let points = |metric: &serde_json::Value| {
        kinds.iter().filter_map(|kind| metric[*kind]["dataPoints"].as_array()).map(Vec::len).sum::<usize>()
    };
    metrics.iter().map(points).sum::<usize>() as u64
}

/// Moves the files away and makes folders of their names; mending undoes both.
#[cfg(unix)]
fn put_folders_in_place_of_files(folder: &Path) -> Mend {
    let (path, aside) = (folder.join("logs.jsonl"), folder.join("aside"));
    std::fs::rename(&path, &aside).expect("moved");
    std::fs::create_dir(&path).expect("a folder");
    Box::new(move || {
        std::fs::remove_dir(&path).expect("the folder is empty");
        std::fs::rename(&aside, &path).expect("moved back");
    })
}

#[test]
fn a_password_in_a_file_name_is_shown_by_no_sink() {
    let text = format!("sqlite:////missing/password={SECRET}/x.db");
    let mut dsn = Dsn::parse(&text, &[], Path::new("/")).expect("a valid dsn");
    let plan = sinks::plan(&mut dsn).expect("planned");

    assert!(!plan.target.contains(SECRET), "{}", plan.target);
}

fn bodies_in(path: &Path) -> Vec<String> {
    if !path.is_file() {
        return Vec::new();
    }
    let connection = rusqlite::Connection::open(path).expect("open");
    let sql = "SELECT body FROM telesink_logs ORDER BY row_id";
    let Ok(mut statement) = connection.prepare(sql) else { return Vec::new() };
    let rows = statement.query_map([], |row| row.get(0)).expect("query");
    rows.collect::<Result<_, _>>().expect("text")
}

fn rows_in(path: &Path) -> [u64; 3] {
    let connection = rusqlite::Connection::open(path).expect("open");
    ["telesink_logs", "telesink_spans", "telesink_metrics"].map(|table| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a number") as u64
    })
}

/// Moves the database away and makes a folder of its name; mending undoes both.
fn put_a_folder_in_its_place(path: &Path) -> Mend {
    let aside: PathBuf = path.with_extension("aside");
    // Only files that are closed cleanly have no log beside them; move whatever is there.
    let files = move |from: &Path, to: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            if name(from).exists() {
                std::fs::rename(name(from), name(to)).expect("moved");
            }
        }
    };
    files(path, &aside);
    std::fs::create_dir(path).expect("a folder");
    let path = path.to_path_buf();
    Box::new(move || {
        std::fs::remove_dir(&path).expect("the folder is empty");
        files(&aside, &path);
    })
}
