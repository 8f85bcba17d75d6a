//! Which records a lane wants: a level, and logger names to include or exclude.

use std::sync::atomic::{AtomicI32, Ordering};

/// A lane's filter. The level may change while the lane runs; the names may not.
#[derive(Debug)]
pub struct Filter {
    level: AtomicI32,
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Filter {
    /// A filter. A name covers the logger of that name and those below it, as in `logging`.
    pub fn new(level: i32, include: Vec<String>, exclude: Vec<String>) -> Self {
        Self { level: AtomicI32::new(level), include, exclude }
    }

    /// Records below it are not offered.
    pub fn level(&self) -> i32 {
        self.level.load(Ordering::Relaxed)
    }

    /// Whether it looks at more than the level.
    pub fn names_loggers(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// Changes the level.
    pub fn set_level(&self, level: i32) {
        self.level.store(level, Ordering::Relaxed);
    }

    /// Whether a record of `logger` at `levelno` is wanted.
    #[inline]
    pub fn admits(&self, levelno: i32, logger: &str) -> bool {
        levelno >= self.level()
            && (self.include.is_empty() || self.include.iter().any(|name| covers(name, logger)))
            && (self.exclude.is_empty() || !self.exclude.iter().any(|name| covers(name, logger)))
    }
}

/// Whether `logger` is `name` or stands below it.
fn covers(name: &str, logger: &str) -> bool {
    logger.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cover_whole_segments_and_exclusion_wins() {
        let filter = Filter::new(20, vec!["shop".into()], vec!["shop.noise".into()]);

        assert!(filter.admits(20, "shop"));
        assert!(filter.admits(20, "shop.cart"));
        assert!(!filter.admits(20, "shopping"));
        assert!(!filter.admits(20, "shop.noise.deep"));
        assert!(!filter.admits(10, "shop"));
        assert!(!filter.admits(20, "other"));
    }
}
