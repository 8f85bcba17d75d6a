//! The thread that looks after files that are complete, so that neither compressing nor deleting keeps a line waiting. It
//! also makes files durable once a second where that was asked for.
//!
//! It looks at the whole folder when it starts, after each rotation, and once a minute: a service that logs nothing any
//! more must not keep its old files for ever.

use super::look::Look;
use super::rules::Rules;
use crate::clock;
use crate::descriptors::Identity;
use crate::signals::with_signals_blocked;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks while nothing happens.
const LOOK: Duration = Duration::from_mins(1);

/// Between two rounds of making files durable.
const SYNC: Duration = Duration::from_secs(1);

/// Files that wait to be made durable; one more is made so at once.
const TO_SYNC_MAX: usize = 64;

/// Longest wait for it to end: a piece of a file that is compressed takes about 10 ms.
const END_WAIT_MAX: Duration = Duration::from_millis(500);

/// The thread, and what it is told.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// Whose files it looks after: all, or those of one signal.
    signals: &'static [&'static str],
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    is_ending: bool,
    has_work: bool,
    to_sync: Vec<(Option<Identity>, File)>,
    /// When the first of them is due.
    sync_at: Option<Instant>,
    /// What went wrong last, for the next batch to tell.
    notice: Option<String>,
}

impl Keeper {
    /// Starts the thread. Should the system refuse one, files are neither compressed nor deleted until the next start.
    pub(super) fn start(root: PathBuf, signals: &'static [&'static str], rules: Rules) -> Self {
        let state = State {
            rules,
            is_ending: false,
            has_work: true,
            to_sync: Vec::new(),
            sync_at: None,
            notice: None,
        };
        let shared = Arc::new(Shared { root, signals, state: Mutex::new(state), wake: Condvar::new() });
        let own = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("telesink-files".to_owned());
        let spawned = with_signals_blocked(|| builder.spawn(move || own.run()));
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                shared.state().notice =
                    Some(format!("no thread to compress and delete rotated files: {error}"));
                None
            }
        };
        Self { shared, thread }
    }

    /// A file was rotated, or the rules have changed.
    pub(super) fn look(&self, rules: &Rules) {
        let mut state = self.shared.state();
        state.rules = rules.clone();
        state.has_work = true;
        self.shared.wake.notify_all();
    }

    /// Makes a file durable within about a second.
    ///
    /// # Errors
    /// It was made so at once, because too many wait, and that failed.
    pub(super) fn sync_soon(&self, file: File) -> io::Result<()> {
        let identity = Identity::of(&file);
        let mut state = self.shared.state();
        if state.to_sync.iter().any(|(known, _)| *known == identity) {
            return Ok(());
        }
        if state.to_sync.len() >= TO_SYNC_MAX {
            drop(state);
            return file.sync_data();
        }
        state.to_sync.push((identity, file));
        if state.sync_at.is_none() {
            state.sync_at = Some(clock::monotonic() + SYNC);
            self.shared.wake.notify_all();
        }
        Ok(())
    }

    /// What went wrong since it was asked last.
    pub(super) fn take_notice(&self) -> Option<String> {
        self.shared.state().notice.take()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.state().is_ending = true;
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
            let (rules, is_ending, has_work) = self.wait(due);
            self.sync_due(is_ending);
            if is_ending {
                return;
            }
            if has_work || clock::monotonic() >= due {
                // Between two pieces of a file that takes long.
                let goes_on = || {
                    self.sync_due(false);
                    !self.state().is_ending
                };
                self.told(
                    Look { root: &self.root, signals: self.signals, rules: &rules, goes_on: &goes_on }.all(),
                );
                due = clock::monotonic() + LOOK;
            }
        }
    }

    /// Waits until there is something to do. Answers the rules, whether this is the end, and whether somebody asked for a
    /// look.
    fn wait(&self, due: Instant) -> (Rules, bool, bool) {
        let mut state = self.state();
        loop {
            let now = clock::monotonic();
            let until = state.sync_at.map_or(due, |at| at.min(due));
            if state.is_ending || state.has_work || now >= until {
                break;
            }
            let limit = until.saturating_duration_since(now);
            state = self.wake.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0;
        }
        let has_work = std::mem::take(&mut state.has_work);
        (state.rules.clone(), state.is_ending, has_work)
    }

    /// Makes files durable whose second has passed, or all of them.
    fn sync_due(&self, all: bool) {
        let mut state = self.state();
        if !all && state.sync_at.is_none_or(|at| clock::monotonic() < at) {
            return;
        }
        state.sync_at = None;
        let files = std::mem::take(&mut state.to_sync);
        drop(state);
        for (_, file) in files {
            self.told(file.sync_data());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.state().notice = Some(format!("rotated files: {error}"));
        }
    }
}
