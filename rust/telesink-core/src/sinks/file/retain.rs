//! Which rotated files go: pure decisions about names and sizes.

use super::rules::Rules;
use super::stamp::Rotated;
use std::time::Duration;

/// A rotated file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) rotated: Rotated,
    pub(super) bytes: u64,
}

/// The rotated files of one signal, newest first.
pub(super) fn rotated_of(
    signal: &str,
    names: &[String],
    size_of: impl Fn(&str) -> Option<u64>,
) -> Vec<Found> {
    let mut found: Vec<Found> = names
        .iter()
        .filter_map(|name| {
            let rotated = Rotated::parse(signal, name)?;
            Some(Found { name: name.clone(), rotated, bytes: size_of(name)? })
        })
        .collect();
    found.sort_unstable_by(|one, other| other.rotated.cmp(&one.rotated));
    found
}

/// Takes out of `files`, which are those of one signal and newest first, what the rules do not keep: too many or too old,
/// by the time in the name. Also a plain file whose compressed form is complete: its process ended before deleting it.
pub(super) fn doomed(files: &mut Vec<Found>, rules: &Rules, now_unix_nano: u64) -> Vec<String> {
    let twice: Vec<u64> =
        files.iter().filter(|file| file.rotated.is_gzip).map(|file| file.rotated.at_millis).collect();
    let age_max = rules.keep_age.map_or(u64::MAX, |age| age.as_millis() as u64);
    let now_millis = now_unix_nano / Duration::from_millis(1).as_nanos() as u64;
    let count_max = rules.keep_files.unwrap_or(u64::MAX);
    let mut count = 0;
    let mut doomed = Vec::new();
    files.retain(|file| {
        let is_done = !file.rotated.is_gzip && twice.contains(&file.rotated.at_millis);
        let is_old = now_millis.saturating_sub(file.rotated.at_millis) > age_max;
        let is_kept = !is_done && !is_old && count < count_max;
        count += u64::from(!is_done);
        if !is_kept {
            doomed.push(file.name.clone());
        }
        is_kept
    });
    doomed
}

/// Of files of the whole folder, with whatever says where each lies: those that go, the oldest first, until `bytes` of
/// all files there are no more than the rules allow.
pub(super) fn too_much<P>(mut files: Vec<(P, Found)>, mut bytes: u64, rules: &Rules) -> Vec<(P, Found)> {
    let Some(bytes_max) = rules.keep_bytes else { return Vec::new() };
    files.sort_by_key(|(_, file)| file.rotated.at_millis);
    let mut doomed = Vec::new();
    for (place, file) in files {
        if bytes <= bytes_max {
            break;
        }
        bytes = bytes.saturating_sub(file.bytes);
        doomed.push((place, file));
    }
    doomed
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MILLIS: u64 = 86_400_000;
    const NOW_MILLIS: u64 = 1_769_862_896_789;

    fn files(ages_in_days: &[u64]) -> Vec<Found> {
        let names: Vec<String> = ages_in_days
            .iter()
            .map(|age| Rotated { at_millis: NOW_MILLIS - age * DAY_MILLIS, is_gzip: true }.name("logs"))
            .collect();
        rotated_of("logs", &names, |_| Some(10))
    }

    fn rules(keep_files: Option<u64>, keep_days: Option<u64>) -> Rules {
        let keep_age = keep_days.map(|days| Duration::from_hours(24 * days));
        Rules { keep_files, keep_age, ..Rules::default() }
    }

    fn left(files: &[Found]) -> Vec<u64> {
        files.iter().map(|file| (NOW_MILLIS - file.rotated.at_millis) / DAY_MILLIS).collect()
    }

    #[test]
    fn the_newest_are_kept_and_none_past_its_age() {
        for (keep_files, keep_days, kept) in [
            (Some(2), None, vec![0, 1]),
            (None, Some(3), vec![0, 1, 3]),
            (Some(3), Some(2), vec![0, 1]),
            (None, None, vec![0, 1, 3, 9]),
        ] {
            let mut found = files(&[3, 0, 9, 1]);

            let doomed = doomed(&mut found, &rules(keep_files, keep_days), NOW_MILLIS * 1_000_000);

            assert_eq!(left(&found), kept);
            assert_eq!(doomed.len(), 4 - kept.len());
        }
    }

    #[test]
    fn a_plain_file_goes_once_its_compressed_form_is_there_and_counts_once() {
        let mut found = files(&[0, 1]);
        let plain = Rotated { at_millis: NOW_MILLIS, is_gzip: false };
        found.push(Found { name: plain.name("logs"), rotated: plain.clone(), bytes: 10 });
        found.sort_unstable_by(|one, other| other.rotated.cmp(&one.rotated));

        let doomed = doomed(&mut found, &rules(Some(2), None), NOW_MILLIS * 1_000_000);

        assert_eq!(doomed, [plain.name("logs")]);
        assert_eq!(left(&found), [0, 1]);
    }

    #[test]
    fn past_the_total_the_oldest_of_all_services_go_first() {
        let rules = Rules { keep_bytes: Some(25), ..Rules::default() };
        let all = files(&[5, 1]).into_iter().map(|file| ("a", file));
        let all = all.chain(files(&[3, 2]).into_iter().map(|file| ("b", file))).collect();

        let doomed = too_much(all, 40, &rules);

        let places: Vec<_> =
            doomed.iter().map(|(place, file)| (*place, left(std::slice::from_ref(file))[0])).collect();
        assert_eq!(places, [("a", 5), ("b", 3)]);
    }
}
