//! What of a base's configuration an image that is built on it takes over.

use super::image::BaseImage;
use super::spec::BaseSpec;

/// Docker's instructions for whoever builds on the base: they are meant for one generation.
const FOR_CHILDREN: &str = "OnBuild";
/// Whether the arguments are a line for Windows' shell: of the base's program, not of ours.
const FOR_WINDOWS: &str = "ArgsEscaped";

/// Leaves out what is not for the image, and makes the history fit the layers; what users should know
/// of it is returned.
pub(super) fn inherit(base: &mut BaseImage, spec: &BaseSpec) -> Vec<String> {
    let mut notes = Vec::new();
    let layers = base.layers.len();
    if let Some(told) = base.config.fit_history() {
        notes.push(format!(
            "the history of {spec} describes {told} layers, but it has {layers}; leaving the history out"
        ));
    }
    let extra = &mut base.config.config.extra;
    extra.remove(FOR_WINDOWS);
    if let Some(triggers) = extra.remove(FOR_CHILDREN) {
        let lines: Vec<&str> = triggers.as_array().into_iter().flatten().filter_map(|v| v.as_str()).collect();
        if !lines.is_empty() {
            notes.push(format!("{spec} has ONBUILD instructions, which are not run: {}", lines.join("; ")));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(config: &str) -> (BaseImage, Vec<String>) {
        let config = serde_json::from_str(config).expect("a configuration");
        let mut base = BaseImage { name: None, digest: None, version: None, config, layers: Vec::new() };
        let notes = inherit(&mut base, &"debian:12".parse().expect("a base"));
        (base, notes)
    }

    #[test]
    fn instructions_for_children_are_not_inherited_and_said() {
        let (base, notes) = inherited(
            r#"{"config":{"OnBuild":["RUN x","COPY . /"],"ArgsEscaped":true,"StopTimeout":5},"rootfs":{"type":"layers"}}"#,
        );
        assert_eq!(base.config.config.extra.keys().collect::<Vec<_>>(), ["StopTimeout"], "the rest survives");
        assert_eq!(notes.len(), 1);
        assert!(notes[0].ends_with("which are not run: RUN x; COPY . /"), "{notes:?}");
        assert!(inherited(r#"{"config":{"OnBuild":null},"rootfs":{"type":"layers"}}"#).1.is_empty());
    }

    #[test]
    fn a_history_of_more_layers_than_there_are_is_left_out_and_said() {
        let (base, notes) = inherited(r#"{"rootfs":{"type":"layers"},"history":[{"created_by":"RUN x"}]}"#);
        assert!(base.config.history.is_empty());
        assert!(notes[0].contains("debian:12 describes 1 layers, but it has 0"), "{notes:?}");
    }
}
