//! What models and tools have used: counters by server, summed up in memory and written now and then by somebody else.

use crate::sync::{Mutex, lock};
use std::collections::{BTreeMap, VecDeque};

/// Most servers, and tools of one server, that are told apart; the rest is counted under [`OTHERS`].
pub const NAMES_MAX: usize = 1_024;

/// The name of whatever is past [`NAMES_MAX`].
pub const OTHERS: &str = "others";

/// Minutes that are kept of each server: a day.
pub const MINUTES_MAX: usize = 1_440;

/// Counts of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read by a model.
    pub input: u64,
    /// Written by it.
    pub output: u64,
    /// Both, and whatever else the provider counts.
    pub total: u64,
}

/// Costs in millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of tokens read.
    pub input: u64,
    /// Of tokens written.
    pub output: u64,
    /// Of tokens read from a cache.
    pub cache_read: u64,
    /// Of tokens put into one.
    pub cache_write: u64,
}

/// What one tool was used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tool {
    /// How often it was called.
    pub calls: u64,
    /// When it was called last, nanoseconds since the Unix epoch.
    pub last_called_unix_nano: u64,
    /// Tokens it was given.
    pub input_tokens: u64,
    /// Tokens it gave back.
    pub output_tokens: u64,
}

/// The counters of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens since the start or the last reset.
    pub tokens: Tokens,
    /// Costs since the start or their last reset.
    pub cost: Cost,
    /// By the name of the tool.
    pub tools: BTreeMap<String, Tool>,
    /// How often the counters were reset.
    pub resets: u64,
    /// How often the costs were, by themselves or with the rest.
    pub cost_resets: u64,
    /// Tokens by minute since the Unix epoch, oldest first.
    pub minutes: VecDeque<(u64, Tokens)>,
}

/// The counters of all servers. Adding takes a lock for as long as it takes to add.
#[derive(Debug, Default)]
pub struct Accumulator {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    servers: BTreeMap<String, Usage>,
    /// What new servers count their resets from: one that was forgotten and comes back has been reset since.
    forgotten: u64,
}

impl State {
    fn server(&mut self, name: &str) -> &mut Usage {
        let is_known = self.servers.contains_key(name);
        let usage = entry(&mut self.servers, name);
        if !is_known && *usage == Usage::default() {
            (usage.resets, usage.cost_resets) = (self.forgotten, self.forgotten);
        }
        usage
    }
}

impl Tokens {
    fn add(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.total = self.total.saturating_add(more.total);
    }
}

impl Cost {
    fn add(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
    }
}

impl Usage {
    /// Adds to the minute of a time; a time before the newest minute is counted where it belongs if that is still kept.
    pub fn add_to_minute(&mut self, unix_nano: u64, tokens: Tokens) {
        let minute = unix_nano / 60_000_000_000;
        let place = self.minutes.partition_point(|(known, _)| *known < minute);
        match self.minutes.get_mut(place) {
            Some((known, sum)) if *known == minute => sum.add(tokens),
            _ => self.minutes.insert(place, (minute, tokens)),
        }
        while self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_front();
        }
    }
}

impl Accumulator {
    /// Adds tokens and costs of one call.
    pub fn add(&self, server: &str, tokens: Tokens, cost: Cost, now_unix_nano: u64) {
        let mut state = lock(&self.state);
        let usage = state.server(server);
        usage.tokens.add(tokens);
        usage.cost.add(cost);
        if tokens != Tokens::default() {
            usage.add_to_minute(now_unix_nano, tokens);
        }
    }

    /// Counts a call of a tool.
    pub fn add_tool_call(&self, server: &str, tool: &str, input: u64, output: u64, now_unix_nano: u64) {
        let mut state = lock(&self.state);
        let found = entry(&mut state.server(server).tools, tool);
        found.calls = found.calls.saturating_add(1);
        found.last_called_unix_nano = found.last_called_unix_nano.max(now_unix_nano);
        found.input_tokens = found.input_tokens.saturating_add(input);
        found.output_tokens = found.output_tokens.saturating_add(output);
    }

    /// Sets the counters of a server, or of all, back to zero.
    pub fn reset(&self, server: Option<&str>) {
        for (_, usage) in
            lock(&self.state).servers.iter_mut().filter(|(name, _)| server.is_none_or(|it| it == *name))
        {
            *usage =
                Usage { resets: usage.resets + 1, cost_resets: usage.cost_resets + 1, ..Usage::default() };
        }
    }

    /// Sets the costs alone back to zero.
    pub fn reset_cost(&self, server: Option<&str>) {
        for (_, usage) in
            lock(&self.state).servers.iter_mut().filter(|(name, _)| server.is_none_or(|it| it == *name))
        {
            usage.cost = Cost::default();
            usage.cost_resets += 1;
        }
    }

    /// Forgets a server.
    pub fn remove(&self, server: &str) {
        let mut state = lock(&self.state);
        if let Some(usage) = state.servers.remove(server) {
            // Above every count that anybody may have seen of it.
            state.forgotten = state.forgotten.max(usage.resets).max(usage.cost_resets) + 1;
        }
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> BTreeMap<String, Usage> {
        lock(&self.state).servers.clone()
    }

    /// Puts counters of before under those of now: of a tool the larger ones count, everything else is added up. Answers how
    /// often the server was reset, and its costs; none, with nothing done, if there are too many servers.
    pub fn restore(&self, server: &str, before: &Usage) -> Option<(u64, u64)> {
        let mut state = lock(&self.state);
        if state.servers.len() >= NAMES_MAX && !state.servers.contains_key(server) {
            return None;
        }
        let usage = state.server(server);
        usage.tokens.add(before.tokens);
        usage.cost.add(before.cost);
        for (name, tool) in &before.tools {
            let found = entry(&mut usage.tools, name);
            found.calls = found.calls.max(tool.calls);
            found.last_called_unix_nano = found.last_called_unix_nano.max(tool.last_called_unix_nano);
            found.input_tokens = found.input_tokens.max(tool.input_tokens);
            found.output_tokens = found.output_tokens.max(tool.output_tokens);
        }
        for (minute, tokens) in &before.minutes {
            usage.add_to_minute(minute.saturating_mul(60_000_000_000), *tokens);
        }
        Some((usage.resets, usage.cost_resets))
    }
}

fn entry<'m, T: Default>(map: &'m mut BTreeMap<String, T>, name: &str) -> &'m mut T {
    let name = if map.len() < NAMES_MAX || map.contains_key(name) { name } else { OTHERS };
    map.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input, output, total: input + output }
    }

    #[test]
    fn calls_are_added_up_by_server_tool_and_minute() {
        let usage = Accumulator::default();

        usage.add("github", tokens(100, 20), Cost { input: 7, ..Cost::default() }, MINUTE);
        usage.add("github", tokens(50, 15), Cost::default(), MINUTE + 1);
        usage.add("github", tokens(1, 1), Cost::default(), 3 * MINUTE);
        usage.add_tool_call("github", "search", 5, 6, 9);
        usage.add_tool_call("github", "search", 5, 6, 8);

        let found = &usage.snapshot()["github"];
        assert_eq!((found.tokens, found.cost.input), (tokens(151, 36), 7));
        assert_eq!(found.minutes, [(1, tokens(150, 35)), (3, tokens(1, 1))]);
        let expected = Tool { calls: 2, last_called_unix_nano: 9, input_tokens: 10, output_tokens: 12 };
        assert_eq!(found.tools["search"], expected);
    }

    #[test]
    fn costs_are_reset_by_themselves_or_with_the_rest() {
        let usage = Accumulator::default();
        usage.add("a", tokens(1, 1), Cost { output: 3, ..Cost::default() }, 0);

        usage.reset_cost(Some("a"));
        let after_cost = usage.snapshot()["a"].clone();
        usage.reset(None);
        let after_all = usage.snapshot()["a"].clone();

        assert_eq!((after_cost.tokens, after_cost.cost), (tokens(1, 1), Cost::default()));
        assert_eq!((after_cost.resets, after_cost.cost_resets), (0, 1));
        assert_eq!(after_all, Usage { resets: 1, cost_resets: 2, ..Usage::default() });
    }

    #[test]
    fn a_server_that_comes_back_has_been_reset() {
        let usage = Accumulator::default();
        usage.add("a", tokens(100, 0), Cost::default(), 0);
        usage.reset(Some("a"));
        let before = usage.snapshot()["a"].resets;

        usage.remove("a");
        usage.add("a", tokens(150, 0), Cost::default(), 0);

        assert_ne!(usage.snapshot()["a"].resets, before);
    }

    #[test]
    fn names_and_minutes_are_bounded() {
        let usage = Accumulator::default();
        for number in 0..2 * NAMES_MAX as u64 {
            usage.add(&number.to_string(), tokens(1, 0), Cost::default(), 0);
            usage.add("0", tokens(1, 0), Cost::default(), number * MINUTE);
        }

        let found = usage.snapshot();

        assert_eq!(found.len(), NAMES_MAX + 1);
        assert_eq!(found[OTHERS].tokens.input, NAMES_MAX as u64);
        assert_eq!(found["0"].minutes.len(), MINUTES_MAX);
        assert_eq!(found["0"].minutes.back().map(|(minute, _)| *minute), Some(2 * NAMES_MAX as u64 - 1));
    }

    #[test]
    fn restored_counters_come_under_those_of_now() {
        let usage = Accumulator::default();
        usage.add("a", tokens(1, 0), Cost::default(), 5 * MINUTE);
        usage.add_tool_call("a", "t", 0, 0, 1);
        let mut before = Usage { tokens: tokens(10, 0), ..Usage::default() };
        before.tools.insert("t".to_owned(), Tool { calls: 4, ..Tool::default() });
        before.add_to_minute(3 * MINUTE, tokens(10, 0));

        let resets = usage.restore("a", &before);

        let found = &usage.snapshot()["a"];
        assert_eq!(resets, Some((0, 0)));
        assert_eq!((found.tokens.input, found.tools["t"].calls), (11, 4));
        assert_eq!(found.minutes, [(3, tokens(10, 0)), (5, tokens(1, 0))]);
    }
}
