//! What a kind of sink knows about records that belong together; the lane's coalesce stage asks it.

use crate::record::Record;
use std::sync::Arc;
use std::time::Duration;

/// Names a thing of which records tell one after another: a span id.
pub type MemberKey = [u8; 8];

/// Names a group of such things: a trace id.
pub type GroupKey = [u8; 16];

/// How a record belongs to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To none: it passes at once.
    Alone,
    /// It tells of one thing.
    Member {
        /// Which.
        key: MemberKey,
        /// The group that the thing belongs to.
        group: GroupKey,
        /// Whether nothing more is expected of it, so that it need not be held.
        is_complete: bool,
    },
    /// It tells what all members of a group share.
    Group {
        /// Which.
        key: GroupKey,
    },
}

/// Joins records of one thing. Pure: what it answers depends on the records alone.
pub trait Merge: Send {
    /// How a record belongs to others.
    fn part(&self, record: &Record) -> Part;

    /// Whether two records of one key tell of one thing: a program may use a name again in another group.
    fn is_same(&self, earlier: &Record, later: &Record) -> bool;

    /// One record that says what both say; of two words on one field the later one holds.
    fn join(&mut self, earlier: &Record, later: &Record) -> Record;

    /// What a member of a group carries of the group's own record: encoded attribute fields. With `is_news` the member
    /// is the first since the group's record changed, and stands for that record too.
    fn shared(&self, group: &Record, is_news: bool) -> Arc<[u8]>;
}

/// What a sink's plan asks of the coalesce stage.
#[derive(Clone)]
pub struct CoalescePlan {
    /// How long a record that is not complete waits for what belongs to it.
    pub hold: Duration,
    /// Makes what joins the records; called on the lane's thread.
    pub merge: Arc<dyn Fn() -> Box<dyn Merge> + Send + Sync>,
}

impl std::fmt::Debug for CoalescePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoalescePlan").field("hold", &self.hold).finish_non_exhaustive()
    }
}
