//! Files that say what runs in a cluster: where they name images, and the same text with other names there.
//!
//! They are read as text and not as YAML. What tools write differs in what of YAML it keeps to, templates are no YAML yet, and
//! texts within it hold files of their own; but names of images look the same in all of them. And so everything else
//! stays as it is: comments, order, layout.

#[cfg(test)]
mod tests;

use std::ops::Range;

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
        /// The project's folder, relative, as it is written. A tag behind it, as charts put it there, is not a part of it.
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
    name: String,
    text: String,
    places: Vec<Place>,
}

/// Where an image is named.
#[derive(Debug)]
struct Place {
    /// In bytes of the text, without quotes.
    range: Range<usize>,
    is_quoted: bool,
    line: usize,
    named: Named,
}

impl Deployment {
    /// Finds the images in a text, which has this name in messages.
    pub fn of(name: impl Into<String>, text: String) -> Self {
        // Between others it would be in the middle of a stream.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let places = places(&text);
        Self { name: name.into(), text, places }
    }

    /// The images, in their order, each with its place in words.
    pub fn images(&self) -> impl Iterator<Item = (String, &Named)> {
        self.places.iter().map(|place| (format!("{}, line {}", self.name, place.line), &place.named))
    }

    /// The text as it is.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with other names in the place of those for which there are any.
    pub fn with(&self, name_of: impl Fn(&Named) -> Option<String>) -> String {
        let mut text = String::with_capacity(self.text.len());
        let mut done = 0;
        for Place { range, is_quoted, named, .. } in &self.places {
            if let Some(name) = name_of(named) {
                text.push_str(&self.text[done..range.start]);
                // A host may be an IPv6 address in brackets, which would begin a list.
                match name.starts_with('[') && !is_quoted {
                    true => text.extend(["\"", &name, "\""]),
                    false => text.push_str(&name),
                }
                done = range.end;
            }
        }
        text.push_str(&self.text[done..]);
        text
    }
}

/// Several texts as one stream of documents.
pub fn stream<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut texts = texts.into_iter().filter(|text| !text.trim().is_empty()).peekable();
    let mut all = String::new();
    while let Some(text) = texts.next() {
        let first = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with('#'));
        // Directives may stand only where the document before has ended. kubectl takes a stream that begins with JSON for
        // one that has nothing else.
        let before = match (all.is_empty(), first.unwrap_or_default().as_bytes()) {
            (_, [b'-', b'-', b'-', ..]) => "",
            (true, [b'{', ..]) if texts.peek().is_some() => "---\n",
            (true, _) => "",
            (false, [b'%', ..]) => "...\n",
            (false, _) => "---\n",
        };
        all.push_str(before);
        all.push_str(text);
        if !all.ends_with('\n') {
            all.push('\n');
        }
    }
    all
}

fn places(text: &str) -> Vec<Place> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let said = &line[..comment(line)];
        let in_line = projects(said).chain(named_image(said));
        found.extend(in_line.map(|(range, named)| Place {
            is_quoted: quote_before(said, range.start).is_some(),
            range: start + range.start..start + range.end,
            line: number + 1,
            named,
        }));
        start += line.len();
    }
    found.sort_by_key(|place| place.range.start);
    found
}

/// Where a line's comment begins, or the line ends: at a `#` that nothing or a space is in front of, but for one in quotes.
fn comment(line: &str) -> usize {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return at,
            // Elsewhere it is an apostrophe.
            (None, '"' | '\'') if before.is_whitespace() || "[{,:=(".contains(before) => quote = Some(c),
            (Some(open), _) if c == open && before != '\\' => quote = None,
            _ => {}
        }
        before = c;
    }
    line.len()
}

/// The projects that a line names.
fn projects(line: &str) -> impl Iterator<Item = (Range<usize>, Named)> {
    line.match_indices(SCHEME).filter_map(|(start, _)| {
        let is_start = line[..start].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
        let range = start..end_of_value(line, start);
        let value = line[range.clone()].strip_prefix(SCHEME)?;
        let (folder, image) =
            value.split_once('#').map_or((value, None), |(folder, image)| (folder, Some(image)));
        let image = image.map(|image| without_tag(image).to_owned());
        let folder = match without_tag(folder) {
            "" => ".",
            folder => folder,
        };
        is_start.then(|| (range, Named::Project { folder: folder.to_owned(), image }))
    })
}

/// What is in front of a colon. No folder has one on all systems.
fn without_tag(text: &str) -> &str {
    text.split_once(':').map_or(text, |(before, _)| before)
}

/// The value of a key `image` in a line, where it is a name without a digest.
fn named_image(line: &str) -> Option<(Range<usize>, Named)> {
    let (at, _) = line.match_indices(IMAGE).find(|(at, _)| {
        let before = line[..*at].trim_end_matches(['"', '\'']).chars().next_back();
        let after = line[at + IMAGE.len()..].trim_start_matches(['"', '\'']).trim_start();
        before.is_none_or(|c| c.is_whitespace() || "{,".contains(c)) && after.starts_with(':')
    })?;
    let colon = at + IMAGE.len() + line[at + IMAGE.len()..].find(':')? + 1;
    let rest = line[colon..].trim_start().trim_start_matches(['"', '\'']);
    let start = line.len() - rest.len();
    let range = start..end_of_value(line, start);
    let reference: Reference = line[range.clone()].parse().ok()?;
    reference.digest.is_none().then_some((range, Named::Image(reference)))
}

/// Where a value that begins at `start` ends: at its closing quote, else where YAML, JSON and shells end a word.
fn end_of_value(line: &str, start: usize) -> usize {
    let quote = quote_before(line, start);
    let ends = |c: char| match quote {
        Some(quote) => c == quote || c == '\\',
        None => c.is_whitespace() || ",]})\"'`;\\".contains(c),
    };
    let rest = &line[start..];
    start + rest.find(ends).unwrap_or_else(|| rest.trim_end().len())
}

fn quote_before(line: &str, start: usize) -> Option<char> {
    line[..start].chars().next_back().filter(|c| "\"'".contains(*c))
}
