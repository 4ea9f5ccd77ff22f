//! How large the store may become.

use crate::error::{Error, Result};

/// The size that a store is cut down to where nobody says otherwise, in bytes: 10 GiB.
pub const DEFAULT_SIZE: u64 = 10 << 30;

/// Reads a size such as `5GiB`, `500 MB` or a number of bytes.
///
/// # Errors
/// Usage when it is none.
pub fn parse_size(text: &str) -> Result<u64> {
    let wrong =
        || Error::usage(format!("{text:?} is not a size")).hint("use a number and a unit, for example 5GiB");
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0_f64.powi(2),
        "g" | "gib" => 1024.0_f64.powi(3),
        "t" | "tib" => 1024.0_f64.powi(4),
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(wrong()),
    };
    // Floats keep whole bytes up to 8 PiB, and larger ones are cut off at the largest number.
    Ok((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        for (text, size) in [
            ("0", 0),
            ("1234", 1234),
            ("5GiB", 5 << 30),
            ("5 gib", 5 << 30),
            ("1.5M", 3 << 19),
            ("500MB", 500_000_000),
            ("2T", 2 << 40),
        ] {
            assert_eq!(parse_size(text).expect(text), size);
        }
        for text in ["", "GiB", "5 apples", "-1", "1.2.3G"] {
            assert_eq!(parse_size(text).expect_err(text).kind(), crate::Kind::Usage);
        }
    }
}
