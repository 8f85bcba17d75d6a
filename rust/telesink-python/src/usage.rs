//! Counters of tokens, costs and tool calls, as Python sees them.

use crate::edge::edge;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::collections::{BTreeMap, VecDeque};
use telesink_core::clock;
use telesink_core::usage::{self, Cost, Tokens, Tool};

/// Tokens as input, output and total.
type TokenCounts = (u64, u64, u64);

/// Costs as input, output, cache read and cache write.
type Costs = (u64, u64, u64, u64);

/// Calls, time of the last one, tokens given and given back.
type ToolCounts = (u64, u64, u64, u64);

/// Counters of tokens, costs and tool calls by server.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct UsageCounters(usage::Accumulator);

#[pymethods]
impl UsageCounters {
    #[new]
    fn new() -> PyResult<Self> {
        edge("UsageCounters", || Ok(Self(usage::Accumulator::default())))
    }

    /// Adds what one call of a model has used.
    fn add(&self, server: &str, tokens: TokenCounts, cost: Costs) -> PyResult<()> {
        edge("UsageCounters.add", || {
            self.0.add(server, tokens_of(tokens), cost_of(cost), clock::unix_nano());
            Ok(())
        })
    }

    /// Counts a call of a tool.
    fn add_tool_call(&self, server: &str, tool: &str, input_tokens: u64, output_tokens: u64) -> PyResult<()> {
        edge("UsageCounters.add_tool_call", || {
            self.0.add_tool_call(server, tool, input_tokens, output_tokens, clock::unix_nano());
            Ok(())
        })
    }

    /// Sets the counters of a server, or of all, back to zero.
    #[pyo3(signature = (server = None))]
    fn reset(&self, server: Option<&str>) -> PyResult<()> {
        edge("UsageCounters.reset", || {
            self.0.reset(server);
            Ok(())
        })
    }

    /// Sets the costs alone back to zero.
    #[pyo3(signature = (server = None))]
    fn reset_cost(&self, server: Option<&str>) -> PyResult<()> {
        edge("UsageCounters.reset_cost", || {
            self.0.reset_cost(server);
            Ok(())
        })
    }

    /// Forgets a server.
    fn remove(&self, server: &str) -> PyResult<()> {
        edge("UsageCounters.remove", || {
            self.0.remove(server);
            Ok(())
        })
    }

    /// Puts counters of before under those of now; answers resets, or None if there are too many servers.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
    fn restore(
        &self,
        server: &str,
        tokens: TokenCounts,
        cost: Costs,
        tools: BTreeMap<String, ToolCounts>,
        minutes: Vec<(u64, TokenCounts)>,
    ) -> PyResult<Option<(u64, u64)>> {
        edge("UsageCounters.restore", || {
            let tool = |(calls, last_called_unix_nano, input_tokens, output_tokens): ToolCounts| Tool {
                calls,
                last_called_unix_nano,
                input_tokens,
                output_tokens,
            };
            let minutes: VecDeque<_> =
                minutes.iter().map(|(minute, tokens)| (*minute, tokens_of(*tokens))).collect();
            let before = usage::Usage {
                tokens: tokens_of(tokens),
                cost: cost_of(cost),
                tools: tools.iter().map(|(name, counts)| (name.clone(), tool(*counts))).collect(),
                minutes,
                ..usage::Usage::default()
            };
            Ok(self.0.restore(server, &before))
        })
    }

    /// The counters as they are now, by server.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        edge("UsageCounters.snapshot", || {
            let found = PyDict::new(py);
            for (server, usage) in self.0.snapshot() {
                found.set_item(server, as_dict(py, &usage)?)?;
            }
            Ok(found)
        })
    }
}

fn tokens_of((input, output, total): TokenCounts) -> Tokens {
    Tokens { input, output, total }
}

fn cost_of((input, output, cache_read, cache_write): Costs) -> Cost {
    Cost { input, output, cache_read, cache_write }
}

fn as_dict<'py>(py: Python<'py>, usage: &usage::Usage) -> PyResult<Bound<'py, PyDict>> {
    let counts = |tokens: Tokens| (tokens.input, tokens.output, tokens.total);
    let dict = PyDict::new(py);
    dict.set_item("tokens", counts(usage.tokens))?;
    let cost = usage.cost;
    dict.set_item("cost", (cost.input, cost.output, cost.cache_read, cost.cache_write))?;
    let tools = PyDict::new(py);
    for (name, tool) in &usage.tools {
        let counts = (tool.calls, tool.last_called_unix_nano, tool.input_tokens, tool.output_tokens);
        tools.set_item(name, counts)?;
    }
    dict.set_item("tools", tools)?;
    dict.set_item("resets", usage.resets)?;
    dict.set_item("cost_resets", usage.cost_resets)?;
    let minutes = usage.minutes.iter().map(|(minute, tokens)| (*minute, counts(*tokens)));
    dict.set_item("minutes", PyList::new(py, minutes)?)?;
    Ok(dict)
}
