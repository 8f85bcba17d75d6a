//! Who else could have put a file there: what is checked before anything is written into a folder of others.

use std::io;

/// Refuses a folder in which everybody may exchange a file for another.
#[cfg(unix)]
pub(crate) fn check_folder(folder: &rustix::fs::Stat) -> io::Result<()> {
    use rustix::fs::Mode;

    let mode = Mode::from_raw_mode(folder.st_mode);
    if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
        return Err(refused("everybody may write to its folder, and the folder is not sticky"));
    }
    Ok(())
}

/// Refuses a file that somebody else may have put there, or that has another name in a place of their choice.
#[cfg(unix)]
pub(crate) fn check_file(file: &rustix::fs::Stat) -> io::Result<()> {
    use rustix::fs::FileType;

    if FileType::from_raw_mode(file.st_mode) != FileType::RegularFile {
        return Err(refused("it is no regular file"));
    }
    check_owner(file)?;
    if file.st_nlink > 1 {
        return Err(refused("it has a second name (a hard link)"));
    }
    Ok(())
}

/// Refuses what belongs to somebody who is neither this user nor root.
#[cfg(unix)]
pub(crate) fn check_owner(found: &rustix::fs::Stat) -> io::Result<()> {
    if found.st_uid != 0 && found.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refused("it belongs to another user"));
    }
    Ok(())
}

/// The error of something that is there and must not be used.
pub(crate) fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
