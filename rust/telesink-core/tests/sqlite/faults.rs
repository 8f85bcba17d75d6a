//! Files that are missing, locked, read-only, foreign or moved away: nothing is lost, and the text says what to do.

use crate::support::{LIMIT, batches_of, eager, flush, lane, offer_all, pipeline, until};
use crate::{bodies, connect, database, number, plan_at};
use std::path::{Path, PathBuf};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::pipeline::Pipeline;
use telesink_core::sinks::sqlite::VERSION;
use telesink_core::stats::{LaneStats, State};

fn wait_for(pipeline: &Pipeline, state: State) -> LaneStats {
    until(state.name(), || lane(pipeline).state == state);
    lane(pipeline)
}

fn move_database(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if name(from).exists() {
            std::fs::rename(name(from), name(to)).expect("moved");
        }
    }
}

#[test]
fn tables_of_a_newer_version_hold_the_records() {
    let (_folder, path) = database();
    let first = pipeline(plan_at(&path), eager());
    offer_all(&first, ["of this version"]);
    flush(&first);
    connect(&path)
        .execute_batch(&format!("UPDATE telesink_meta SET value = '{}'", VERSION + 1))
        .expect("upgraded");

    let second = pipeline(plan_at(&path), eager());
    offer_all(&second, ["too new for it"]);
    let held = wait_for(&second, State::Held);

    let words = format!("the tables have version {}, this telesink knows {VERSION}", VERSION + 1);
    assert!(held.last_error.contains(&words), "{held:?}");
    assert!(held.last_error.ends_with("upgrade telesink, or choose another file"), "{held:?}");
    assert_eq!((held.pending, bodies(&path).len()), (1, 1));
}

#[test]
fn a_file_that_is_no_database_holds_the_records_and_is_left_as_it_is() {
    let (_folder, path) = database();
    let text = "My dear diary. ".repeat(100);
    std::fs::write(&path, &text).expect("a file");
    let pipeline = pipeline(plan_at(&path), eager());

    offer_all(&pipeline, ["kept"]);
    let held = wait_for(&pipeline, State::Held);
    let untouched = std::fs::read_to_string(&path).expect("a file");
    std::fs::remove_file(&path).expect("moved away");
    flush(&pipeline);

    assert!(held.last_error.contains("the file is no SQLite database; move it away"), "{held:?}");
    assert_eq!(untouched, text);
    assert_eq!(bodies(&path), ["kept"]);
}

#[test]
fn a_missing_folder_is_named_and_the_records_are_written_once_it_is_there() {
    let (folder, _) = database();
    let missing = folder.path().join("var").join("log");
    let path = missing.join("logs.db");
    let pipeline = pipeline(plan_at(&path), batches_of(2));

    offer_all(&pipeline, ["a", "b", "c", "d"]);
    let held = wait_for(&pipeline, State::Held);
    std::fs::create_dir_all(&missing).expect("mended");
    flush(&pipeline);

    assert!(held.last_error.ends_with(&format!("create the folder {}", missing.display())), "{held:?}");
    assert_eq!(bodies(&path), ["a", "b", "c", "d"]);
}

#[test]
fn a_folder_in_place_of_the_file_is_said() {
    let (_folder, path) = database();
    std::fs::create_dir(&path).expect("a folder");
    let pipeline = pipeline(plan_at(&path), eager());

    offer_all(&pipeline, ["kept"]);
    let held = wait_for(&pipeline, State::Held);

    assert!(held.last_error.ends_with("the path is a folder; name a file"), "{held:?}");
}

#[test]
fn a_database_that_may_not_be_written_holds_the_records_until_it_may() {
    let (_folder, path) = database();
    let first = pipeline(plan_at(&path), eager());
    offer_all(&first, ["before"]);
    crate::support::close(&first);
    // Write version 3 of the file format: whoever does not know it may only read. (A mode would not stop root.)
    set_write_version(&path, 3);

    let second = pipeline(plan_at(&path), eager());
    offer_all(&second, ["kept"]);
    let held = wait_for(&second, State::Held);
    set_write_version(&path, 2);
    flush(&second);

    assert!(held.last_error.contains("not writable for this user; change its owner or mode"), "{held:?}");
    assert_eq!(bodies(&path), ["before", "kept"]);
}

/// Byte 18 of the header; see "file format version numbers" in `SQLite`'s description of its files.
fn set_write_version(path: &Path, version: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    file.write_all_at(&[version], 18).expect("written");
}

#[test]
fn a_database_locked_by_somebody_else_is_tried_again_until_it_is_free() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), batches_of(1));
    offer_all(&pipeline, ["before"]);
    flush(&pipeline);
    let other = connect(&path);
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");

    offer_all(&pipeline, ["a", "b"]);
    let waiting = wait_for(&pipeline, State::Retrying);
    other.execute_batch("COMMIT").expect("let go");
    flush(&pipeline);

    assert!(waiting.last_error.contains("another process holds the lock of the file"), "{waiting:?}");
    assert_eq!(waiting.dropped.total(), 0);
    assert_eq!(bodies(&path), ["before", "a", "b"]);
}

#[test]
fn a_database_that_was_moved_away_is_replaced_and_later_rows_go_to_the_new_file() {
    let (folder, path) = database();
    let archive = folder.path().join("archive.db");
    let pipeline = pipeline(plan_at(&path), eager());
    offer_all(&pipeline, ["old 1", "old 2"]);
    flush(&pipeline);

    move_database(&path, &archive);
    offer_all(&pipeline, ["new 3", "new 4"]);
    flush(&pipeline);

    assert_eq!(bodies(&archive), ["old 1", "old 2"]);
    assert_eq!(bodies(&path), ["new 3", "new 4"]);
    assert_eq!(number(&path, "SELECT last_seq FROM telesink_ledger"), 4);
    assert!(lane(&pipeline).rolled_back > 0);
}

/// Moves the database and leaves its write-ahead log, as `mv app.db app.db.1` does.
fn move_file_alone(path: &Path) -> PathBuf {
    let moved = path.with_extension("db.1");
    std::fs::rename(path, &moved).expect("moved");
    moved
}

#[test]
fn the_rows_of_a_file_that_is_moved_without_its_log_are_all_in_that_file() {
    let (folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());
    offer_all(&pipeline, ["old 1", "old 2"]);
    flush(&pipeline);

    let moved = move_file_alone(&path);
    offer_all(&pipeline, ["new 3", "new 4"]);
    flush(&pipeline);

    assert_eq!(bodies(&moved), ["old 1", "old 2"]);
    assert_eq!(bodies(&path), ["new 3", "new 4"]);
    crate::support::close(&pipeline);
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_file_that_was_moved_after_the_last_record_holds_all_rows_when_the_pipeline_settles() {
    for stop in [true, false] {
        let (_folder, path) = database();
        let pipeline = pipeline(plan_at(&path), eager());
        offer_all(&pipeline, ["old 1", "old 2"]);
        flush(&pipeline);

        let moved = move_file_alone(&path);
        let receipt = pipeline.close(clock::monotonic() + LIMIT, stop);
        let kept = path.with_extension("copy");
        std::fs::copy(&moved, &kept).expect("what is in the file itself");

        assert!(receipt.is_complete());
        assert_eq!(bodies(&kept), ["old 1", "old 2"], "{stop}");
    }
}

#[test]
fn a_reader_of_a_moved_file_does_not_hold_up_the_end() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());
    offer_all(&pipeline, ["old 1"]);
    flush(&pipeline);
    let reader = connect(&path);
    reader.execute_batch("BEGIN; SELECT * FROM telesink_logs").expect("a transaction that reads");

    let moved = move_file_alone(&path);
    let begun = clock::monotonic();
    let receipt = pipeline.close(begun + LIMIT, false);
    let took = clock::monotonic() - begun;
    reader.execute_batch("COMMIT").expect("the end of it");

    assert!(receipt.is_complete());
    // A lock is waited for a second.
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(bodies(&moved), ["old 1"]);
}

#[test]
fn two_pipelines_see_to_it_that_a_moved_file_loses_nothing_of_either() {
    let (_folder, path) = database();
    let [first, second] = [(); 2].map(|()| pipeline(plan_at(&path), eager()));
    offer_all(&first, ["first"]);
    flush(&first);
    offer_all(&second, ["second"]);
    flush(&second);

    let moved = move_database_and_answer(&path);
    offer_all(&first, ["new first"]);
    flush(&first);
    crate::support::close(&second);

    assert_eq!(bodies(&moved), ["first", "second"]);
    assert_eq!(bodies(&path), ["new first"]);
    crate::support::close(&first);
    assert_eq!(bodies(&path), ["new first"]);
}

fn move_database_and_answer(path: &Path) -> PathBuf {
    let moved = path.with_extension("db.1");
    move_database(path, &moved);
    moved
}

#[test]
fn two_pipelines_lose_nothing_of_a_file_that_is_moved_without_its_log() {
    let (_folder, path) = database();
    let [first, second] = [(); 2].map(|()| pipeline(plan_at(&path), eager()));
    offer_all(&first, ["old 1"]);
    flush(&first);
    offer_all(&second, ["old 2"]);
    flush(&second);

    let moved = move_file_alone(&path);
    for (pipeline, body) in [(&first, "new 3"), (&second, "new 4"), (&first, "new 5")] {
        offer_all(pipeline, [body]);
        flush(pipeline);
    }
    crate::support::close(&first);
    crate::support::close(&second);

    assert_eq!(bodies(&moved), ["old 1", "old 2"]);
    assert_eq!(bodies(&path), ["new 3", "new 4", "new 5"]);
}

#[test]
fn a_log_that_was_left_without_its_file_is_kept_when_a_new_file_takes_the_name() {
    let (folder, path) = database();
    let killed = pipeline(plan_at(&path), eager());
    offer_all(&killed, ["kept"]);
    flush(&killed);
    // What a program leaves that was killed: the log beside the file, and then the file was moved.
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let (bare, copy) = (path.with_extension("copied"), folder.path().join("later.db"));
    std::fs::copy(&path, &bare).expect("copied");
    std::fs::copy(log(&path), log(&copy)).expect("copied");

    let later = pipeline(plan_at(&copy), eager());
    offer_all(&later, ["new"]);
    flush(&later);

    let left = std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("one").path());
    let left = left.filter(|path| path.to_string_lossy().contains("later.db.left-"));
    let [left] = left.collect::<Vec<_>>().try_into().expect("one log was kept");
    std::fs::rename(left, log(&bare)).expect("put beside its file");
    assert_eq!(bodies(&bare), ["kept"]);
    assert_eq!(bodies(&copy), ["new"]);
}

#[test]
fn a_destination_that_goes_back_in_time_again_and_again_counts_each_record_that_is_gone_once() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());

    for round in 0..4 {
        offer_all(&pipeline, (0..100).map(|number| number.to_string()));
        flush(&pipeline);
        assert_eq!(lane(&pipeline).rolled_back, 100 * round);
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(format!("{}{suffix}", path.display())).expect("deleted");
        }
    }
}

#[test]
fn a_deleted_database_is_made_anew() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());
    offer_all(&pipeline, ["gone"]);
    flush(&pipeline);

    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", path.display())).expect("deleted");
    }
    offer_all(&pipeline, ["here"]);
    flush(&pipeline);

    assert_eq!(bodies(&path), ["here"]);
}

#[test]
fn a_database_swapped_for_another_one_is_written_to_in_its_place() {
    let (folder, path) = database();
    let (archive, prepared) = (folder.path().join("archive.db"), folder.path().join("prepared.db"));
    let other = pipeline(plan_at(&prepared), eager());
    offer_all(&other, ["prepared"]);
    crate::support::close(&other);
    let pipeline = pipeline(plan_at(&path), eager());
    offer_all(&pipeline, ["old"]);
    flush(&pipeline);

    move_database(&path, &archive);
    move_database(&prepared, &path);
    offer_all(&pipeline, ["new"]);
    flush(&pipeline);

    assert_eq!(bodies(&path), ["prepared", "new"]);
}

#[test]
fn a_reader_that_comes_and_goes_while_records_are_written_costs_no_row() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());

    for round in 0..50 {
        offer_all(&pipeline, [round.to_string()]);
        flush(&pipeline);
        assert_eq!(bodies(&path).len(), round + 1);
    }
}

#[test]
fn a_closed_sink_leaves_one_file_without_companions() {
    let (folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());
    offer_all(&pipeline, ["a"]);

    crate::support::close(&pipeline);

    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 1, "{names:?}");
}
