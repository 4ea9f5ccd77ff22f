//! Events as lines of JSON (`--progress json`): their form, which other programs rely on, and its schema.

use containerize_core::event::{self, Event};
use containerize_core::words::Wording;
use schemars::JsonSchema;
use serde::Serialize;

/// The version of the form. Fields and events may be added to it; what is there keeps its name and meaning.
const VERSION: u32 = 1;

/// A line on standard error, of which `event` says what else it has.
///
/// Programs that run during a build, such as cargo, write lines of their own between them, which are no JSON objects with
/// an `event`. Readers pass over events and fields that they do not know.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Line {
    /// The first line: the form of the others.
    Version {
        /// The version of this form. It changes when a reader of an older one would be misled.
        version: u32,
        /// The version of the program.
        program: &'static str,
    },
    /// A step begins, in cargo's manner.
    Step {
        /// For example `Packing`.
        verb: &'static str,
        /// For example `hello 1.2.3 (linux/amd64)`.
        what: String,
    },
    /// Something worth knowing that needs no action.
    Note {
        /// A sentence.
        text: String,
    },
    /// Something that is probably not wanted. The result lists it too.
    Warning {
        /// A sentence.
        text: String,
    },
    /// Work with a size begins.
    Started {
        /// Its number, which later events about it have too.
        id: u64,
        /// What sort of work it is.
        motion: Motion,
        /// A name for people.
        label: String,
        /// The size in bytes; null where it is not known beforehand.
        total: Option<u64>,
    },
    /// So many bytes more are done.
    Advanced {
        /// The number of the work.
        id: u64,
        /// Bytes since the last such event about it.
        bytes: u64,
    },
    /// The work begins again from its first byte.
    Restarted {
        /// The number of the work.
        id: u64,
    },
    /// The work has ended.
    Ended {
        /// The number of the work.
        id: u64,
        /// How it ended.
        outcome: Outcome,
    },
}

/// A sort of work.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Motion {
    /// A layer is written and compressed.
    Layer,
    /// A blob goes to a registry or engine.
    Upload,
    /// A blob comes from a registry.
    Download,
}

/// How work ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It was done.
    Done,
    /// What it was about was there already.
    Exists,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It failed. The end of the call says why.
    Failed,
}

impl Line {
    /// The line that comes first.
    pub(crate) const FIRST: Self = Self::Version { version: VERSION, program: env!("CARGO_PKG_VERSION") };

    /// What is told of an event, in the words of the front end.
    pub(crate) fn of(event: &Event, wording: &dyn Wording) -> Self {
        match event {
            Event::Step { verb, what } => Self::Step { verb, what: what.clone() },
            Event::Note(text) => Self::Note { text: text.said(wording) },
            Event::Warning(text) => Self::Warning { text: text.said(wording) },
            Event::Started { id, motion, label, total } => {
                let motion = match motion {
                    event::Motion::Layer => Motion::Layer,
                    event::Motion::Upload => Motion::Upload,
                    event::Motion::Download => Motion::Download,
                };
                Self::Started { id: *id, motion, label: label.clone(), total: *total }
            }
            Event::Advanced { id, bytes } => Self::Advanced { id: *id, bytes: *bytes },
            Event::Restarted { id } => Self::Restarted { id: *id },
            Event::Ended { id, outcome } => {
                let outcome = match outcome {
                    event::Outcome::Done => Outcome::Done,
                    event::Outcome::Exists => Outcome::Exists,
                    event::Outcome::Mounted => Outcome::Mounted,
                    event::Outcome::Failed => Outcome::Failed,
                };
                Self::Ended { id: *id, outcome }
            }
        }
    }

    /// As it is written, with the end of the line.
    pub(crate) fn text(&self) -> String {
        // It holds nothing that JSON cannot say.
        format!("{}\n", serde_json::json!(self))
    }
}

/// The JSON Schema of a line.
pub(crate) fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Line).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".into(), format!("containerize --progress json, version {VERSION}").into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerize_core::words::Plain;

    #[test]
    fn lines_keep_their_form() {
        let line = |event: Event| Line::of(&event, &Plain).text();
        assert_eq!(
            Line::FIRST.text(),
            format!(
                "{{\"event\":\"version\",\"program\":\"{}\",\"version\":1}}\n",
                env!("CARGO_PKG_VERSION")
            )
        );
        let started =
            Event::Started { id: 7, motion: event::Motion::Upload, label: "a\nb".into(), total: None };
        assert_eq!(
            line(started),
            "{\"event\":\"started\",\"id\":7,\"label\":\"a\\nb\",\"motion\":\"upload\",\"total\":null}\n"
        );
        assert_eq!(line(Event::Note("x".into())), "{\"event\":\"note\",\"text\":\"x\"}\n");
        assert_eq!(
            line(Event::Ended { id: 7, outcome: event::Outcome::Exists }),
            "{\"event\":\"ended\",\"id\":7,\"outcome\":\"exists\"}\n"
        );
    }

    #[test]
    fn the_schema_in_the_docs_is_the_programs() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.schema.json");
        let kept: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(docs).expect("docs")).expect("JSON");
        assert_eq!(kept, schema(), "update it: containerize schema events > docs/events.schema.json");
    }
}
