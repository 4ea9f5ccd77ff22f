//! Reading one place's values, with errors that name the key, the place and the nearest word.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Origin;
use super::partial::{KEYS, Key, KeyKind, Partial};
use crate::error::{Error, Result};

/// Reads a table that was found in a project file.
///
/// # Errors
/// Usage, naming the key and the place: an unknown key, or a value of a wrong type.
pub fn from_table(table: &Value, origin: &Origin) -> Result<Partial> {
    let partial: Partial = serde_path_to_error::deserialize(table).map_err(|e| {
        let path = e.path().to_string();
        explain(&e.inner().to_string(), &path, origin)
    })?;
    match partial.image.iter().find(|(_, image)| !image.image.is_empty()) {
        Some((name, _)) => Err(Error::usage(format!("image.{name} in {origin} holds images of its own"))),
        None => Ok(partial),
    }
}

/// Reads a TOML document: the file of `--config`.
///
/// # Errors
/// As [`from_table`], and when the text is no TOML.
pub fn from_toml(text: &str, origin: &Origin) -> Result<Partial> {
    let table: toml::Table = toml::from_str(text)
        .map_err(|e| Error::usage(format!("{origin} is not valid TOML")).because(e.to_string().trim_end()))?;
    let value = serde_json::to_value(table).map_err(|e| Error::bug("TOML does not fit JSON").because(e))?;
    from_table(&value, origin)
}

/// Reads the `CONTAINERIZE_*` variables among `variables`; others are ignored, and so are
/// those in `reserved`, which are no keys. Returns warnings about names that are no keys.
///
/// # Errors
/// Usage, naming the variable.
pub fn from_environment(
    variables: &BTreeMap<String, String>,
    reserved: &[&str],
) -> Result<(Partial, Vec<String>)> {
    let mut table = Map::new();
    let mut warnings = Vec::new();
    for (name, text) in variables.iter().filter(|(name, _)| name.starts_with("CONTAINERIZE_")) {
        if let Some(key) = KEYS.iter().find(|key| key.variable() == *name) {
            table.insert(key.name.into(), variable_value(key, text)?);
        } else if !reserved.iter().any(|r| name == r || (r.ends_with('_') && name.starts_with(r))) {
            let near = nearest(name, KEYS.iter().map(Key::variable));
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            warnings.push(format!("the variable {name} means nothing here{hint}"));
        }
    }
    Ok((from_table(&Value::Object(table), &Origin::Environment)?, warnings))
}

fn variable_value(key: &Key, text: &str) -> Result<Value> {
    let toml = key.kind == KeyKind::Toml || text.trim_start().starts_with(['[', '{']);
    if !toml {
        let value = Value::String(text.to_owned());
        return Ok(if key.kind == KeyKind::List { Value::Array(vec![value]) } else { value });
    }
    let table: toml::Table = toml::from_str(&format!("value = {text}")).map_err(|e| {
        Error::usage(format!("the variable {} is not valid TOML", key.variable()))
            .because(e.message().to_owned())
            .hint(format!(
                "write it as the value of the key {} is written in TOML, lists in [] and tables in {{}}",
                key.name
            ))
    })?;
    serde_json::to_value(table)
        .map(|mut table| table["value"].take())
        .map_err(|e| Error::bug("TOML does not fit JSON").because(e))
}

/// Turns serde's words into ours.
fn explain(message: &str, path: &str, origin: &Origin) -> Error {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        let place = if path == "." { String::new() } else { format!("`{path}` in ") };
        let message = strip_position(message);
        return Error::usage(format!("{place}{origin} is wrong: {message}"));
    };
    let mut words = rest.split('`').step_by(2);
    let unknown = words.next().unwrap_or_default();
    let known: Vec<String> =
        words.map(str::to_owned).filter(|word| !word.is_empty() && word != ", ").collect();
    let parent = path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.');
    let place = if matches!(parent, "" | ".") { String::new() } else { format!("`{parent}` in ") };
    let error = Error::usage(format!("there is no key `{unknown}` in {place}{origin}"));
    match nearest(unknown, known.iter().cloned()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("the keys are {}", known.join(", "))),
    }
}

/// serde_json appends a position, which means nothing for values that came from TOML.
fn strip_position(message: &str) -> &str {
    message.split_once(" at line ").map_or(message, |(text, _)| text)
}

/// The word most like `word`, if one is like it at all.
fn nearest(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, &candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()).div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Origin {
        Origin::Table("package.metadata.containerize".into())
    }

    fn refusal(text: &str) -> String {
        let error = from_toml(text, &table()).expect_err(text);
        format!("{error} | {}", error.hint_text().unwrap_or_default())
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        assert_eq!(
            refusal("prots = [80]"),
            "there is no key `prots` in [package.metadata.containerize] | did you mean `ports`?"
        );
        assert_eq!(
            refusal("[hooks]\npree = []"),
            "there is no key `pree` in `hooks` in [package.metadata.containerize] | did you mean `pre`?"
        );
        assert_eq!(
            refusal("[[files]]\nfrom = 'a'\ntoo = '/b'"),
            "there is no key `too` in `files[0]` in [package.metadata.containerize] | did you mean `to`?"
        );
        assert_eq!(
            refusal("[image.web]\nlables = {}"),
            "there is no key `lables` in `image.web` in [package.metadata.containerize] | did you mean `labels`?"
        );
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        assert_eq!(
            refusal("ports = ['http']"),
            "`ports[0]` in [package.metadata.containerize] is wrong: \"http\" is not a port: write 8080, 8080/tcp or 53/udp | "
        );
        assert!(
            refusal("user = 5")
                .starts_with("`user` in [package.metadata.containerize] is wrong: invalid type")
        );
        assert!(refusal("user = ").contains("is not valid TOML"));
    }

    #[test]
    fn variables_hold_bare_words_or_toml() {
        let variables = [
            ("CONTAINERIZE_USER", "1000:1000"),
            ("CONTAINERIZE_TAGS", "latest"),
            ("CONTAINERIZE_PORTS", "[80, '53/udp']"),
            ("CONTAINERIZE_ENV", "{ A = '1' }"),
            ("CONTAINERIZE_MAX_LAYERS", "9"),
            ("CONTAINERIZE_CMD", "serve --all"),
            ("CONTAINERIZE_AUTH_GHCR_IO", "secret"),
            ("CONTAINERIZE_PORT", "1"),
            ("PATH", "/bin"),
        ];
        let variables = variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (partial, warnings) = from_environment(&variables, &["CONTAINERIZE_AUTH_"]).expect("valid");
        assert_eq!(partial.user.as_deref(), Some("1000:1000"));
        assert_eq!(partial.tags, Some(vec!["latest".into()]));
        assert_eq!(partial.ports.map(|p| p.len()), Some(2));
        assert_eq!(partial.max_layers, Some(9));
        assert_eq!(
            warnings,
            ["the variable CONTAINERIZE_PORT means nothing here; did you mean CONTAINERIZE_PORTS?"]
        );
    }

    #[test]
    fn a_broken_variable_names_itself() {
        let variables = [("CONTAINERIZE_ENV".to_owned(), "A=1".to_owned())].into();
        let error = from_environment(&variables, &[]).expect_err("refused");
        assert_eq!(error.to_string(), "the variable CONTAINERIZE_ENV is not valid TOML");
    }
}
