//! What is done to files that are complete: compressing and deleting, on a thread of its own, so that neither keeps a line
//! waiting. It also makes files durable once a second where that was asked for.
//!
//! It looks at the whole folder when it starts, after each rotation, and once a minute: a service that logs nothing any
//! more must not keep its old files for ever. Several processes take turns, service by service, by a lock on its folder.

use super::SIGNALS;
use super::folder::Folder;
use super::retain::{Found, doomed, rotated_of, too_much};
use super::rules::Rules;
use crate::clock;
use crate::descriptors::Identity;
use crate::sync::lock;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks while nothing happens.
const LOOK: Duration = Duration::from_mins(1);

/// Between two rounds of making files durable.
const SYNC: Duration = Duration::from_secs(1);

/// Piece by which a file is compressed; between two the thread looks whether it is to end.
const PIECE_BYTES: usize = 256 * 1024;

/// Longest wait for it to end: a piece takes about 10 ms.
const END_WAIT_MAX: Duration = Duration::from_millis(500);

/// Services that one look goes through, at most.
const FOLDERS_MAX: usize = 4_096;

/// Written next to a file while it is compressed.
const PART: &str = ".part";

/// The thread, and what it is told.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    is_ending: bool,
    has_work: bool,
    to_sync: Vec<(Option<Identity>, File)>,
    /// What went wrong last, for the next batch to tell.
    notice: Option<String>,
}

impl Keeper {
    /// Starts the thread. Should the system refuse one, files are neither compressed nor deleted until the next start.
    pub(super) fn start(root: PathBuf, rules: Rules) -> Self {
        let state = State { rules, is_ending: false, has_work: true, to_sync: Vec::new(), notice: None };
        let shared = Arc::new(Shared { root, state: Mutex::new(state), wake: Condvar::new() });
        let own = Arc::clone(&shared);
        let spawned = std::thread::Builder::new().name("telesink-files".to_owned()).spawn(move || own.run());
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                lock(&shared.state).notice =
                    Some(format!("no thread to compress and delete rotated files: {error}"));
                None
            }
        };
        Self { shared, thread }
    }

    /// A file was rotated, or the rules have changed.
    pub(super) fn look(&self, rules: &Rules) {
        let mut state = lock(&self.shared.state);
        state.rules = rules.clone();
        state.has_work = true;
        self.shared.wake.notify_all();
    }

    /// Makes a file durable within about a second.
    pub(super) fn sync_soon(&self, file: File) {
        let mut state = lock(&self.shared.state);
        let identity = Identity::of(&file);
        if state.to_sync.is_empty() {
            self.shared.wake.notify_all();
        }
        if !state.to_sync.iter().any(|(known, _)| *known == identity) {
            state.to_sync.push((identity, file));
        }
    }

    /// What went wrong since it was asked last.
    pub(super) fn take_notice(&self) -> Option<String> {
        lock(&self.shared.state).notice.take()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        lock(&self.shared.state).is_ending = true;
        self.shared.wake.notify_all();
        let end = clock::monotonic() + END_WAIT_MAX;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && clock::monotonic() < end {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut due = clock::monotonic();
        loop {
            let (rules, to_sync, has_work) = {
                let mut state = lock(&self.state);
                while !state.is_ending && !state.has_work && clock::monotonic() < due {
                    let limit = due.saturating_duration_since(clock::monotonic());
                    let limit = if state.to_sync.is_empty() { limit } else { limit.min(SYNC) };
                    let (next, waited) = self
                        .wake
                        .wait_timeout(state, limit)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    state = next;
                    if waited.timed_out() && !state.to_sync.is_empty() {
                        break;
                    }
                }
                if state.is_ending {
                    return;
                }
                let has_work = std::mem::take(&mut state.has_work);
                (state.rules.clone(), std::mem::take(&mut state.to_sync), has_work)
            };
            for (_, file) in to_sync {
                self.told(file.sync_data());
            }
            if has_work || clock::monotonic() >= due {
                self.told(self.look_after(&rules));
                due = clock::monotonic() + LOOK;
            }
        }
    }

    fn told(&self, result: io::Result<()>) {
        if let Err(error) = result {
            lock(&self.state).notice = Some(format!("rotated files: {error}"));
        }
    }

    fn is_ending(&self) -> bool {
        lock(&self.state).is_ending
    }

    fn look_after(&self, rules: &Rules) -> io::Result<()> {
        let root = match Folder::open_root(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut kept = Vec::new();
        let (mut bytes, mut first_error) = (0, Ok(()));
        for name in root.names()?.into_iter().filter(|name| !name.starts_with('.')).take(FOLDERS_MAX) {
            if self.is_ending() {
                return Ok(());
            }
            // Files, and folders of others, are no business of ours.
            let Ok(folder) = root.open_child(&name) else { continue };
            let Ok(turn) = folder.lockable() else { continue };
            if turn.try_lock().is_err() {
                // Another process is at it.
                continue;
            }
            match self.look_after_service(&folder, rules, &mut bytes) {
                Ok(files) => kept.extend(files.into_iter().map(|file| (name.clone(), file))),
                Err(error) => first_error = first_error.and(Err(error)),
            }
            // Said in so many words: a child of a fork may hold a copy of the descriptor.
            first_error = first_error.and(turn.unlock());
        }
        for (name, file) in too_much(kept, bytes, rules) {
            root.open_child(&name)?.remove(&file.name)?;
        }
        first_error
    }

    /// Deletes and compresses what is to be, and answers the rotated files that stay.
    fn look_after_service(&self, folder: &Folder, rules: &Rules, bytes: &mut u64) -> io::Result<Vec<Found>> {
        let names = folder.names()?;
        let mut kept = Vec::new();
        for signal in SIGNALS {
            let is_part = |name: &&String| name.starts_with(&format!(".{signal}-")) && name.ends_with(PART);
            for part in names.iter().filter(is_part) {
                // Its process ended in the middle; the file itself is still there.
                folder.remove(part)?;
            }
            let mut files = rotated_of(signal, &names, |name| folder.size_of(name));
            for name in doomed(&mut files, rules, clock::unix_nano()) {
                folder.remove(&name)?;
            }
            for file in &mut files {
                if rules.is_gzip && !file.rotated.is_gzip && !self.is_ending() {
                    file.rotated.is_gzip = true;
                    let gzip = file.rotated.name(signal);
                    if !self.compress(folder, &file.name, &gzip)? {
                        break;
                    }
                    file.bytes = folder.size_of(&gzip).unwrap_or(0);
                    file.name = gzip;
                }
            }
            *bytes += files.iter().map(|file| file.bytes).sum::<u64>();
            *bytes += folder.size_of(&format!("{signal}.jsonl")).unwrap_or(0);
            kept.append(&mut files);
        }
        Ok(kept)
    }

    /// Compresses a file; false if the thread is to end first. The compressed one is complete and durable before it gets
    /// its name, and the plain one is deleted last: at no moment is a line in neither of them.
    fn compress(&self, folder: &Folder, plain: &str, gzip: &str) -> io::Result<bool> {
        let part = format!(".{gzip}{PART}");
        let mut from = folder.read_file(plain)?;
        let into = folder.make_file(&part)?;
        let mut encoder = GzEncoder::new(BufWriter::with_capacity(PIECE_BYTES, into), Compression::default());
        let copied = self.copy(&mut from, &mut encoder);
        let done = copied.and_then(|is_whole| {
            let into = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            into.sync_all()?;
            Ok(is_whole)
        });
        if !matches!(done, Ok(true)) {
            folder.remove(&part)?;
            return done;
        }
        folder.rename(&part, gzip)?;
        folder.sync()?;
        folder.remove(plain)?;
        Ok(true)
    }

    fn copy(&self, from: &mut File, into: &mut impl Write) -> io::Result<bool> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = from.read(&mut piece)?;
            if count == 0 {
                return Ok(true);
            }
            into.write_all(&piece[..count])?;
            if self.is_ending() {
                return Ok(false);
            }
        }
    }
}
