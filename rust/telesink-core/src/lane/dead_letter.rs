//! The dead-letter file: refused records, one JSON object a line, with the reason.

mod line;

use crate::descriptors::Identity;
use crate::private_file::refused;
#[cfg(unix)]
use crate::private_file::{check_file, check_folder};
use crate::sinks::Entry;
use line::line;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest reason kept, in bytes; servers put whole rows into their messages.
const REASON_BYTES_MAX: usize = 500;

/// Between two looks at an end that is no end of a line, and how many before it is taken for torn: another process may
/// be in the middle of its write, which takes microseconds.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS_MAX: u32 = 5;

/// Looks at a lock that another process holds, which appends or replays the file: then the line is written anyway.
const TURNS_MAX: u32 = 10;

/// A bounded NDJSON file with mode 0600. Several lanes and processes may share one: each line is one `write` in
/// append mode. Nothing is ever cut off the file, because others may have appended meanwhile.
#[derive(Debug)]
pub(super) struct DeadLetter {
    path: PathBuf,
    bytes_max: u64,
    file: Option<(File, Option<Identity>)>,
}

/// Why and by whom a record was refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict<'a> {
    /// The lane's name.
    pub sink: &'a str,
    /// Short cause, for example `constraint`.
    pub code: &'a str,
    /// The destination's words.
    pub reason: &'a str,
    /// The pipeline in this process.
    pub instance: &'a [u8; 16],
    /// When, nanoseconds since the Unix epoch.
    pub now_unix_nano: u64,
    /// The name of its logger, tracer or meter.
    pub logger: &'a str,
    /// The resource of the program that it comes from, a JSON object.
    pub resource: &'a str,
}

impl DeadLetter {
    /// A file at `path` of at most `bytes_max` bytes; opened with the first record.
    pub(super) fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max, file: None }
    }

    /// Appends one record.
    ///
    /// # Errors
    /// The file cannot be opened or written, is not only ours, or would grow past its bound.
    pub(super) fn append(&mut self, entry: &Entry, verdict: &Verdict<'_>) -> io::Result<()> {
        let line = line(entry, verdict);
        let bytes_max = self.bytes_max;
        let result = self.file().and_then(|file| put(file, line, bytes_max));
        if result.is_err() {
            // Full, or on a disk that went away: open it anew next time.
            self.file = None;
        }
        result
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if let Some((file, identity)) = &self.file
            && Identity::of(file) != *identity
        {
            // The program has closed it, and the number leads to a file of its own.
            std::mem::forget(self.file.take());
        }
        if self.file.as_ref().is_some_and(|(_, identity)| is_elsewhere(&self.path, *identity)) {
            // Moved away or deleted, as after a replay: what is written there now is for nobody.
            self.file = None;
        }
        match &mut self.file {
            Some((file, _)) => Ok(file),
            empty => {
                let file = open_private(&self.path)?;
                let identity = Identity::of(&file);
                Ok(&mut empty.insert((file, identity)).0)
            }
        }
    }
}

/// Appends one line while no other process does, so that none comes between the look at the end and the write.
fn put(file: &mut File, line: Vec<u8>, bytes_max: u64) -> io::Result<()> {
    let is_locked = lock(file);
    let result = put_alone(file, line, bytes_max);
    if is_locked {
        // Should it fail, others wait their ten milliseconds; what is written is written.
        drop(file.unlock());
    }
    result
}

/// Whether the lock was free within the time.
fn lock(file: &File) -> bool {
    for _ in 0..TURNS_MAX {
        match file.try_lock() {
            Ok(()) => return true,
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOOK),
            // A file system without locks.
            Err(TryLockError::Error(_)) => return false,
        }
    }
    false
}

/// Appends one line, on a line of its own, with one `write`.
fn put_alone(file: &mut File, mut line: Vec<u8>, bytes_max: u64) -> io::Result<()> {
    if is_torn(file)? {
        line.insert(0, b'\n');
    }
    if file.metadata()?.len() + line.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the dead-letter file is at its bound"));
    }
    if io::Write::write(file, &line)? < line.len() {
        let text = "only a part of the line could be written; free some space";
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    Ok(())
}

/// Whether the last line has no end: its disk was full, or its process was killed in the middle of it.
fn is_torn(file: &mut File) -> io::Result<bool> {
    for look in 0..LOOKS_MAX {
        if look > 0 {
            std::thread::park_timeout(LOOK);
        }
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            // The position counts for reading only: the file is in append mode.
            io::Seek::seek(file, io::SeekFrom::End(-1))?;
            io::Read::read_exact(file, &mut last)?;
        }
        if last == [b'\n'] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the path certainly does not name the open file any more. Where it cannot be told, as in a folder that this
/// user may not look into any more, the file that is open is better than none.
#[cfg(unix)]
fn is_elsewhere(path: &Path, identity: Option<Identity>) -> bool {
    use rustix::io::Errno;

    match rustix::fs::lstat(path) {
        Ok(found) => Some(Identity::from(&found)) != identity,
        Err(error) => matches!(error, Errno::NOENT | Errno::NOTDIR),
    }
}

#[cfg(not(unix))]
fn is_elsewhere(path: &Path, _identity: Option<Identity>) -> bool {
    !path.exists()
}

#[cfg(unix)]
fn open_private(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open, openat};

    let name = path.file_name().ok_or_else(|| refused("the path names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The file is opened in the folder that was looked at, whatever its path names meanwhile. Where the system has
    // it, by a descriptor that needs no right to list the folder.
    #[cfg(target_os = "linux")]
    let access = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    let access = OFlags::RDONLY;
    let folder = open(folder, access | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    check_folder(&rustix::fs::fstat(&folder)?)?;
    // 0600 whatever the umask: the file holds what people logged. No symbolic links: another user may have put one
    // there. Non-blocking: a FIFO must not hang the lane.
    // Read as well: how the last line ends.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND;
    let guards = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&folder, name, flags | guards, Mode::RUSR | Mode::WUSR)?;
    check_file(&rustix::fs::fstat(&file)?)?;
    Ok(File::from(file))
}

#[cfg(not(unix))]
fn open_private(path: &Path) -> io::Result<File> {
    let file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("it is no regular file")) }
}

/// A server's words without control characters, cut to a bound.
pub(crate) fn clean_reason(reason: &str) -> String {
    let cut = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    cut.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The line of a record that was refused with these words; for the fuzz targets.
#[cfg(fuzzing)]
pub fn dead_letter_line(entry: &Entry, code: &str, reason: &str, logger: &str) -> Vec<u8> {
    let verdict =
        Verdict { sink: logger, code, reason, instance: &[3; 16], now_unix_nano: 1, logger, resource: "{}" };
    line(entry, &verdict)
}
