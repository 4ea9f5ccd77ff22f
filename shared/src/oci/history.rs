//! The history of an image: a line for each layer, and what this program writes into its own.

use super::{History, ImageConfig};

/// How the line of a layer that this program made begins.
const MADE_HERE: &str = "containerize: ";
/// The same of layers that are a base all the same.
const BASE_MADE_HERE: &str = "containerize: base ";
/// What is said of a layer of which the base says nothing.
const UNKNOWN: &str = "base layer";

impl History {
    /// The line of a layer of ours with this title. No line has a time.
    pub fn of_layer(title: &str) -> Self {
        Self::words(format!("{MADE_HERE}{title}"))
    }

    /// The line of a layer of a base that this program makes.
    pub fn of_base(name: &str) -> Self {
        Self::words(format!("{BASE_MADE_HERE}{name}"))
    }

    fn words(created_by: String) -> Self {
        Self { created_by: Some(created_by), ..Self::default() }
    }

    /// What a line of ours calls its layer; all of another line.
    pub fn title(&self) -> &str {
        let words = self.created_by.as_deref().unwrap_or(UNKNOWN);
        words.strip_prefix(MADE_HERE).unwrap_or(words)
    }

    /// Whether the line is of a layer of ours that is no base.
    pub fn is_ours(&self) -> bool {
        let words = self.created_by.as_deref().unwrap_or_default();
        words.starts_with(MADE_HERE) && !words.starts_with(BASE_MADE_HERE)
    }

    /// Whether the step that it tells of made a layer.
    pub fn makes_layer(&self) -> bool {
        self.empty_layer != Some(true)
    }
}

impl ImageConfig {
    /// Of how many layers the history tells.
    pub fn told_layers(&self) -> usize {
        self.history.iter().filter(|line| line.makes_layer()).count()
    }

    /// Makes the history tell of each layer once (image-spec `config.md`, "history"): what is missing
    /// gets a line. Lines that are too many belong to nobody knows which layer, so none is kept
    /// then, and the result is their number.
    pub fn fit_history(&mut self) -> Option<usize> {
        let (told, layers) = (self.told_layers(), self.rootfs.diff_ids.len());
        let too_many = (told > layers).then_some(told);
        if too_many.is_some() {
            self.history.clear();
        }
        for _ in self.told_layers()..layers {
            self.history.push(History::words(UNKNOWN.into()));
        }
        too_many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(history: &str, layers: usize) -> (Option<usize>, Vec<String>) {
        let digest = super::super::Digest::of(b"x");
        let mut config = ImageConfig {
            history: serde_json::from_str(history).expect("history"),
            ..ImageConfig::default()
        };
        config.rootfs.diff_ids = vec![digest; layers];
        let surplus = config.fit_history();
        assert_eq!(config.told_layers(), layers);
        (surplus, config.history.into_iter().filter_map(|line| line.created_by).collect())
    }

    #[test]
    fn each_layer_has_a_line_in_the_end() {
        let lines = r#"[{"created_by":"a"},{"created_by":"ENV","empty_layer":true},{"created_by":"b"}]"#;
        assert_eq!(fitted(lines, 2), (None, vec!["a".into(), "ENV".into(), "b".into()]));
        assert_eq!(fitted(lines, 3).1, ["a", "ENV", "b", "base layer"]);
        assert_eq!(fitted(lines, 1), (Some(2), vec!["base layer".into()]));
        assert_eq!(fitted("[]", 1), (None, vec!["base layer".into()]));
        assert_eq!(fitted(lines, 0), (Some(2), vec![]));
    }

    #[test]
    fn the_bases_that_are_made_here_are_not_ours() {
        assert!(History::of_layer("web").is_ours());
        assert!(!History::of_base("static").is_ours());
        assert!(!History::words("RUN x".into()).is_ours());
    }
}
