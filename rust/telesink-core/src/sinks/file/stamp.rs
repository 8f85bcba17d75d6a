//! The names of rotated files: `logs-2026-01-31T12-00-00.123.jsonl`, and `.gz` behind it once it is compressed.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Bytes of `2026-01-31T12-00-00.123`.
const STAMP_BYTES: usize = 23;

/// A rotated file, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    /// When it was rotated, milliseconds since the Unix epoch.
    pub(super) at_millis: u64,
    pub(super) is_gzip: bool,
}

impl Rotated {
    /// Reads a name of this signal; `None` for every other file, which is not ours to touch.
    pub(super) fn parse(signal: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(signal)?.strip_prefix('-')?;
        let (stamp, ending) = rest.split_at_checked(STAMP_BYTES)?;
        let is_gzip = match ending {
            ".jsonl" => false,
            ".jsonl.gz" => true,
            _ => return None,
        };
        // Strictly: digits at these places and nothing else.
        let form = "0000-00-00T00-00-00.000";
        let is_form = stamp.bytes().zip(form.bytes()).all(|(byte, expected)| match expected {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
        let text = format!("{}T{}", &stamp[..10], stamp[11..].replace('-', ":"));
        let time: DateTime = is_form.then(|| text.parse().ok()).flatten()?;
        let at = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some(Self { at_millis: u64::try_from(at).ok()?, is_gzip })
    }

    pub(super) fn name(&self, signal: &str) -> String {
        let time = Timestamp::from_millisecond(self.at_millis as i64).unwrap_or_default();
        let ending = if self.is_gzip { ".gz" } else { "" };
        format!("{signal}-{}.{:03}.jsonl{ending}", time.strftime("%Y-%m-%dT%H-%M-%S"), self.at_millis % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_22_only_names_with_an_exact_stamp_are_rotated_files() {
        let name = "logs-2026-01-31T12-34-56.789.jsonl";
        assert_eq!(Rotated::parse("logs", name).map(|found| found.name("logs")).as_deref(), Some(name));
        let gz = format!("{name}.gz");
        assert_eq!(Rotated::parse("logs", &gz).map(|found| found.name("logs")), Some(gz));

        for other in [
            "logs.jsonl",
            "logs-backup.jsonl",
            "logs-2026-01-31T12-34-56.jsonl",
            "logs-2026-01-31T12-34-56.789.json",
            "logs-2026-01-31T12-34-56.789.jsonl.gz.tmp",
            "logs-2026-02-31T12-34-56.789.jsonl",
            "logs-2026-01-31 12-34-56.789.jsonl",
            "logs-+026-01-31T12-34-56.789.jsonl",
            "traces-2026-01-31T12-34-56.789.jsonl",
            "logs-2026-01-31T12-34-56.7é9.jsonl",
        ] {
            assert_eq!(Rotated::parse("logs", other), None, "{other}");
        }
    }

    #[test]
    fn every_millisecond_has_a_name_of_its_own() {
        for at_millis in [0, 999, 1_000, 1_769_862_896_789] {
            let rotated = Rotated { at_millis, is_gzip: true };

            assert_eq!(Rotated::parse("traces", &rotated.name("traces")), Some(rotated));
        }
    }
}
