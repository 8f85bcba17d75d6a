//! Small files of settings, read with a limit.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Largest file that is read, far above what people write by hand; a wrong name may stand for a file of any size.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Opens a regular file; anything else might never come to an end.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok((file, metadata))
}

/// All that is in it.
pub(super) fn read(file: File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut content)?;
    Ok(content)
}
