//! The two languages of projects, and which keys are for one of them alone.

use std::fmt;

use super::Partial;

/// A kind of project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A cargo package or workspace.
    Rust,
    /// A project of any of Python's tools.
    Python,
}

impl Language {
    /// The other one.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Rust => Self::Python,
            Self::Python => Self::Rust,
        }
    }

    /// The keys that projects of this language alone know.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &[
                "bin",
                "features",
                "all-features",
                "no-default-features",
                "profile",
                "target",
                "auditable",
                "if-changed",
            ],
            Self::Python => &[
                "groups",
                "extras",
                "lock",
                "python",
                "no-binary",
                "wheel-verify",
                "missing",
                "build-env",
                "server",
                "bytecode",
                "trim",
                "install",
                "stale-lock",
                "include",
                "exclude",
                "executable",
            ],
        }
    }

    /// The first key that is set in `values` and that projects of this language alone know; `image.NAME.KEY` where
    /// it is set for one image.
    pub(crate) fn key_of_its_own(self, values: &Partial) -> Option<String> {
        let set = serde_json::to_value(values).unwrap_or_default();
        if let Some(key) = self.keys().iter().find(|key| set.get(key).is_some()) {
            return Some((*key).to_owned());
        }
        let of_image = |(name, image)| self.key_of_its_own(image).map(|key| format!("image.{name}.{key}"));
        values.image.iter().find_map(of_image)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KEYS, Origin, from_toml, schema};

    #[test]
    fn the_lists_say_what_the_keys_descriptions_say() {
        let schema = schema();
        for key in KEYS {
            let text = schema["properties"][key.name]["description"].as_str().expect(key.name);
            for language in [Language::Rust, Language::Python] {
                let is_said = text.starts_with(&format!("{language}: "));
                assert_eq!(language.keys().contains(&key.name), is_said, "{}: {text}", key.name);
            }
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_is_set() {
        let found = |text: &str, language: Language| {
            language.key_of_its_own(&from_toml(text, &Origin::Flag).expect(text))
        };
        assert_eq!(found("ports = [80]\nextras = ['x']", Language::Python).as_deref(), Some("extras"));
        assert_eq!(found("ports = [80]\nextras = ['x']", Language::Rust), None);
        let image = "[image.web]\nfeatures = ['x']";
        assert_eq!(found(image, Language::Rust).as_deref(), Some("image.web.features"));
    }
}
