//! Decimal numbers in the form that Postgres sends them: groups of four digits.

/// Most digits in front of the point, and behind it; what costs money has fewer.
const DIGITS_MAX: usize = 1_000;

/// A decimal number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digits {
    /// Groups of four decimal digits, the greatest first.
    pub(crate) groups: Vec<i16>,
    /// The power of 10,000 that the first group counts.
    pub(crate) weight: i16,
    /// Whether it is below zero.
    pub(crate) is_negative: bool,
    /// Digits behind the point.
    pub(crate) scale: u16,
}

/// Reads `-12.5` or `1.5e-7`; none if it is no number.
pub(crate) fn digits(text: &str) -> Option<Digits> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut all: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    let mut point = whole.len() as i64 + i64::from(exponent);
    if point > DIGITS_MAX as i64 || all.len() as i64 - point > DIGITS_MAX as i64 {
        return None;
    }
    if point < 0 {
        all.splice(0..0, std::iter::repeat_n(0, (-point) as usize));
        point = 0;
    }
    all.resize(all.len().max(point as usize), 0);
    let scale = (all.len() - point as usize) as u16;
    // To whole groups on both sides of the point.
    let front = (4 - point as usize % 4) % 4;
    all.splice(0..0, std::iter::repeat_n(0, front));
    point += front as i64;
    all.resize(all.len().next_multiple_of(4), 0);
    let mut groups: Vec<i16> =
        all.chunks(4).map(|four| four.iter().fold(0, |sum, digit| sum * 10 + i16::from(*digit))).collect();
    let mut weight = point as i16 / 4 - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let is_zero = groups.is_empty();
    Some(Digits {
        groups,
        weight: if is_zero { 0 } else { weight },
        is_negative: is_negative && !is_zero,
        scale,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_cut_into_groups_of_four_around_the_point() {
        let table: [(&str, &[i16], i16, bool, u16); 7] = [
            ("0", &[], 0, false, 0),
            ("-1", &[1], 0, true, 0),
            ("12345.678", &[1, 2345, 6780], 1, false, 3),
            ("0.0000125", &[1250], -2, false, 7),
            ("1.5e-7", &[15], -2, false, 8),
            ("1e5", &[10], 1, false, 0),
            ("10000", &[1], 1, false, 0),
        ];
        for (text, groups, weight, is_negative, scale) in table {
            let found = digits(text).expect(text);
            let expected = Digits { groups: groups.to_vec(), weight, is_negative, scale };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", ".", "-", "1,5", "0x10", "NaN", "1e", "1e99999", "--1"] {
            assert_eq!(digits(text), None, "{text}");
        }
    }
}
