//! The sink contract for the console, whose destination is standard error of the process: this crate has one test
//! only, and redirects descriptor 2 while it runs.
#![cfg(unix)]

mod support;

use rustix::fd::AsFd;
use std::fs::File;
use std::path::{Path, PathBuf};
use support::contract::{self, Mend, Subject};

/// Standard error as it was; put back when dropped, so that a failing assertion is seen.
struct Restore(rustix::fd::OwnedFd);

impl Drop for Restore {
    fn drop(&mut self) {
        rustix::stdio::dup2_stderr(self.0.as_fd()).expect("standard error is put back");
    }
}

#[test]
fn the_console_keeps_the_contract_of_a_sink_without_a_ledger() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stderr");
    let saved = rustix::io::dup(rustix::stdio::stderr()).expect("a copy of standard error");
    let (for_reading, for_breaking) = (path.clone(), path.clone());

    let plan = support::plan("console://stderr?format=json");
    let restore = Restore(saved);
    redirect_to(&path);
    contract::check(Subject {
        plan,
        read: Some(Box::new(move || bodies_in(&for_reading))),
        count: None,
        break_it: Some(Box::new(move || break_the_pipe(&for_breaking))),
        // It goes on where it stopped after a failure, but nothing tells it of an answer that was lost.
        has_ledger: false,
    });
    drop(restore);
}

fn redirect_to(path: &Path) {
    let file = File::options().create(true).append(true).open(path).expect("a file");
    rustix::stdio::dup2_stderr(&file).expect("redirected");
}

/// Makes standard error a pipe that nobody reads.
fn break_the_pipe(path: &Path) -> Mend {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::stdio::dup2_stderr(&writer).expect("redirected");
    drop(reader);
    let path = PathBuf::from(path);
    Box::new(move || redirect_to(&path))
}

fn bodies_in(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("what was written is text");
    let body = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is an object");
        line["msg"].as_str().expect("a body").to_owned()
    };
    text.lines().map(body).collect()
}
