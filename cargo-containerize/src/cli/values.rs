//! Reading single values of flags.

use containerize_core::Error;
use containerize_core::base::spec::BaseSpec;
use containerize_core::inspect::GrowthLimit;
use containerize_core::registry::Mirror;
use containerize_core::sink::{Local, Output};
use containerize_core::store::parse_size;

/// Reads a place for the image.
pub(super) fn output(text: &str) -> Result<Output, String> {
    text.parse().map_err(in_words)
}

/// Reads the name of an engine or cluster.
pub(super) fn place(text: &str) -> Result<Local, String> {
    text.parse().map_err(in_words)
}

/// Reads the name of an image that is there.
pub(super) fn image(text: &str) -> Result<BaseSpec, String> {
    text.parse().map_err(|error: Error| in_words(error))
}

/// clap shows one text only: the hint must be in it.
fn in_words(error: impl Into<Error>) -> String {
    let error = error.into();
    error.hint_text().map_or_else(|| error.to_string(), |hint| format!("{error}: {hint}"))
}

/// Reads `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

/// Reads a command of one line, split like a shell would; or a list in JSON, as Dockerfiles have it.
pub(super) fn command(text: &str) -> Result<containerize_core::config::Command, String> {
    if let Ok(words) = serde_json::from_str(text) {
        return Ok(containerize_core::config::Command::Words(words));
    }
    let command = containerize_core::config::Command::Line(text.to_owned());
    command.words().map(|_| command).ok_or_else(|| "a quote is not closed".into())
}

/// Mirrors of registries, several separated by semicolons.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mirrors(pub(crate) Vec<Mirror>);

impl std::str::FromStr for Mirrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Mirror::parse_list(text).map(Self).map_err(in_words)
    }
}

/// How much an image may have grown, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) text: String,
    pub(crate) limit: GrowthLimit,
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a percentage or a size, for example 5% or 10MB".to_owned();
        let limit = match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
                let is_sane = (0.0..=1e6).contains(&percent);
                GrowthLimit::Millionths(is_sane.then_some((percent * 1e4).round() as u64).ok_or_else(wrong)?)
            }
            None => GrowthLimit::Bytes(parse_size(text).map_err(|_| wrong())?),
        };
        Ok(Self { text: text.to_owned(), limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_part_or_a_size() {
        let read = |text: &str| text.parse::<Limit>().map(|limit| limit.limit);
        assert_eq!(read("5%"), Ok(GrowthLimit::Millionths(50_000)));
        assert_eq!(read("0.5 %"), Ok(GrowthLimit::Millionths(5_000)));
        assert_eq!(read("0"), Ok(GrowthLimit::Bytes(0)));
        assert_eq!(read("10MB"), Ok(GrowthLimit::Bytes(10_000_000)));
        for wrong in ["", "%", "-1%", "NaN%", "inf%", "much"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pair_may_have_an_empty_value_but_no_empty_name() {
        assert_eq!(pair("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(pair("A="), Ok(("A".into(), String::new())));
        assert!(pair("A").is_err() && pair("=b").is_err());
    }

    #[test]
    fn a_command_is_a_line_or_a_list() {
        let words = |text: &str| command(text).map(|command| command.words().unwrap_or_default());
        assert_eq!(words("serve 'a b'"), Ok(vec!["serve".into(), "a b".into()]));
        assert_eq!(words(r#"["serve", "a b"]"#), Ok(vec!["serve".into(), "a b".into()]));
        assert_eq!(words("[ -f x ]"), Ok(["[", "-f", "x", "]"].map(str::to_owned).to_vec()));
        assert!(words("serve 'a").is_err());
    }

    #[test]
    fn a_refused_place_shows_the_forms() {
        let refusal = output("dir:x").expect_err("refused");
        assert!(refusal.contains("unknown type") && refusal.contains("oci:FOLDER"), "{refusal}");
    }

    #[test]
    fn a_path_is_answered_with_the_forms_of_images() {
        let refusal = image("./layout").expect_err("refused");
        assert!(refusal.contains("oci:./layout"), "{refusal}");
    }

    #[test]
    fn mirrors_are_a_list_that_may_be_empty() {
        let count = |text: &str| text.parse::<Mirrors>().map(|mirrors| mirrors.0.len());
        assert_eq!(count("docker.io=m.example:5000;gcr.io=m.example:5000/gcr;").expect("two"), 2);
        assert_eq!(count("").expect("an empty variable"), 0);
        assert!(count("docker.io").is_err());
    }

    #[test]
    fn an_open_quote_is_refused() {
        assert!(command("echo 'x").is_err());
        assert!(command("").is_ok(), "clears");
    }
}
