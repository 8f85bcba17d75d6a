//! Source lines for tracebacks, read on a lane's thread.

use memchr::memchr2_iter;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::time::SystemTime;

/// Most files remembered, the missing ones included.
const FILES_MAX: usize = 64;

/// Most bytes read of one file. Lines behind are not shown.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most lines known of one file, so that a file of newlines cannot grow an index larger than itself.
const FILE_LINES_MAX: usize = 1 << 18;

/// Most bytes kept of all files together, indexes included. A large program is some hundred files of 20 KiB,
/// of which tracebacks show few.
const CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest source line shown, in bytes.
const LINE_BYTES_MAX: usize = 1024;

/// Lines of source files, kept between renderings.
///
/// At most 64 files and 16 MiB are kept, the longest unused goes first; of one file at most 4 MiB are read.
/// Only regular files are opened, never names such as `<string>`; relative names are taken as they are.
/// A file is read as UTF-8, with U+FFFD for what is not; modules inside archives have no lines. Whether a file
/// changed is asked once per rendering.
#[derive(Debug, Default)]
pub struct SourceCache {
    files: HashMap<Box<str>, Entry>,
    bytes: usize,
    rendering: u64,
    clock: u64,
}

/// What is known of one file. Without lines it is missing or unreadable.
#[derive(Debug)]
struct Entry {
    stamp: Option<Stamp>,
    lines: Lines,
    checked: u64,
    used: u64,
}

/// What changes when a file is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl SourceCache {
    /// A cache that knows no file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a rendering: each file is looked at again when it is first asked for.
    pub(super) fn start_rendering(&mut self) {
        self.rendering += 1;
    }

    /// Line `number` of `filename`, counted from one, without the blanks around it. `None` if there is no
    /// such line or it is blank. A very long line is cut and ends in `…`.
    pub(super) fn line(&mut self, filename: &str, number: u32) -> Option<Cow<'_, str>> {
        if number == 0 || !names_a_file(filename) {
            return None;
        }
        self.refresh(filename);
        self.files.get(filename)?.lines.get(number as usize - 1)
    }

    /// Files remembered, and bytes kept of them.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.files.len(), self.bytes)
    }

    fn refresh(&mut self, filename: &str) {
        self.clock += 1;
        let known = self.files.get_mut(filename);
        if let Some(entry) = known.filter(|entry| entry.checked == self.rendering) {
            entry.used = self.clock;
            return;
        }
        let stamp = Stamp::of(filename);
        if let Some(entry) = self.files.get_mut(filename).filter(|entry| entry.stamp == stamp) {
            entry.checked = self.rendering;
            entry.used = self.clock;
            return;
        }
        self.forget(filename);
        let lines = stamp.and_then(|stamp| Lines::read(filename, stamp.len)).unwrap_or_default();
        self.make_room(lines.cost());
        self.bytes += lines.cost();
        let entry = Entry { stamp, lines, checked: self.rendering, used: self.clock };
        self.files.insert(filename.into(), entry);
    }

    fn make_room(&mut self, bytes: usize) {
        while self.files.len() >= FILES_MAX || self.bytes + bytes > CACHE_BYTES_MAX {
            let oldest = self.files.iter().min_by_key(|(_, entry)| entry.used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            self.forget(&name);
        }
    }

    fn forget(&mut self, filename: &str) {
        if let Some(entry) = self.files.remove(filename) {
            self.bytes -= entry.lines.cost();
        }
    }
}

impl Stamp {
    /// `None` for what is not there or not a regular file: to open a FIFO could block for ever.
    fn of(filename: &str) -> Option<Self> {
        std::fs::metadata(filename).ok().as_ref().and_then(Self::from_metadata)
    }

    fn from_metadata(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self { modified: metadata.modified().ok(), len: metadata.len() })
    }
}

impl Lines {
    /// Reads a file that `metadata` said is regular and `len` bytes long. The kernel's own files say that they
    /// are empty, and some of them block, so nothing is read of an empty file.
    fn read(filename: &str, len: u64) -> Option<Self> {
        if len == 0 {
            return None;
        }
        let file = open(filename)?;
        let mut bytes = Vec::with_capacity(len.min(FILE_BYTES_MAX as u64) as usize);
        file.take(FILE_BYTES_MAX as u64).read_to_end(&mut bytes).ok()?;
        let is_whole = bytes.len() < FILE_BYTES_MAX || len == FILE_BYTES_MAX as u64;
        Some(Self::index(bytes, is_whole))
    }

    fn index(bytes: Vec<u8>, is_whole: bool) -> Self {
        let mut starts = vec![if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }];
        for at in memchr2_iter(b'\n', b'\r', &bytes) {
            // Python takes `\r\n` and a lone `\r` as ends of lines too.
            if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
                continue;
            }
            if starts.len() > FILE_LINES_MAX {
                break;
            }
            starts.push(at as u32 + 1);
        }
        let mut lines = Self { bytes, starts };
        if !is_whole || lines.starts.len() > FILE_LINES_MAX {
            // The last start only ends the line before it: what follows was not read to its end.
            let end = lines.starts.last().copied().unwrap_or(0);
            lines.bytes.truncate(end as usize);
        }
        lines
    }

    fn get(&self, index: usize) -> Option<Cow<'_, str>> {
        let start = *self.starts.get(index)? as usize;
        let end = self.starts.get(index + 1).map_or(self.bytes.len(), |end| *end as usize);
        let bytes = self.bytes.get(start..end)?.trim_ascii();
        if bytes.len() <= LINE_BYTES_MAX {
            let line = match String::from_utf8_lossy(bytes) {
                Cow::Borrowed(line) => Cow::Borrowed(trim(line)),
                Cow::Owned(line) => Cow::Owned(trim(&line).to_owned()),
            };
            return (!line.is_empty()).then_some(line);
        }
        let mut cut = LINE_BYTES_MAX;
        while cut > LINE_BYTES_MAX - 3 && bytes[cut] & 0xc0 == 0x80 {
            cut -= 1;
        }
        Some(format!("{}…", String::from_utf8_lossy(&bytes[..cut])).into())
    }

    fn cost(&self) -> usize {
        self.bytes.capacity() + self.starts.capacity() * size_of::<u32>()
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("bytes", &self.bytes.len()).field("lines", &self.starts.len()).finish()
    }
}

/// Names in angle brackets are Python's for code without a file: `<string>`, `<stdin>`, `<frozen os>`.
fn names_a_file(filename: &str) -> bool {
    !filename.is_empty() && (!filename.starts_with('<') || !filename.ends_with('>'))
}

/// What Python's `str.strip` takes off: white space and the four separators of ASCII.
fn trim(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// Opens a regular file for reading. It is asked again what it is, now that it is open, and never waited for:
/// a FIFO may have taken its place in between.
fn open(filename: &str) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    }
    let file = options.open(filename).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}
