//! The password file: lines of `host:port:database:user:password`, read at each connect.

use super::environment::SOCKET_DIRECTORIES;
use super::{Host, Secret, Target, files};
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// The bits of a mode that let group and others in.
#[cfg(unix)]
const ACCESS_OF_OTHERS: u32 = 0o077;

impl Target {
    /// The password for a host: the one given, or that of the first line of the password file that fits. A file that
    /// is not there, or in a directory of others, has none: with `HOME=/root` every user would have one.
    ///
    /// # Errors
    /// Others may read the file (libpq passes over it, with a warning), or it cannot be read.
    pub fn password_for(&self, host: &Host) -> Result<Option<Secret>, String> {
        if self.password.is_some() {
            return Ok(self.password.clone());
        }
        let Some(path) = &self.passfile else { return Ok(None) };
        if fs::metadata(path).is_err() {
            return Ok(None);
        }
        let unreadable =
            |error: io::Error| format!("the password file {} cannot be read: {error}", path.display());
        let (file, metadata) = files::open(path).map_err(unreadable)?;
        check_access(path, &metadata)?;
        let content = files::read(file).map_err(unreadable)?;
        let wanted = [&name_in_file(host), &host.port.to_string(), &self.database, &self.user];
        let found = content.split(|byte| *byte == b'\n').find_map(|line| password_in(line, wanted));
        let text = found.map(String::from_utf8).transpose();
        let text = text.map_err(|_| format!("the password in {} is not UTF-8", path.display()))?;
        Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
    }
}

/// The name that a host has in the file: `localhost` for sockets where they are by default.
fn name_in_file(host: &Host) -> String {
    match host.address {
        Some(address) if host.name.is_empty() => address.to_string(),
        _ if SOCKET_DIRECTORIES.contains(&host.name.as_str()) => "localhost".to_owned(),
        _ => host.name.clone(),
    }
}

/// The password of a line whose four fields fit.
fn password_in(line: &[u8], wanted: [&String; 4]) -> Option<Vec<u8>> {
    if line.starts_with(b"#") {
        return None;
    }
    let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
    for text in wanted {
        rest = behind_field(rest, text.as_bytes())?;
    }
    let (password, _) = unescaped(rest);
    Some(password)
}

/// What follows a field that is `wanted` or a lone star.
fn behind_field<'l>(line: &'l [u8], wanted: &[u8]) -> Option<&'l [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (field, rest) = unescaped(line);
    if field == wanted { rest } else { None }
}

/// A field without its backslashes, and what follows its colon, if there is one.
fn unescaped(line: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut field = Vec::new();
    let mut rest = line;
    loop {
        rest = match rest {
            [] => return (field, None),
            [b':', behind @ ..] => return (field, Some(behind)),
            [b'\\', escaped, behind @ ..] | [escaped, behind @ ..] => {
                field.push(*escaped);
                behind
            }
        };
    }
}

/// Refuses a file that others may read, by libpq's rule.
#[cfg(unix)]
fn check_access(path: &Path, metadata: &Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let mode = metadata.mode() & 0o777;
    if mode & ACCESS_OF_OTHERS == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(format!(
        "the password file {path} can be read by others (mode {mode:04o}); make it private: chmod 600 {path}"
    ))
}

#[cfg(not(unix))]
fn check_access(_path: &Path, _metadata: &Metadata) -> Result<(), String> {
    Ok(())
}
