//! What stands between `://` and the query, by the shape of the scheme.

use super::{mask, options, percent};
use crate::error::ConfigError;
use std::path::{Path, PathBuf};

/// A database in memory would be private to the one connection that writes it.
pub(super) fn in_memory(scheme: &str) -> ConfigError {
    ConfigError::new(
        format!("{scheme}:// names no file, and nobody could read a database in memory"),
        "name a file, as in sqlite:///app.db, or use memory:// to read records in this process",
    )
}

/// The path behind `sqlite://`: one slash ends the empty host, the rest is the path.
pub(super) fn file_path(scheme: &str, target: &str, base_directory: &Path) -> Result<PathBuf, ConfigError> {
    let decoded = percent::decode(target, "path in the dsn")?;
    if matches!(decoded.as_str(), "" | "/") || decoded.ends_with(":memory:") {
        return Err(in_memory(scheme));
    }
    let Some(path) = decoded.strip_prefix('/') else {
        return Err(ConfigError::new(
            format!("{scheme}:// takes no host: a path begins with a third slash"),
            format!("write {scheme}:///app.db (relative) or {scheme}:////var/lib/app.db (absolute)"),
        ));
    };
    let refuse = |what: &str, hint: &str| Err(ConfigError::new(format!("the path in the dsn {what}"), hint));
    if path.starts_with("~/") || path == "~" {
        return refuse("begins with `~`, which is not expanded", "write the home directory in full");
    }
    if target.split_once('&').is_some_and(|(_, behind)| behind.contains('=')) {
        return refuse("holds an option behind `&`", "options begin with `?`; write %26 where `&` is meant");
    }
    if path.ends_with(['/', '\\']) || Path::new(path).file_name().is_none() {
        return refuse("is a directory", "name a file, as in sqlite:///logs/app.db");
    }
    if Path::new(path).has_root() || mask::has_drive(path) {
        return Ok(tidy(Path::new(path)));
    }
    if !base_directory.is_absolute() {
        return refuse("is relative, and so is the base directory", "write an absolute path");
    }
    Ok(tidy(&base_directory.join(path)))
}

/// The path of a folder: absolute behind `://`, relative to the base directory behind a bare colon.
pub(super) fn folder_path(
    scheme: &str,
    target: &str,
    has_slashes: bool,
    base_directory: &Path,
) -> Result<PathBuf, ConfigError> {
    let path = percent::decode(target, "path in the dsn")?;
    let refuse = |what: &str| {
        let hint = format!("write {scheme}:///var/log/app (absolute) or {scheme}:logs/app (relative)");
        Err(ConfigError::new(what.to_owned(), hint))
    };
    if matches!(path.as_str(), "" | "/") {
        return refuse(&format!("{scheme}: names no folder"));
    }
    if path == "~" || path.starts_with("~/") || path.starts_with("/~") {
        return refuse("the path in the dsn begins with `~`, which is not expanded");
    }
    if target.split_once('&').is_some_and(|(_, behind)| behind.contains('=')) {
        return Err(ConfigError::new(
            "the path in the dsn holds an option behind `&`",
            "options begin with `?`; write %26 where `&` is meant",
        ));
    }
    // On Windows a drive follows the third slash.
    let path = path.strip_prefix('/').filter(|rest| mask::has_drive(rest)).unwrap_or(&path);
    if Path::new(path).has_root() || mask::has_drive(path) {
        return Ok(tidy(Path::new(path)));
    }
    if has_slashes {
        return refuse(&format!("{scheme}:// takes no host: a path begins with a third slash"));
    }
    if !base_directory.is_absolute() {
        return refuse("the path in the dsn is relative, and so is the base directory");
    }
    Ok(tidy(&base_directory.join(path)))
}

/// Without `.` and doubled slashes, so that two ways to write one path compare equal. `..` stays: behind a
/// symbolic link it does not lead back.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

/// One of `words`, or nothing.
pub(super) fn choice(scheme: &str, target: &str, words: &[&str]) -> Result<String, ConfigError> {
    let word = target.strip_suffix('/').unwrap_or(target).to_ascii_lowercase();
    if word.is_empty() || words.contains(&word.as_str()) {
        return Ok(word);
    }
    let suggestion = options::suggestion(&word, words.iter().copied());
    Err(ConfigError::new(
        format!("{scheme}:// takes nothing or {} behind it{suggestion}", options::either(words)),
        format!("write {scheme}://"),
    ))
}

/// A name of the user's choice, or nothing.
pub(super) fn name(scheme: &str, target: &str) -> Result<String, ConfigError> {
    let name = percent::decode(target.strip_suffix('/').unwrap_or(target), "name in the dsn")?;
    if name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Ok(name);
    }
    Err(ConfigError::new(
        format!("the name behind {scheme}:// holds other characters than letters, digits, `_`, `-` and `.`"),
        format!("write {scheme}:// or {scheme}://name"),
    ))
}

/// Nothing but options.
pub(super) fn nothing(scheme: &str, target: &str) -> Result<(), ConfigError> {
    if target.is_empty() || target == "/" {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("{scheme}:// takes nothing behind it but options"),
        format!("write {scheme}://"),
    ))
}
