//! What may know what: the direction of imports, read from the sources.

use std::path::{Path, PathBuf};

/// A source file of the core: its path below `src` and its lines of code.
struct Source {
    path: String,
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut |file| {
        let path = file.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(file).expect("a source file");
        found.push(Source { path, lines: code_lines(&text) });
    });
    assert!(found.len() > 30, "the sources are elsewhere by now");
    found
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path);
        }
    }
}

/// The lines without comments and without unit tests, which may look at more.
fn code_lines(text: &str) -> Vec<String> {
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let without_loom = "\n#[cfg(all(test, not(feature = \"loom\")))]\nmod tests {";
    let text = text.split(without_loom).next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).map(str::to_owned).collect()
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.contains("_tests/") || path.ends_with("tests.rs")
}

/// Every line of the files below `folder` that holds one of `words`.
fn offences(folder: &str, words: &[&str]) -> Vec<String> {
    let of_folder = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(['/', '.']));
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| of_folder(&source.path) && !is_test(&source.path)) {
        for line in &source.lines {
            if words.iter().any(|word| line.contains(word)) {
                offences.push(format!("{}: {}", source.path, line.trim()));
            }
        }
    }
    offences
}

/// Asserts that the files below `folder` name none of the modules of the crate's root called `modules`.
#[track_caller]
fn assert_does_not_know(folder: &str, modules: &[&str]) {
    assert!(sources().iter().any(|source| source.path.starts_with(folder)), "there is no {folder} any more");
    let names: Vec<String> = modules.iter().map(|module| format!("crate::{module}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(offences(folder, &names), [""; 0], "{folder} must not know {modules:?}");
    // `use crate::{a, b}` would hide them; written one a line, each import is seen.
    assert_eq!(offences(folder, &["use crate::{"]), [""; 0]);
}

#[test]
fn sinks_know_nothing_of_lanes_and_pipelines() {
    assert_does_not_know("sinks", &["lane", "pipeline", "stats", "settings"]);
}

#[test]
fn lanes_know_no_particular_sink() {
    let concrete: Vec<String> = sources()
        .iter()
        .filter_map(|source| {
            let rest = source.path.strip_prefix("sinks/")?;
            let name = rest.split(['/', '.']).next()?;
            (name != "mod").then(|| name.to_owned())
        })
        .collect();
    assert!(concrete.iter().any(|name| name == "sqlite"), "{concrete:?}");

    for folder in ["lane", "pipeline"] {
        let names: Vec<String> = concrete.iter().map(|name| format!("sinks::{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(offences(folder, &names), [""; 0]);
        let grouped = offences(folder, &["use crate::sinks::{"]);
        let hidden = grouped.iter().filter(|line| concrete.iter().any(|name| line.contains(name.as_str())));
        assert_eq!(hidden.count(), 0, "{grouped:?}");
    }
}

#[test]
fn lanes_do_not_know_their_pipeline() {
    assert_does_not_know("lane", &["pipeline", "dsn"]);
}

#[test]
fn records_know_nothing_of_where_they_go() {
    assert_does_not_know("record", &["lane", "sinks", "pipeline", "stats", "settings", "dsn"]);
}

#[test]
fn http_knows_nothing_of_sinks_and_what_is_above_them() {
    assert_does_not_know("http", &["sinks", "lane", "pipeline", "stats", "settings", "record"]);
}

#[test]
fn redaction_and_dsn_know_nothing_of_delivery() {
    assert_does_not_know("redact", &["lane", "sinks", "pipeline", "stats"]);
    assert_does_not_know("dsn", &["lane", "sinks", "pipeline", "stats"]);
}

#[test]
fn i1_the_core_does_not_know_python() {
    let manifest = include_str!("../Cargo.toml");
    assert!(!manifest.contains("pyo3"));
    for source in sources() {
        assert!(!source.lines.iter().any(|line| line.to_lowercase().contains("pyo3")), "{}", source.path);
    }
}

#[test]
fn only_the_clock_reads_clocks() {
    let readings = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", ".elapsed()"];
    for source in sources().iter().filter(|source| source.path != "clock.rs" && !is_test(&source.path)) {
        for line in &source.lines {
            let is_reading = readings.iter().any(|reading| line.contains(reading));
            assert!(!is_reading, "{} reads a clock: {}", source.path, line.trim());
        }
    }
}

#[test]
fn only_the_lane_the_resolver_and_the_keeper_of_files_start_threads_and_nothing_sleeps() {
    // The system's resolver knows no time limit; Postgres has the threads of its event loop for it. Compressing a file
    // takes seconds, in which lines have to be written.
    let starters = ["lane/thread.rs", "http/resolve.rs", "sinks/file/keeper.rs"];
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for line in &source.lines {
            assert!(!line.contains("thread::sleep"), "{}: {}", source.path, line.trim());
            let starts = line.contains("thread::Builder") || line.contains("thread::spawn");
            assert!(!starts || starters.contains(&source.path.as_str()), "{}: {}", source.path, line.trim());
        }
    }
}

#[test]
fn atomics_of_the_lanes_protocols_come_from_the_module_that_loom_replaces() {
    for file in ["lane/wake.rs", "lane/budget.rs", "lane/account.rs"] {
        let all = sources();
        let source = all.iter().find(|source| source.path == file).expect("the file is there");
        let taken_from_std = |line: &String| line.contains("std::sync::") && !line.contains("PoisonError");
        assert!(!source.lines.iter().any(taken_from_std), "{file} would escape the models");
    }
}

#[test]
fn no_file_grows_beyond_what_one_sitting_reads() {
    for source in sources() {
        assert!(source.lines.len() <= 400, "{} has {} lines of code", source.path, source.lines.len());
    }
}
