//! Numbers that a destination had confirmed and no longer has, each counted once, however often it goes back in time.

/// Stretches kept apart at most; beyond that the two oldest count as one, and what lies between them as gone.
const STRETCHES_MAX: usize = 16;

/// Stretches of numbers: above the first, up to the second; in order, without overlap.
#[derive(Debug, Default)]
pub(super) struct Gone(Vec<(u64, u64)>);

impl Gone {
    /// Everything above `from` up to `to` is gone. Answers how many numbers of it were not known as gone.
    pub(super) fn add(&mut self, from: u64, to: u64) -> u64 {
        if from >= to {
            return 0;
        }
        let before = self.count();
        let (mut from, mut to) = (from, to);
        self.0.retain(|&(first, last)| {
            let is_apart = last < from || to < first;
            if !is_apart {
                (from, to) = (from.min(first), to.max(last));
            }
            is_apart
        });
        let at = self.0.partition_point(|&(first, _)| first < from);
        self.0.insert(at, (from, to));
        let added = self.count() - before;
        if self.0.len() > STRETCHES_MAX {
            let (first, _) = self.0.remove(0);
            self.0[0].0 = first;
        }
        added
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_gone_is_counted_once_however_far_back_the_destination_goes() {
        let mut gone = Gone::default();

        assert_eq!(gone.add(0, 0), 0);
        assert_eq!(gone.add(40, 100), 60);
        assert_eq!(gone.add(150, 200), 50);
        // From a copy older than the first one: only what came before, between and after.
        assert_eq!(gone.add(20, 300), 20 + 50 + 100);
        assert_eq!(gone.add(0, 300), 20);
        assert_eq!(gone.add(0, 300), 0);
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let mut gone = Gone::default();

        let counted: u64 = (0..100).map(|round| gone.add(round * 10, round * 10 + 1)).sum();

        assert_eq!(counted, 100);
        assert!(gone.0.len() <= STRETCHES_MAX);
    }
}
