//! Which records are to go: the first policy that fits a record decides how long it stays.

use super::table::AgedTable;
use crate::dsn::nearest;
use crate::error::ConfigError;
use std::time::Duration;

/// How long some records stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Those of this table; of all without.
    pub table: Option<String>,
    /// Those of this level; of all without. WARNING and WARN are one, and so are CRITICAL and FATAL.
    pub level: Option<String>,
    /// Those of this logger and those below it; of all without.
    pub logger: Option<String>,
    /// So long; for ever without.
    pub keep: Option<Duration>,
}

/// Policies, in the order in which they are asked, and the moment from which ages are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The policies.
    pub policies: Vec<Policy>,
    /// Now, nanoseconds since the Unix epoch.
    pub now_unix_nano: u64,
}

/// What policies come to in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Which rows go, and when.
    pub(crate) list: Vec<Rule>,
    /// After which age all rows are gone; none if some stay for ever.
    pub(crate) keep_max: Option<Duration>,
}

/// Rows of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Its place among the policies.
    pub(crate) policy: usize,
    /// How long they stay.
    pub(crate) keep: Duration,
    /// Which rows these are, as SQL; none for all.
    pub(crate) condition: Option<String>,
}

impl Retention {
    /// One policy for all records.
    #[must_use]
    pub fn older_than(keep: Duration, now_unix_nano: u64) -> Self {
        let policy = Policy { keep: Some(keep), ..Policy::default() };
        Self { policies: vec![policy], now_unix_nano }
    }

    /// The moment before which records are older than that.
    pub(crate) fn limit_unix_nano(&self, keep: Duration) -> u64 {
        self.now_unix_nano.saturating_sub(u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX))
    }

    /// What they come to in a table. `literal` writes a text as SQL.
    pub(crate) fn rules(&self, table: &AgedTable, literal: impl Fn(&str) -> String) -> Rules {
        let mut rules = Rules { list: Vec::new(), keep_max: Some(Duration::ZERO) };
        let mut decided: Vec<String> = Vec::new();
        for (place, policy) in self.policies.iter().enumerate() {
            if !policy.names(table) || !policy.can_fit(table) {
                continue;
            }
            let fits = policy.condition(table, &literal);
            if let Some(keep) = policy.keep {
                let mut all: Vec<String> = fits.iter().cloned().collect();
                all.extend(decided.iter().map(|condition| format!("NOT {condition}")));
                let condition = (!all.is_empty()).then(|| all.join(" AND "));
                rules.list.push(Rule { policy: place, keep, condition });
            }
            rules.keep_max = policy.keep.and_then(|keep| rules.keep_max.map(|longest| longest.max(keep)));
            match fits {
                Some(condition) => decided.push(condition),
                // The rest of the policies has nothing to decide.
                None => return rules,
            }
        }
        // Rows that no policy fits stay.
        rules.keep_max = None;
        rules
    }

    pub(super) fn check(&self, tables: &[AgedTable]) -> Result<(), ConfigError> {
        for policy in &self.policies {
            let named: Vec<&AgedTable> = tables.iter().filter(|table| policy.names(table)).collect();
            if named.is_empty() {
                return Err(no_table(policy.table.as_deref().unwrap_or_default(), tables));
            }
            check_names(policy, &named)?;
            if !named.iter().any(|table| policy.can_fit(table)) {
                let what = if policy.level.is_some() { "level" } else { "logger" };
                let names: Vec<&str> = named.iter().map(|table| table.name.as_str()).collect();
                return Err(ConfigError::new(
                    format!("rows of {} have no {what}", names.join(", ")),
                    format!("leave the {what} out of the policy"),
                ));
            }
        }
        Ok(())
    }
}

fn no_table(name: &str, tables: &[AgedTable]) -> ConfigError {
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let meant = nearest(name, names.iter().copied());
    ConfigError::new(
        format!("a policy is about `{name}`, and there is no such table"),
        meant.map_or_else(
            || format!("name one of {}, or none for all", names.join(", ")),
            |name| format!("did you mean `{name}`? there are {}", names.join(", ")),
        ),
    )
}

impl Policy {
    /// Whether it is about this table.
    fn names(&self, table: &AgedTable) -> bool {
        self.table.as_ref().is_none_or(|name| *name == table.name || *name == table.table)
    }

    /// Whether a row of the table can be meant.
    fn can_fit(&self, table: &AgedTable) -> bool {
        (self.level.is_none() || table.level.is_some()) && (self.logger.is_none() || table.logger.is_some())
    }

    /// Which rows it fits, as SQL that is never NULL; none for all.
    fn condition(&self, table: &AgedTable, literal: impl Fn(&str) -> String) -> Option<String> {
        let mut all = Vec::new();
        if let (Some(level), Some(column)) = (&self.level, &table.level) {
            let names: Vec<String> = spellings(level, table).iter().map(|name| literal(name)).collect();
            // As it is, too: not every letter has the same capital everywhere.
            all.push(format!(
                "(upper(coalesce({column}, '')) IN ({}) OR coalesce({column}, '') = {})",
                names.join(", "),
                literal(level)
            ));
        }
        if let (Some(logger), Some(column)) = (&self.logger, &table.logger) {
            let column = format!("coalesce({column}, '')");
            let below = format!("{logger}.");
            all.push(format!(
                "({column} = {} OR substr({column}, 1, {}) = {})",
                literal(logger),
                below.chars().count(),
                literal(&below),
            ));
        }
        (!all.is_empty()).then(|| format!("({})", all.join(" AND ")))
    }
}

/// The levels that have a name of OpenTelemetry's or Python's.
const LEVELS: [&str; 8] = ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"];

/// The names under which a level may stand, in capitals.
fn spellings(level: &str, table: &AgedTable) -> Vec<String> {
    let upper = level.to_ascii_uppercase();
    let others: &[&str] = match upper.as_str() {
        "WARNING" => &["WARN"],
        "WARN" => &["WARNING"],
        "CRITICAL" | "FATAL" if table.has_five_levels => &["FATAL", "CRITICAL", "ERROR"],
        "CRITICAL" => &["FATAL"],
        "FATAL" => &["CRITICAL"],
        _ => &[],
    };
    let others = others.iter().map(|name| (*name).to_owned());
    std::iter::once(upper.clone()).chain(others).collect()
}

/// Refuses names that no row has: a policy that fits nothing protects nothing.
fn check_names(policy: &Policy, tables: &[&AgedTable]) -> Result<(), ConfigError> {
    if let Some(level) = &policy.level {
        let upper = level.to_ascii_uppercase();
        let is_known = LEVELS.contains(&upper.as_str());
        if !is_known && tables.iter().all(|table| table.has_known_levels) {
            let meant = nearest(&upper, LEVELS).map(|meant| format!("did you mean `{meant}`? "));
            return Err(ConfigError::new(
                format!("a policy is about the level `{level}`"),
                format!(
                    "{}levels are stored as TRACE, DEBUG, INFO, WARN, ERROR and FATAL, others as the next below",
                    meant.unwrap_or_default()
                ),
            ));
        }
    }
    match policy.logger.as_deref().filter(|logger| logger.contains('*') || logger.ends_with('.')) {
        Some(logger) => Err(ConfigError::new(
            format!("a policy is about the logger `{logger}`"),
            "write its name alone: it stands for the loggers below it, too",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn keep(days: u32) -> Policy {
        Policy { keep: Some(DAY * days), ..Policy::default() }
    }

    fn of_level(level: &str, days: u32) -> Policy {
        Policy { level: Some(level.to_owned()), ..keep(days) }
    }

    fn rules(policies: Vec<Policy>, table: &str) -> Rules {
        let own = AgedTable::own();
        let table = own.iter().find(|own| own.name == table).expect("a table");
        Retention { policies, now_unix_nano: 0 }.rules(table, |text| format!("'{text}'"))
    }

    #[test]
    fn a_policy_for_all_rows_has_no_condition() {
        let rules = rules(vec![keep(7)], "logs");

        assert_eq!(rules.list, [Rule { policy: 0, keep: DAY * 7, condition: None }]);
        assert_eq!(rules.keep_max, Some(DAY * 7));
    }

    #[test]
    fn rows_that_no_policy_fits_stay() {
        let rules = rules(vec![of_level("DEBUG", 1)], "logs");

        assert_eq!(
            rules.list[0].condition.as_deref(),
            Some("((upper(coalesce(level, '')) IN ('DEBUG') OR coalesce(level, '') = 'DEBUG'))")
        );
        assert_eq!(rules.keep_max, None);
    }

    #[test]
    fn the_first_policy_that_fits_decides() {
        let rules = rules(vec![of_level("warning", 30), keep(7), of_level("ERROR", 90)], "logs");

        let of_warning =
            "((upper(coalesce(level, '')) IN ('WARNING', 'WARN') OR coalesce(level, '') = 'warning'))";
        assert_eq!(rules.list.len(), 2);
        assert_eq!(rules.list[0].condition.as_deref(), Some(of_warning));
        assert_eq!(rules.list[1].condition, Some(format!("NOT {of_warning}")));
        assert_eq!(rules.keep_max, Some(DAY * 30));
    }

    #[test]
    fn what_stays_for_ever_is_left_out_of_later_policies() {
        let audit = Policy { logger: Some("audit".to_owned()), ..Policy::default() };

        let rules = rules(vec![audit, keep(7)], "logs");

        let of_audit = "((coalesce(logger, '') = 'audit' OR substr(coalesce(logger, ''), 1, 6) = 'audit.'))";
        assert_eq!(rules.list.len(), 1);
        assert_eq!(rules.list[0].condition, Some(format!("NOT {of_audit}")));
        assert_eq!(rules.keep_max, None);
    }

    #[test]
    fn a_policy_of_levels_says_nothing_about_tables_without_them() {
        let rules = rules(vec![of_level("DEBUG", 1), keep(7)], "spans");

        assert_eq!(rules.list, [Rule { policy: 1, keep: DAY * 7, condition: None }]);
    }

    #[test]
    fn levels_of_ones_own_are_for_tables_of_ones_own() {
        let mut table = AgedTable::own().swap_remove(0);
        let retention = Retention { policies: vec![of_level("NOTICE", 1)], now_unix_nano: 0 };

        let error = retention.check(std::slice::from_ref(&table)).expect_err("stored as INFO");
        table.has_known_levels = false;

        assert!(error.hint.contains("others as the next below"), "{error}");
        retention.check(&[table]).expect("whatever others write");
    }

    #[test]
    fn where_there_are_five_levels_a_fatal_one_stands_as_error() {
        let mut table = AgedTable::own().swap_remove(0);
        table.has_five_levels = true;
        let retention = Retention { policies: vec![of_level("CRITICAL", 1)], now_unix_nano: 0 };

        let rules = retention.rules(&table, |text| format!("'{text}'"));

        let condition = rules.list[0].condition.as_deref().expect("a condition");
        assert!(["FATAL", "CRITICAL", "ERROR"].iter().all(|name| condition.contains(name)), "{condition}");
    }

    #[test]
    fn a_table_that_there_is_not_is_refused_with_those_that_there_are() {
        let policy = |table: &str, level: Option<&str>| Policy {
            table: Some(table.to_owned()),
            level: level.map(str::to_owned),
            ..keep(1)
        };
        let of_logger = Policy { logger: Some("audit.*".to_owned()), ..keep(1) };
        let cases = [
            (of_level("EROR", 1), "about the level `EROR`", "did you mean `ERROR`?"),
            (of_logger, "about the logger `audit.*`", "below it"),
            (policy("span", None), "there is no such table", "did you mean `spans`?"),
            (policy("orders", None), "about `orders`", "logs, spans, metrics"),
            (policy("spans", Some("DEBUG")), "rows of spans have no level", "leave the level out"),
        ];
        for (policy, message, hint) in cases {
            let retention = Retention { policies: vec![policy], now_unix_nano: 0 };
            let error = retention.check(&AgedTable::own()).expect_err("no such rows");
            assert!(error.message.contains(message), "{error}");
            assert!(error.hint.contains(hint), "{error}");
        }
    }
}
