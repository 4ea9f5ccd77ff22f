//! Secrets that somebody was given, in what he says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use serde::Serializer;

use super::{BLANK, clean};

/// Whether a variable of this name holds what others should not know, by custom.
pub fn is_secret_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts: Vec<&str> = name.split(['_', '-', '.']).collect();
    let has = |words: &[&str]| parts.iter().any(|part| words.contains(part));
    let key =
        parts.ends_with(&["KEY"]) && has(&["ACCESS", "API", "PRIVATE", "SECRET", "ENCRYPTION", "SIGNING"]);
    has(&[
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "TOKEN",
        "SECRET",
        "CREDENTIAL",
        "CREDENTIALS",
        "APIKEY",
        "AUTH",
    ]) || key
        || name.ends_with("PASSWORD")
        || name.ends_with("TOKEN")
}

/// The value of a variable for people.
pub fn shown_variable<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret_variable(name) { Cow::Borrowed(BLANK) } else { clean(value) }
}

/// Serialises variables as they are shown.
pub fn variables<S: Serializer>(all: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(all.iter().map(|(name, value)| (name, shown_variable(name, value))))
}

/// The text without any of these secrets, also where they are repeated in base64 or as parts of URLs.
/// For words of somebody who was given them.
pub fn without<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.into_iter().filter(|secret| !secret.trim().is_empty()) {
        let encoded = STANDARD_NO_PAD.encode(secret);
        let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret, &encoded, &in_url] {
            clean = blanked(&clean, form);
        }
    }
    clean
}

/// A short secret could be part of any word, so only the whole word is blanked.
fn blanked(text: &str, secret: &str) -> String {
    const LONG: usize = 8;
    if secret.len() >= LONG {
        return text.replace(secret, BLANK);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = rest.split_at(at);
        let after = after.get(secret.len()..).unwrap_or_default();
        let word = |c: char| c.is_alphanumeric();
        let whole = !before.chars().next_back().is_some_and(word) && !after.chars().next().is_some_and(word);
        clean.push_str(before);
        clean.push_str(if whole { BLANK } else { secret });
        rest = after;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_was_given_is_blanked_in_what_he_says() {
        let said = "no hunter2hunter2, aHVudGVyMmh1bnRlcjI= or p%40ss%2Fword1 for du:pw in spw";
        let clean = without(said, ["hunter2hunter2", "p@ss/word1", "pw", ""]);
        assert_eq!(clean, "no ****, ****= or **** for du:**** in spw");
    }

    #[test]
    fn names_tell_which_variables_are_secret() {
        for name in [
            "POSTGRES_PASSWORD",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "API_KEY",
            "PGPASSWORD",
            "Tok_en_auth",
        ] {
            assert!(is_secret_variable(name), "{name}");
        }
        for name in ["AUTHOR", "KEYBOARD", "TOKENIZERS_PARALLELISM", "KEY_COUNT", "PATH", "SECRETARY", "KEY"]
        {
            assert!(!is_secret_variable(name), "{name}");
        }
    }
}
