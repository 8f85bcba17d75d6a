//! The file that lines of one signal of one service are appended to.
//!
//! Every append holds a lock on the file: several processes, and several lanes of one, may share a folder, and each sees
//! whole lines and the true size. What was renamed away meanwhile, by another process's rotation or by somebody else's,
//! is noticed under the lock, so that nothing is ever written behind a file that is complete.

use super::folder::Folder;
use super::retain::rotated_of;
use super::rules::Rules;
use super::stamp::Rotated;
use crate::descriptors::Identity;
use crate::fork;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, UNIX_EPOCH};

/// Longest wait for a lock that others hold: an append takes microseconds, and the lane tries again. Forks wait as long.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(500);

/// Between two looks at a lock; the first ones are quick, because mostly it is free at once.
const LOCK_PAUSES: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(1)];

/// Quick looks before the slow ones.
const LOCK_LOOKS_QUICK: u32 = 20;

/// How often a file is opened again because it was moved between opening and locking it.
const MOVES_MAX: u32 = 100;

/// Names that are tried for a rotated file; each that is taken has the folder looked through again.
const NAMES_MAX: u32 = 1_000;

/// How far back a torn line may begin; longer ones are ended where they stand.
const TORN_BYTES_MAX: u64 = 64 << 20;

/// Lines on their way: their text, and the end of each in it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: Vec<u8>,
    pub(super) ends: Vec<usize>,
}

impl Lines {
    /// Ends the line that was begun behind the last one.
    pub(super) fn end(&mut self) {
        self.text.push(b'\n');
        self.ends.push(self.text.len());
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn start_of(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }
}

/// What an append did.
#[derive(Debug)]
pub(super) struct Appended {
    /// So many lines from the front are in the file.
    pub(super) lines: usize,
    /// Whether a file was rotated away.
    pub(super) has_rotated: bool,
    /// Why it stopped there.
    pub(super) error: Option<io::Error>,
}

/// A file that is opened when something is to be written, and again when it is no longer there.
#[derive(Debug)]
pub(super) struct ActiveFile {
    signal: &'static str,
    name: String,
    open: Option<(File, Option<Identity>)>,
    /// Whether something was written since [`ActiveFile::take_unsynced`].
    is_dirty: bool,
    /// The latest name of a rotated file that is known, in milliseconds since the Unix epoch.
    newest: Option<u64>,
}

impl Drop for ActiveFile {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl ActiveFile {
    pub(super) fn new(signal: &'static str) -> Self {
        Self { signal, name: format!("{signal}.jsonl"), open: None, is_dirty: false, newest: None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes the file; the next append opens it again.
    pub(super) fn let_go(&mut self) {
        if let Some((file, identity)) = self.open.take()
            && Identity::of(&file) != identity
        {
            // The program has closed it, and the number leads to a file of its own.
            std::mem::forget(file);
        }
    }

    /// Appends whole lines, as many to each file as the rules allow. A line is either in a file or not; where an
    /// attempt stops in the middle of one, that part is cut off again.
    pub(super) fn append(
        &mut self,
        folder: &Folder,
        lines: &Lines,
        rules: &Rules,
        now_unix_nano: u64,
    ) -> Appended {
        let mut appended = Appended { lines: 0, has_rotated: false, error: None };
        let mut moves = 0;
        while appended.lines < lines.ends.len() && appended.error.is_none() {
            moves += 1;
            let step = self.append_to_one(folder, lines, rules, now_unix_nano, &mut appended);
            match step {
                Ok(Step::Written) => moves = 0,
                Ok(Step::Moved) if moves < MOVES_MAX => appended.error = self.leave(rules).err(),
                Ok(Step::Moved) => {
                    appended.error = Some(io::Error::other("it is moved away again and again"));
                }
                Err(error) => appended.error = Some(error),
            }
        }
        appended
    }

    /// Closes a file that was moved away, with what was written to it made durable where that was asked for.
    fn leave(&mut self, rules: &Rules) -> io::Result<()> {
        let synced = if rules.is_durable { self.sync() } else { Ok(()) };
        self.let_go();
        synced
    }

    fn append_to_one(
        &mut self,
        folder: &Folder,
        lines: &Lines,
        rules: &Rules,
        now_unix_nano: u64,
        appended: &mut Appended,
    ) -> io::Result<Step> {
        if self.open.as_ref().is_some_and(|(file, identity)| Identity::of(file) != *identity) {
            self.let_go();
        }
        if self.open.is_none() {
            let file = folder.append_to(&self.name)?;
            let identity = Identity::of(&file);
            self.open = Some((file, identity));
        }
        let Some((file, identity)) = &self.open else { return Ok(Step::Moved) };
        // No fork while the lock is held: the child would hold it too.
        let _inside = fork::enter();
        let locked = Locked::new(file)?;
        if folder.is_file_elsewhere(&self.name, *identity) {
            return Ok(Step::Moved);
        }
        let found = file.metadata()?;
        let size = mend_end(file, found.len())?;
        let first = lines.start_of(appended.lines);
        let first_bytes = (lines.ends[appended.lines] - first) as u64;
        if size > 0 && is_due(rules, &found, size + first_bytes, now_unix_nano) {
            rotate(self.signal, &self.name, folder, now_unix_nano, &mut self.newest)?;
            appended.has_rotated = true;
            return Ok(Step::Moved);
        }
        let room = rules.rotate_bytes.map_or(u64::MAX, |bytes_max| bytes_max.saturating_sub(size));
        let fits = |end: &&usize| (**end - first) as u64 <= room;
        // At least one: what is larger than a file gets a file of its own.
        let count = lines.ends[appended.lines..].iter().take_while(fits).count().max(1);
        let end = lines.ends[appended.lines + count - 1];
        self.is_dirty = true;
        match write_whole(file, &lines.text[first..end]) {
            Ok(()) => appended.lines += count,
            Err((written, error)) => {
                appended.lines += cut_back(file, &locked, lines, appended.lines, size, written);
                return Err(error);
            }
        }
        Ok(Step::Written)
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty
            && let Some((file, _)) = &self.open
        {
            file.sync_data()?;
        }
        self.is_dirty = false;
        Ok(())
    }

    /// A copy of the file if it holds something that is not durable yet and was not handed out before.
    pub(super) fn take_unsynced(&mut self) -> io::Result<Option<File>> {
        if !self.is_dirty {
            return Ok(None);
        }
        let copy = self.open.as_ref().map(|(file, _)| file.try_clone()).transpose()?;
        self.is_dirty = false;
        Ok(copy)
    }
}

/// What became of one look at the file.
enum Step {
    Written,
    /// Its name leads to another file now, or to none.
    Moved,
}

/// A lock on a file, for as long as this lives.
struct Locked<'f> {
    file: &'f File,
    /// False on file systems without locks, where only one process may write.
    is_held: bool,
}

impl<'f> Locked<'f> {
    fn new(file: &'f File) -> io::Result<Self> {
        let mut waited = Duration::ZERO;
        let mut looks = 0;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file, is_held: true }),
                Err(TryLockError::Error(_)) => return Ok(Self { file, is_held: false }),
                Err(TryLockError::WouldBlock) if waited >= LOCK_WAIT_MAX => {
                    let text = "another process holds its lock";
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                Err(TryLockError::WouldBlock) => {
                    let pause = LOCK_PAUSES[usize::from(looks >= LOCK_LOOKS_QUICK)];
                    std::thread::park_timeout(pause);
                    waited += pause;
                    looks += 1;
                }
            }
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if self.is_held {
            // Should it fail, closing the file ends the lock.
            drop(self.file.unlock());
        }
    }
}

/// Whether the file is to be rotated before anything is written that makes it this long.
fn is_due(rules: &Rules, found: &Metadata, bytes: u64, now_unix_nano: u64) -> bool {
    if rules.rotate_bytes.is_some_and(|bytes_max| bytes > bytes_max) {
        return true;
    }
    let Some(period) = rules.rotate_period.map(|period| period.as_nanos() as u64) else { return false };
    let written = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    written.is_some_and(|at| now_unix_nano / period > at.as_nanos() as u64 / period)
}

/// Gives the file its rotated name, which is later than that of every other one, whatever the clock says; the lock is
/// held. `newest` is the latest that is known here; the folder is looked through where none is, or the next is taken.
fn rotate(
    signal: &str,
    name: &str,
    folder: &Folder,
    now_unix_nano: u64,
    newest: &mut Option<u64>,
) -> io::Result<()> {
    for _ in 0..NAMES_MAX {
        let known = match *newest {
            Some(known) => known,
            None => newest_of(signal, folder)?,
        };
        let at_millis = (now_unix_nano / 1_000_000).max(known + 1);
        let [plain, gzip] = [false, true].map(|is_gzip| Rotated { at_millis, is_gzip }.name(signal));
        let renamed = if folder.has(&gzip) {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            folder.rename(name, &plain)
        };
        match renamed {
            // Another process was here.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => *newest = None,
            other => {
                *newest = Some(at_millis);
                return other;
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free for the rotated file"))
}

fn newest_of(signal: &str, folder: &Folder) -> io::Result<u64> {
    let rotated = rotated_of(signal, &folder.names()?, |_| Some(0));
    Ok(rotated.first().map_or(0, |found| found.rotated.at_millis))
}

/// Writes all of it, with one call where the system takes it whole. Answers how much is in the file if that fails.
fn write_whole(mut file: &File, text: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < text.len() {
        match file.write(&text[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Cuts off what was written of a line that is not whole, and answers how many whole ones stay.
fn cut_back(
    file: &File,
    locked: &Locked<'_>,
    lines: &Lines,
    from: usize,
    size: u64,
    written: usize,
) -> usize {
    let first = lines.start_of(from);
    let whole = lines.ends[from..].iter().take_while(|end| **end - first <= written).count();
    let kept = if whole == 0 { 0 } else { lines.ends[from + whole - 1] - first };
    // Without a lock others may have appended meanwhile; then, as if it fails, the torn line is mended by the next append.
    if locked.is_held && kept < written {
        drop(file.set_len(size + kept as u64));
    }
    whole
}

/// Takes away a line without an end: its process was killed in the middle of it, or its disk was full and stayed so. Whoever
/// writes here holds the lock, so nobody is in the middle of it now. Answers the size behind that.
fn mend_end(file: &File, size: u64) -> io::Result<u64> {
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last == *b"\n" {
        return Ok(size);
    }
    let mut piece = vec![0; 64 * 1024];
    let mut end = size;
    while end > 0 && size - end < TORN_BYTES_MAX {
        let start = end.saturating_sub(piece.len() as u64);
        let piece = &mut piece[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(at) = memchr::memrchr(b'\n', piece) {
            let kept = start + at as u64 + 1;
            file.set_len(kept)?;
            return Ok(kept);
        }
        end = start;
    }
    if end == 0 {
        file.set_len(0)?;
        return Ok(0);
    }
    write_whole(file, b"\n").map_err(|(_, error)| error)?;
    Ok(size + 1)
}
