//! The order of versions (deb-version(7), Debian Policy 5.6.12).

use std::cmp::Ordering;

/// Which of two versions is the higher one. Anything can be compared, also what is no version.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let epochs = number(a.0).cmp(&number(b.0));
    epochs.then_with(|| part(a.1, b.1)).then_with(|| part(a.2, b.2))
}

/// Epoch, upstream version and revision.
fn parts(version: &str) -> (&str, &str, &str) {
    let version = version.trim();
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch, upstream, revision)
}

/// Digits without leading zeros, which compare by length and then by their bytes: no number is too
/// large.
fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

/// Compares text and digits in turns.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split(a, |c| !c.is_ascii_digit());
        let (text_b, rest_b) = split(b, |c| !c.is_ascii_digit());
        let (digits_a, rest_a) = split(rest_a, |c| c.is_ascii_digit());
        let (digits_b, rest_b) = split(rest_b, |c| c.is_ascii_digit());
        let order = text(text_a, text_b).then_with(|| number(digits_a).cmp(&number(digits_b)));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Letters come before all that is none, and a tilde before everything, even the end.
fn text(a: &str, b: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        Some(c) => i64::from(u32::from(c)) + 256,
    };
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (one, other) = (a.next(), b.next());
        let order = weight(one).cmp(&weight(other));
        if order != Ordering::Equal || one.is_none() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In ascending order.
    const ORDER: &[&str] = &[
        "0~~",
        "0~~a",
        "0~",
        "0",
        "0a",
        "0a-0a",
        "0+",
        "1~rc1-1",
        "1-1",
        "1-1+b1",
        "1-1+deb12u1",
        "1-1.1",
        "1-2",
        "1.0-1",
        "1.0a-1",
        "1.0+x-1",
        "1.2",
        "1.9",
        "1.10",
        "1.18446744073709551616",
        "1:0.1",
        "2:0",
    ];

    #[test]
    fn versions_have_the_order_of_the_policy() {
        for (i, low) in ORDER.iter().enumerate() {
            assert_eq!(compare(low, low), Ordering::Equal, "{low}");
            for high in &ORDER[i + 1..] {
                assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
                assert_eq!(compare(high, low), Ordering::Greater, "{low} {high}");
            }
        }
    }

    #[test]
    fn zeros_that_say_nothing_do_not_count() {
        for (a, b) in [("1.0", "1.00"), ("0:1", "1"), ("1", "1-0"), ("1-01", "1-1"), ("00:1", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn dpkg_agrees() {
        let dpkg = |a: &str, word: &str, b: &str| {
            std::process::Command::new("dpkg").args(["--compare-versions", a, word, b]).status()
        };
        if dpkg("1", "eq", "1").is_err() {
            return;
        }
        for a in ORDER {
            for b in ORDER {
                let word = match compare(a, b) {
                    Ordering::Less => "lt",
                    Ordering::Equal => "eq",
                    Ordering::Greater => "gt",
                };
                assert!(dpkg(a, word, b).expect("dpkg").success(), "{a} {word} {b}");
            }
        }
    }
}
