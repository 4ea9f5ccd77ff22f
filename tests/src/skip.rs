//! Tests of things that not every machine has.

/// Says why a test is not run. Where nothing may be left out (`CI=true`) it fails instead.
///
/// # Panics
/// When the variable `CI` is `true`.
#[allow(clippy::print_stderr, reason = "this is how a test says that it did nothing")]
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "skipped in CI: {reason}");
    eprintln!("skipped: {reason}");
}
