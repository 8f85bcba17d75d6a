//! Which field names hide their value.
//!
//! Names are compared without ASCII case, and `-` equals `_`: `X-Api-Key` is `x_api_key`. A name is first run through
//! a small bit filter that costs about half a nanosecond per byte and lets nearly all harmless names go; only the rest
//! is walked through an automaton of all rules. Neither allocates.

use std::fmt;

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};

use crate::error::ConfigError;

/// Most rules of one set, defaults not counted. Chosen: far above any real list, and the automaton stays small.
const NAMES_MAX: usize = 1_000;

/// Longest rule. Chosen: longer than any field name in use.
const NAME_BYTES_MAX: usize = 256;

/// The default rules. `ssn` is no substring rule, because `classname` has one; `session` is no rule at all, because
/// `session_id` says whose record it is. Substring rules are generous on purpose: `tokenizer` is hidden, and a
/// `keep` entry brings it back.
const DEFAULT_RULES: &[(Kind, &str)] = &[
    (Kind::Contains, "password"),
    (Kind::Contains, "passwd"),
    (Kind::Contains, "secret"),
    (Kind::Contains, "token"),
    (Kind::Contains, "cookie"),
    (Kind::Contains, "authorization"),
    (Kind::Contains, "credential"),
    (Kind::Contains, "api_key"),
    (Kind::Contains, "apikey"),
    (Kind::Contains, "private_key"),
    (Kind::Contains, "privatekey"),
    (Kind::Contains, "bearer"),
    (Kind::Contains, "csrf"),
    (Kind::Contains, "credit_card"),
    (Kind::Contains, "creditcard"),
    (Kind::EndsWith, "_cert"),
    (Kind::EndsWith, "_pem"),
    (Kind::EndsWith, "_ssn"),
    (Kind::Equals, "auth"),
    (Kind::Equals, "cert"),
    (Kind::Equals, "pem"),
    (Kind::Equals, "ssn"),
];

/// How a rule is held against a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Contains,
    EndsWith,
    Equals,
}

struct Rule {
    kind: Kind,
    word: Vec<u8>,
}

impl Rule {
    /// Reads `word`, `*word` or `=word`.
    fn parse(entry: &str) -> Result<Self, ConfigError> {
        let (kind, word) = match entry.as_bytes().first() {
            Some(b'*') => (Kind::EndsWith, &entry[1..]),
            Some(b'=') => (Kind::Equals, &entry[1..]),
            _ => (Kind::Contains, entry),
        };
        if word.len() > NAME_BYTES_MAX {
            return Err(ConfigError::new(
                format!("redact name is {} bytes long; allowed are {NAME_BYTES_MAX}", word.len()),
                "shorten the name, or use a pattern",
            ));
        }
        let problem = if word.is_empty() || word.trim() != word {
            "is empty or has white space around it"
        } else if word.contains(['*', '=']) {
            "has `*` or `=` inside"
        } else {
            return Ok(Self { kind, word: folded(word) });
        };
        Err(ConfigError::new(
            format!("redact name {entry:?} {problem}"),
            "write `word` for names that contain it, `*word` for names that end with it, `=word` for this name only",
        ))
    }
}

/// The compiled rules.
pub(super) struct NameRules {
    filter: Filter,
    /// All words in one automaton. `None` if it could not be built, which the limits rule out; the filter then
    /// decides alone and hides too much rather than too little.
    automaton: Option<NFA>,
    /// Kind and length of each word of the automaton.
    rules: Vec<(Kind, usize)>,
    /// Names never hidden: folded, sorted.
    keep: Vec<Vec<u8>>,
}

impl NameRules {
    /// The default rules, or none.
    pub(super) fn built_in(defaults: bool) -> Self {
        Self::compile(&default_rules(defaults), &[])
    }

    /// The user's rules, after the default ones if asked for.
    pub(super) fn build(names: &[String], keep: &[String], defaults: bool) -> Result<Self, ConfigError> {
        if names.len() > NAMES_MAX || keep.len() > NAMES_MAX {
            return Err(ConfigError::new(
                format!(
                    "redact has {} names and {} kept names; allowed are {NAMES_MAX}",
                    names.len(),
                    keep.len()
                ),
                "join names by a shorter word they share, or use a pattern",
            ));
        }
        let mut rules = default_rules(defaults);
        for entry in names {
            rules.push(Rule::parse(entry)?);
        }
        Ok(Self::compile(&rules, keep))
    }

    fn compile(rules: &[Rule], keep: &[String]) -> Self {
        let mut keep: Vec<_> = keep.iter().map(|name| folded(name)).collect();
        keep.sort_unstable();
        let words = rules.iter().map(|rule| &rule.word);
        Self {
            filter: Filter::build(rules),
            // `Standard` reports every word that ends at a byte, which suffix and exact rules need beside the others.
            automaton: NFA::builder().match_kind(MatchKind::Standard).build(words).ok(),
            rules: rules.iter().map(|rule| (rule.kind, rule.word.len())).collect(),
            keep,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn hides(&self, name: &str) -> bool {
        self.filter.may_match(name.as_bytes())
            && self.matches(name.as_bytes())
            && !self.keeps(name.as_bytes())
    }

    /// Whether the name is one of those never hidden.
    pub(super) fn keeps(&self, name: &[u8]) -> bool {
        let order = |kept: &Vec<u8>| kept.iter().copied().cmp(name.iter().map(|&byte| fold(byte)));
        !self.keep.is_empty() && self.keep.binary_search_by(order).is_ok()
    }

    /// The exact answer, one step per byte.
    #[cold]
    fn matches(&self, name: &[u8]) -> bool {
        let Some(automaton) = &self.automaton else { return true };
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return true };
        for (index, &byte) in name.iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, fold(byte));
            if !automaton.is_special(state) || !automaton.is_match(state) {
                continue;
            }
            let is_last = index + 1 == name.len();
            for nth in 0..automaton.match_len(state) {
                let (kind, length) = self.rules[automaton.match_pattern(state, nth).as_usize()];
                match kind {
                    Kind::Contains => return true,
                    Kind::EndsWith if is_last => return true,
                    Kind::Equals if is_last && length == name.len() => return true,
                    Kind::EndsWith | Kind::Equals => {}
                }
            }
        }
        false
    }
}

impl fmt::Debug for NameRules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NameRules")
            .field("names", &self.rules.len())
            .field("keep", &self.keep.len())
            .finish_non_exhaustive()
    }
}

fn default_rules(defaults: bool) -> Vec<Rule> {
    let rules = if defaults { DEFAULT_RULES } else { &[] };
    rules.iter().map(|&(kind, word)| Rule { kind, word: folded(word) }).collect()
}

/// Lower case, and `-` as `_`.
fn fold(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }
}

fn folded(word: &str) -> Vec<u8> {
    word.bytes().map(fold).collect()
}

/// Bytes of a rule the filter looks at.
const WINDOW: usize = 4;
/// Groups of rules; one lane of bits per window position.
const LANE_BITS: usize = 16;
/// Groups that count anywhere in a name. The others count only at its end, so that `certificate` need not be
/// walked because of the rule `=cert`.
const ANYWHERE_GROUPS: usize = 12;
const ANYWHERE: u64 = (1 << ANYWHERE_GROUPS) - 1;
const AT_END: u64 = !ANYWHERE & 0xffff;

/// Shift-or over windows of four bytes: may say yes wrongly, never no.
///
/// Bit `position * 16 + group` of a byte's entry is clear if the byte can stand at that position in a rule of that
/// group. The state is shifted by one lane per byte, so a clear bit in the last lane means four fitting bytes in a
/// row. Two dependent operations per byte, against about six cycles for a step of an automaton.
struct Filter {
    misses: Box<[u64; 256]>,
    /// The state before the first byte: only positions a short rule leaves open have been passed.
    initial: u64,
}

impl Filter {
    fn build(rules: &[Rule]) -> Self {
        let mut filter = Self { misses: Box::new([u64::MAX; 256]), initial: u64::MAX };
        // A substring rule is known by its first bytes, because those are rarer in names than endings such as `tion`
        // and `_key`; the others must be known by their last.
        let mut heads: Vec<_> = rules
            .iter()
            .filter(|rule| rule.kind == Kind::Contains)
            .map(|rule| &rule.word[..rule.word.len().min(WINDOW)])
            .collect();
        let mut tails: Vec<_> = rules
            .iter()
            .filter(|rule| rule.kind != Kind::Contains)
            .map(|rule| &rule.word[rule.word.len().saturating_sub(WINDOW)..])
            .collect();
        // Sorted, so that words alike share a group and the groups stay selective.
        heads.sort_unstable();
        heads.dedup();
        tails.sort_unstable_by(|left, right| left.iter().rev().cmp(right.iter().rev()));
        tails.dedup();
        for (index, head) in heads.iter().enumerate() {
            filter.add(head, index * ANYWHERE_GROUPS / heads.len());
        }
        for (index, tail) in tails.iter().enumerate() {
            filter.add(tail, ANYWHERE_GROUPS + index * (LANE_BITS - ANYWHERE_GROUPS) / tails.len());
        }
        filter
    }

    fn add(&mut self, window: &[u8], group: usize) {
        let missing = WINDOW - window.len();
        for position in 0..WINDOW {
            let bit = 1u64 << (position * LANE_BITS + group);
            if position < missing {
                self.initial &= !bit;
            }
            for (byte, misses) in (0..=u8::MAX).zip(self.misses.iter_mut()) {
                // A short rule does not care what stands before it.
                if position < missing || fold(byte) == window[position - missing] {
                    *misses &= !bit;
                }
            }
        }
    }

    #[inline]
    fn may_match(&self, name: &[u8]) -> bool {
        const LAST_LANE: usize = (WINDOW - 1) * LANE_BITS;
        let mut state = self.initial;
        let mut seen = u64::MAX;
        for &byte in name {
            state = (state << LANE_BITS) | self.misses[usize::from(byte)];
            seen &= state;
        }
        let anywhere = !(seen >> LAST_LANE) & ANYWHERE;
        let at_end = !(state >> LAST_LANE) & AT_END;
        (anywhere | at_end) != 0
    }
}
