//! The folder of a service: a name that data may choose, and that leads nowhere but into a folder of its own.

use crate::record::json::write_hex;
use sha2::{Digest, Sha256};

/// Longest part of a service's name that its folder keeps, in bytes. With the hash behind it a name stays below what
/// every file system takes (255), and a name of this length is told from one that was cut.
const NAME_BYTES_MAX: usize = 100;

/// The service of records that say nothing about theirs.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Names that mean a device on Windows, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The name of a service's folder: its own, with everything but `A-Z a-z 0-9 . _ -` as `%XX`, and so is a dot at either
/// end and the first letter of what is a device elsewhere. Past 100 bytes it is cut, with `-` and 16 digits of a hash
/// of the whole behind it. Two services never share a folder.
pub fn folder_name(service: &str) -> String {
    let service = if service.is_empty() { UNKNOWN_SERVICE } else { service };
    let (is_device, last) = (is_device(service), service.len() - 1);
    let mut name = String::with_capacity(service.len());
    for (index, byte) in service.bytes().enumerate() {
        let is_plain = match byte {
            b'.' => index != 0 && index != last,
            b'_' | b'-' => true,
            byte => byte.is_ascii_alphanumeric() && !(index == 0 && is_device),
        };
        if is_plain {
            name.push(char::from(byte));
        } else {
            name.push('%');
            name.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
        }
    }
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let mut hash = Vec::new();
    write_hex(&mut hash, &Sha256::digest(service.as_bytes())[..8]);
    name.truncate(NAME_BYTES_MAX);
    name.push('-');
    name.push_str(&String::from_utf8_lossy(&hash));
    name
}

/// Whether Windows takes the name for a device: `CON`, `nul.txt`, `COM1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    DEVICES.iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|rest| match *device {
            "com" | "lpt" => rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit(),
            _ => rest.is_empty(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn s6_no_name_leads_out_of_the_folder_or_to_something_else_than_a_folder_of_its_own() {
        let long = "x".repeat(300);
        let names = [
            "..",
            ".",
            "...",
            "../../etc/x",
            "..\\..\\x",
            "/etc/passwd",
            "a/b",
            "a\0b",
            ".hidden",
            "CON",
            "nul.txt",
            "com1",
            "C:\\x",
            "\u{2024}\u{2024}/x",
            "％2e％2e",
            "a b",
            "%2E%2E",
            "x.",
            "",
            &long,
            "zwölf",
            "\n",
        ];

        let folders: HashSet<String> = names.iter().map(|name| folder_name(name)).collect();

        assert_eq!(folders.len(), names.len(), "no two share one");
        for folder in folders {
            assert!((1..=117).contains(&folder.len()), "{folder}");
            assert!(!folder.starts_with('.') && !folder.ends_with('.'), "{folder}");
            assert!(
                folder.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte)),
                "{folder}"
            );
            assert!(!is_device(&folder), "{folder}");
        }
    }

    #[test]
    fn usual_names_stay_as_they_are() {
        for name in ["shop", "shop-api", "shop_api.v2", "Shop", "console", "company"] {
            assert_eq!(folder_name(name), name);
        }
    }

    #[test]
    fn a_cut_name_differs_from_every_name_that_looks_like_it() {
        let (one, other) = ("a".repeat(101), "a".repeat(102));

        let cut = folder_name(&one);

        assert_ne!(cut, folder_name(&other));
        assert_ne!(cut, folder_name(&cut));
    }
}
