//! What an instance's numbers add up to. Only fields: [`Book`](super::Book) counts.

/// What became of the numbers of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Rows stored.
    pub rows: u64,
    /// The lowest number stored, 0 if there is none.
    pub first: u64,
    /// The highest number stored, 0 if there is none.
    pub last: u64,
    /// Where the ledger stands; none if its row was swept.
    pub ledger: Option<u64>,
    /// How many sinks of the process write here, as the ledger says. Numbers of more than one cannot be told apart, and
    /// are not judged.
    pub lanes: u64,
    /// Whether it only replayed what others had numbered. Its own numbers are not judged: the holes of those others
    /// are.
    pub is_replay: bool,
    /// Numbers in front of the first row that are taken for deleted: retention takes the oldest.
    pub retired: u64,
    /// Stretches of numbers that are not there.
    pub holes: u64,
    /// Numbers that are not there.
    pub missing: u64,
    /// Of them, those that a loss marker tells of.
    pub covered: u64,
    /// Of the others, those in the dead-letter file.
    pub dead_lettered: u64,
    /// Of the others, those that were replayed.
    pub replayed: u64,
    /// Of the others, all.
    pub unexplained: u64,
    /// Rows too many: the same number twice, or replayed twice, or replayed although it was there.
    pub duplicates: u64,
    /// The first stretches without a reason.
    pub shown: Vec<(u64, u64)>,
}
