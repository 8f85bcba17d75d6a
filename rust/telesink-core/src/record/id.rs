//! Record ids: `UUIDv7`, made on the calling thread from its own random state.

use std::cell::Cell;

/// A small, fast random generator (`SplitMix64`), one per thread. Not for secrets.
///
/// Seeded from the kernel, and again whenever `generation` changes: after a fork the child would otherwise
/// repeat the parent's ids.
#[derive(Debug)]
pub struct IdSource {
    generation: Cell<u64>,
    state: Cell<u64>,
}

impl IdSource {
    /// A source that seeds itself on first use.
    pub const fn new() -> Self {
        Self { generation: Cell::new(u64::MAX), state: Cell::new(0) }
    }

    /// A source that is seeded now: for random numbers alone, which do not look at the generation.
    pub fn seeded() -> Self {
        let source = Self::new();
        source.seed(0);
        source
    }

    /// The next `UUIDv7` for a record taken at `unix_nano` in process generation `generation`.
    ///
    /// 48 bits of milliseconds, 12 bits of the fraction of a millisecond (so ids made by one thread in one
    /// millisecond still sort by time), 62 random bits.
    #[inline]
    pub fn next_uuid7(&self, unix_nano: u64, generation: u64) -> [u8; 16] {
        if self.generation.get() != generation {
            self.seed(generation);
        }
        let millis = unix_nano / 1_000_000;
        let fraction = (unix_nano % 1_000_000) * 4096 / 1_000_000;
        let high = (millis << 16) | 0x7000 | fraction;
        let low = (self.next_u64() >> 2) | (1 << 63);
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[cold]
    fn seed(&self, generation: u64) {
        self.state.set(random_u64());
        self.generation.set(generation);
    }
}

impl Default for IdSource {
    fn default() -> Self {
        Self::new()
    }
}

/// 64 bits from the kernel's random source.
pub fn random_u64() -> u64 {
    // Without a kernel source (a broken sandbox) ids must still differ between processes and calls.
    getrandom::u64().unwrap_or_else(|_| {
        use std::hash::{BuildHasher, Hasher};
        std::hash::RandomState::new().build_hasher().finish()
    })
}

/// A fresh instance id: identifies one pipeline in one process.
pub fn new_instance(unix_nano: u64) -> [u8; 16] {
    IdSource::new().next_uuid7(unix_nano, 0)
}

/// Writes an id in the usual 36-character form.
pub fn format_uuid(id: &[u8; 16], out: &mut [u8; 36]) {
    uuid::Uuid::from_bytes(*id).hyphenated().encode_lower(out);
}

/// Reads an id in the usual 36-character form.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    // The library reads other forms, too; ids are compared as they are written.
    if text.len() == 36 { uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let source = IdSource::new();
        let earlier = source.next_uuid7(1_700_000_000_000_000_000, 0);
        let later = source.next_uuid7(1_700_000_000_000_300_000, 0);

        assert_eq!(uuid::Uuid::from_bytes(earlier).get_version_num(), 7);
        assert_eq!(uuid::Uuid::from_bytes(earlier).get_variant(), uuid::Variant::RFC4122);
        assert!(earlier < later);
    }

    #[test]
    fn two_seeded_sources_do_not_go_in_step() {
        assert_ne!(IdSource::seeded().next_u64(), IdSource::seeded().next_u64());
    }

    #[test]
    fn a_new_generation_does_not_repeat_the_old_ones_ids() {
        let parent = IdSource::new();
        parent.next_uuid7(1, 0);
        let child = IdSource { generation: parent.generation.clone(), state: parent.state.clone() };

        assert_ne!(parent.next_uuid7(1, 0), child.next_uuid7(1, 1));
    }
}
