//! Reading one place's values, with errors that name the key, the place and the nearest word.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::partial::{KEYS, Key, KeyKind, Partial};
use super::{Origin, natural};
use crate::error::{Error, Result};

/// Flags that say what a call does, not what an image is like: they have neither keys nor variables.
const FLAGS: &[&str] = &[
    "push",
    "output",
    "identity-token",
    "load",
    "dry-run",
    "format",
    "config",
    "project",
    "jobs",
    "no-cache",
    "retries",
    "timeout",
    "insecure",
    "verbose",
    "quiet",
    "workspace",
    "bins",
    "manifest-path",
    "target-dir",
    "locked",
    "offline",
    "frozen",
];

/// Reads a table that was found in a project file.
///
/// # Errors
/// Usage, naming the key and the place: an unknown key, or a value of a wrong type.
pub fn from_table(table: &Value, origin: &Origin) -> Result<Partial> {
    let partial: Partial = serde_path_to_error::deserialize(&natural::to_texts(table)).map_err(|e| {
        let path = e.path().to_string();
        explain(&e.inner().to_string(), &path, origin)
    })?;
    match partial.image.iter().find(|(_, image)| !image.image.is_empty()) {
        Some((name, _)) => Err(Error::usage(format!("image.{name} in {origin} has images of its own"))),
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

/// Reads the `CONTAINERIZE_*` variables among `variables`; others are ignored, and so are empty ones and
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
    let set = variables.iter().filter(|(_, text)| !text.trim().is_empty());
    for (name, text) in set.filter(|(name, _)| name.starts_with("CONTAINERIZE_")) {
        if let Some(key) = KEYS.iter().find(|key| key.variable().as_ref() == Some(name)) {
            table.insert(key.name.into(), variable_value(key, name, text)?);
        } else if !reserved.iter().any(|r| name == r || (r.ends_with('_') && name.starts_with(r))) {
            warnings.push(format!("unknown variable {name}{}", advice(name)));
        }
    }
    Ok((from_table(&Value::Object(table), &Origin::Environment)?, warnings))
}

/// What may have been meant by a variable that is not known.
fn advice(name: &str) -> String {
    let word = name.trim_start_matches("CONTAINERIZE_").to_lowercase().replace('_', "-");
    if FLAGS.contains(&word.as_str()) {
        return format!(": use the flag --{word}");
    }
    // Without what all have in common, so that unlike words are not taken for alike.
    match nearest(&word, KEYS.iter().map(|key| key.name.to_owned()))
        .and_then(|near| KEYS.iter().find(|k| k.name == near))
        .and_then(Key::variable)
    {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    }
}

fn variable_value(key: &Key, name: &str, text: &str) -> Result<Value> {
    let toml = key.kind == KeyKind::Toml || text.trim_start().starts_with(['[', '{']);
    if !toml {
        let value = Value::String(text.to_owned());
        return Ok(if key.kind == KeyKind::List { Value::Array(vec![value]) } else { value });
    }
    let table: toml::Table = toml::from_str(&format!("value = {text}")).map_err(|e| {
        Error::usage(format!("the variable {name} is not valid TOML")).because(e.message().to_owned()).hint(
            format!(
                "write it like the value of the key {} in TOML, with lists in [] and tables in {{}}",
                key.name
            ),
        )
    })?;
    serde_json::to_value(table)
        .map(|mut table| table["value"].take())
        .map_err(|e| Error::bug("TOML does not fit JSON").because(e))
}

/// Turns serde's words into ours.
fn explain(message: &str, path: &str, origin: &Origin) -> Error {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return wrong_value(strip_position(message), path, origin);
    };
    let mut words = rest.split('`').step_by(2);
    let unknown = words.next().unwrap_or_default();
    let known: Vec<String> =
        words.map(str::to_owned).filter(|word| !word.is_empty() && word != ", ").collect();
    let parent = path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.');
    let place = if matches!(parent, "" | ".") { String::new() } else { format!("`{parent}` in ") };
    let error = Error::usage(format!("there is no key `{unknown}` in {place}{origin}"));
    let is_key_of_all = known.iter().any(|key| key == "hooks");
    match nearest(unknown, known.iter().cloned()) {
        _ if is_key_of_all && FLAGS.contains(&unknown) => {
            error.hint(format!("use the flag --{unknown}: it belongs to one call, not to the image"))
        }
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("the keys are {}", known.join(", "))),
    }
}

/// A value that a key cannot have, with one that it can.
fn wrong_value(message: &str, path: &str, origin: &Origin) -> Error {
    let place = place_of(path, origin);
    let error = match found(message) {
        Some(found) => Error::usage(format!("{place} cannot be {found}")),
        None => Error::usage(format!("{place} is invalid: {}", in_our_words(message))),
    };
    // `image.NAME.KEY`, `KEY[0].field`: the hint is about the key.
    let mut words = path.split(['.', '[']);
    let key = match words.next() {
        Some("image") => words.nth(1),
        first => first,
    };
    match KEYS.iter().find(|known| Some(known.name) == key) {
        Some(key) => error.hint(format!("for example, write {} = {}", key.name, key.example)),
        None => error,
    }
}

/// A value and where it stands; of a variable, which one.
fn place_of(path: &str, origin: &Origin) -> String {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (key, rest) = path.split_at(end);
    let variable = KEYS.iter().find(|known| known.name == key).and_then(Key::variable);
    match variable.filter(|_| *origin == Origin::Environment) {
        _ if path == "." => origin.to_string(),
        Some(variable) => match rest.trim_start_matches('.') {
            "" => format!("the variable {variable}"),
            rest => format!("`{rest}` in the variable {variable}"),
        },
        None => format!("`{path}` in {origin}"),
    }
}

/// What of a wrong type was found, in words of TOML; serde says `invalid type: FOUND, expected WANTED`.
fn found(message: &str) -> Option<String> {
    let wrong = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let (found, _) = wrong?.rsplit_once(", expected ")?;
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_start_matches("point ").trim_matches('`');
    Some(match kind {
        "map" => "a table".into(),
        "sequence" => "a list".into(),
        "null" | "unit" => "empty".into(),
        "string" => format!("the text {value}"),
        _ => value.to_owned(),
    })
}

/// What serde says of values that are not known and of fields that are missing, in our words.
fn in_our_words(message: &str) -> String {
    if let Some((word, known)) =
        message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "))
    {
        return format!("unknown value {word:?}; expected {}", known.replace('`', ""));
    }
    match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(field) => format!("`{field}` is missing"),
        None => message.to_owned(),
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
            "`ports[0]` in [package.metadata.containerize] is invalid: \"http\" is not a port: write 8080, 8080/tcp or 53/udp | for example, write ports = [8080, \"53/udp\"]"
        );
        assert_eq!(
            refusal("healthcheck = 'curl'"),
            "`healthcheck` in [package.metadata.containerize] cannot be the text \"curl\" | for example, write healthcheck = { command = [\"/usr/local/bin/app\", \"--check\"], interval = \"30s\" }"
        );
        assert!(refusal("[[files]]\nfrom = 'a'").starts_with(
            "`files[0]` in [package.metadata.containerize] is invalid: `to` is missing | for example, write files ="
        ));
        assert!(
            refusal("image-format = 'oki'")
                .contains("is invalid: unknown value \"oki\"; expected oci or docker")
        );
        assert!(refusal("user = ").contains("is not valid TOML"));
    }

    #[test]
    fn every_key_says_what_to_write_for_a_value_of_a_wrong_type() {
        for key in KEYS {
            let example = format!("{} = {}", key.name, key.example);
            from_toml(&example, &table()).unwrap_or_else(|error| panic!("{example}: {error}"));
            for wrong in
                ["1979-05-27", "1.5", "[[1.5]]", "{ surely-unknown = 1.5 }", "[{ surely-unknown = 1.5 }]"]
            {
                let text = format!("{} = {wrong}", key.name);
                let Err(error) = from_toml(&text, &table()) else { continue };
                let said = error.to_string();
                for word in ["struct ", "invalid type", "sequence", "variant", "map", "found {"] {
                    assert!(!said.contains(word), "{text}: {said}");
                }
                let hint = error.hint_text().unwrap_or_default();
                let named = hint.contains(&example) || said.contains("there is no key");
                assert!(named && said.contains(key.name), "{text}: {said} | {hint}");
            }
        }
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
            // A hook that calls this program again: these tell it of the image, and do not name another one.
            ("CONTAINERIZE_NAME", "web"),
            ("CONTAINERIZE_VERSION", "1.0"),
        ];
        let variables = variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (partial, warnings) = from_environment(
            &variables,
            &["CONTAINERIZE_AUTH_", "CONTAINERIZE_NAME", "CONTAINERIZE_VERSION"],
        )
        .expect("valid");
        assert_eq!((partial.name, partial.version), (None, None));
        assert_eq!(partial.user.as_deref(), Some("1000:1000"));
        assert_eq!(partial.tags, Some(vec!["latest".into()]));
        assert_eq!(partial.ports.map(|p| p.len()), Some(2));
        assert_eq!(partial.max_layers, Some(9));
        assert_eq!(warnings, ["unknown variable CONTAINERIZE_PORT; did you mean CONTAINERIZE_PORTS?"]);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        for key in KEYS {
            let Some(variable) = key.variable() else { continue };
            let variables = [(variable, " ".to_owned())].into();
            assert_eq!(
                from_environment(&variables, &[]).expect(key.name).0,
                Partial::default(),
                "{}",
                key.name
            );
        }
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let said = |name: &str, text: &str| {
            let variables = [(name.to_owned(), text.to_owned())].into();
            from_environment(&variables, &[]).expect_err(name).to_string()
        };
        assert_eq!(
            said("CONTAINERIZE_MAX_LAYERS", "-1"),
            "the variable CONTAINERIZE_MAX_LAYERS cannot be -1"
        );
        assert_eq!(
            said("CONTAINERIZE_PORTS", "http"),
            "`[0]` in the variable CONTAINERIZE_PORTS is invalid: \"http\" is not a port: write 8080, 8080/tcp or 53/udp"
        );
        assert_eq!(
            said("CONTAINERIZE_HEALTHCHECK", "{ command = 'x', interval = 5 }"),
            "`interval` in the variable CONTAINERIZE_HEALTHCHECK cannot be 5"
        );
    }

    #[test]
    fn a_key_that_is_a_flag_names_the_flag() {
        assert_eq!(
            refusal("push = true"),
            "there is no key `push` in [package.metadata.containerize] | use the flag --push: it belongs to one call, not to the image"
        );
        assert!(
            refusal("max-layers = -1")
                .starts_with("`max-layers` in [package.metadata.containerize] cannot be -1")
        );
    }

    #[test]
    fn a_variable_for_a_flag_names_the_flag() {
        let said =
            |name: &str| from_environment(&[(name.to_owned(), "1".to_owned())].into(), &[]).expect("valid").1;
        assert_eq!(said("CONTAINERIZE_PUSH"), ["unknown variable CONTAINERIZE_PUSH: use the flag --push"]);
        assert_eq!(said("CONTAINERIZE_XYZZY"), ["unknown variable CONTAINERIZE_XYZZY"]);
    }

    #[test]
    fn a_broken_variable_names_itself() {
        let variables = [("CONTAINERIZE_ENV".to_owned(), "A=1".to_owned())].into();
        let error = from_environment(&variables, &[]).expect_err("refused");
        assert_eq!(error.to_string(), "the variable CONTAINERIZE_ENV is not valid TOML");
    }
}
