//! Files that say what runs in a cluster: where they name images, and the same text with other names there.
//!
//! They are read as YAML 1.2, of which JSON is a part, and changed as text: comments, order and layout stay as they are.

#[cfg(test)]
mod tests;

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::error::{Error, Result};
use crate::oci::Reference;

/// How a value begins that means the image of a project.
pub const SCHEME: &str = "containerize://";

/// The key whose values may be images that have a name already.
const IMAGE: &str = "image";

/// A value that names an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// `containerize://FOLDER`, with `#IMAGE` where the project makes several.
    Project {
        /// The project's folder, relative, as it is written.
        folder: String,
        /// Which image of the project.
        image: Option<String>,
    },
    /// The value of a key `image`, without a digest.
    Image(Reference),
}

/// One file, or what came on standard input: any number of documents.
#[derive(Debug)]
pub struct Deployment {
    /// What it is called in messages.
    name: String,
    text: String,
    /// In their order; where they are, in bytes of the text.
    places: Vec<(Range<usize>, Named)>,
}

impl Deployment {
    /// Finds the images in a text.
    ///
    /// # Errors
    /// Usage: it is not YAML, or an image of a project stands where it cannot be replaced.
    pub fn read(name: impl Into<String>, text: String) -> Result<Self> {
        let name = name.into();
        // Between others it would be in the middle of a stream.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let places = places(&name, &text)?;
        Ok(Self { name, text, places })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The images, in their order.
    pub fn images(&self) -> impl Iterator<Item = &Named> {
        self.places.iter().map(|(_, named)| named)
    }

    /// The text with other names in the place of those for which there are any.
    pub fn with(&self, name_of: impl Fn(&Named) -> Option<String>) -> String {
        let mut text = String::with_capacity(self.text.len());
        let mut done = 0;
        for (place, named) in &self.places {
            if let Some(name) = name_of(named) {
                text.push_str(&self.text[done..place.start]);
                text.push_str(&name);
                done = place.end;
            }
        }
        text.push_str(&self.text[done..]);
        text
    }
}

/// Several texts as one stream of documents.
pub fn stream(texts: impl IntoIterator<Item = String>) -> String {
    let mut texts = texts.into_iter().filter(|text| !text.trim().is_empty()).peekable();
    let mut all = String::new();
    while let Some(text) = texts.next() {
        // Directives may stand only where the document before has ended. kubectl takes a stream that begins with JSON for
        // one that has nothing else.
        let before = match (all.is_empty(), text.trim_start().as_bytes()) {
            (_, [b'-', b'-', b'-', ..]) => "",
            (true, [b'{', ..]) if texts.peek().is_some() => "---\n",
            (true, _) => "",
            (false, [b'%', ..]) => "...\n",
            (false, _) => "---\n",
        };
        all.push_str(before);
        all.push_str(&text);
        if !all.ends_with('\n') {
            all.push('\n');
        }
    }
    all
}

fn places(name: &str, text: &str) -> Result<Vec<(Range<usize>, Named)>> {
    let mut found = Vec::new();
    let mut context = Context::default();
    let mut offsets = Offsets { text, chars: 0, bytes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let line = error.marker().line();
            Error::usage(format!("{name}, line {line}: this is not YAML: {}", error.info()))
                .hint("render templates first, for example with `helm template`")
        })?;
        let key = context.takes(&event);
        let Event::Scalar(value, style, ..) = event else { continue };
        let Some(named) = named(&value, key.as_deref()) else { continue };
        let place = offsets.of(span);
        let inner = inner(&text[place.clone()], &value, style);
        match (inner, named) {
            (Some(inner), named) => found.push((place.start + inner.start..place.start + inner.end, named)),
            // Some other text, which happens to be in such a form.
            (None, Named::Image(_)) => {}
            (None, Named::Project { .. }) => {
                let line = span.start.line();
                return Err(Error::usage(format!(
                    "{name}, line {line}: {} cannot be replaced there",
                    value.trim()
                ))
                .hint("write it in one line, without escapes"));
            }
        }
    }
    Ok(found)
}

/// The image that a value means, where it means one.
fn named(value: &str, key: Option<&str>) -> Option<Named> {
    if let Some(rest) = value.trim().strip_prefix(SCHEME) {
        let (folder, image) =
            rest.split_once('#').map_or((rest, None), |(folder, image)| (folder, Some(image)));
        let folder = if folder.is_empty() { "." } else { folder };
        return Some(Named::Project { folder: folder.to_owned(), image: image.map(str::to_owned) });
    }
    let reference: Reference = (key == Some(IMAGE)).then(|| value.parse().ok()).flatten()?;
    reference.digest.is_none().then_some(Named::Image(reference))
}

/// Where in a scalar, which may have an anchor and a tag in front, its text is. `None` where it is not written as it is
/// meant: with escapes, or in several lines.
fn inner(written: &str, value: &str, style: ScalarStyle) -> Option<Range<usize>> {
    let quote = match style {
        ScalarStyle::Plain => "",
        ScalarStyle::SingleQuoted => "'",
        ScalarStyle::DoubleQuoted => "\"",
        ScalarStyle::Literal | ScalarStyle::Folded => return None,
    };
    let before = written.strip_suffix(quote)?.strip_suffix(value)?;
    (before.ends_with(quote) && !value.contains(['\n', '\r']))
        .then(|| before.len()..before.len() + value.len())
}

/// Positions in characters, which only grow, as positions in bytes.
struct Offsets<'t> {
    text: &'t str,
    chars: usize,
    bytes: usize,
}

impl Offsets<'_> {
    fn of(&mut self, span: Span) -> Range<usize> {
        let start = self.at(span.start.index());
        start..self.at(span.end.index())
    }

    fn at(&mut self, index: usize) -> usize {
        let ahead = &self.text[self.bytes..];
        let more = index.saturating_sub(self.chars);
        self.bytes += ahead.char_indices().nth(more).map_or(ahead.len(), |(at, _)| at);
        self.chars += more;
        self.bytes
    }
}

/// Where in the document an event is, as far as keys are concerned.
#[derive(Default)]
struct Context(Vec<Collection>);

enum Collection {
    Sequence,
    /// With the key whose value comes next, once that is known. Keys that are no scalars are empty.
    Mapping(Option<String>),
}

impl Context {
    /// The key that the event is the value of, where it has one.
    fn takes(&mut self, event: &Event<'_>) -> Option<String> {
        if matches!(event, Event::MappingEnd | Event::SequenceEnd) {
            self.0.pop();
            return None;
        }
        let is_node = matches!(
            event,
            Event::Scalar(..) | Event::Alias(_) | Event::MappingStart(..) | Event::SequenceStart(..)
        );
        let key = match self.0.last_mut() {
            Some(Collection::Mapping(key)) if is_node => match key.take() {
                None => {
                    let name =
                        if let Event::Scalar(name, ..) = event { name.to_string() } else { String::new() };
                    *key = Some(name);
                    None
                }
                key => key,
            },
            _ => None,
        };
        match event {
            Event::MappingStart(..) => self.0.push(Collection::Mapping(None)),
            Event::SequenceStart(..) => self.0.push(Collection::Sequence),
            _ => {}
        }
        key
    }
}
