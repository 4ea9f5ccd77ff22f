//! Where an image and the same one rebuilt differ first, as a value.

use std::fmt;

use serde::Serialize;

use super::bytes::{Bytes, shown};
use crate::oci::Platform;

/// The first difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// The image of which platform differs; none where it is the index.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "platform")]
    pub platform: Option<Platform>,
    /// Where in it.
    #[serde(flatten)]
    pub place: Place,
}

fn platform<S: serde::Serializer>(value: &Option<Platform>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value.as_ref().map(ToString::to_string).unwrap_or_default())
}

/// Where in an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "in")]
pub enum Place {
    /// The platform is in one of the two alone.
    Platforms(OnlyIn),
    /// A field of the index.
    Index(Field),
    /// A field of the manifest.
    Manifest(Field),
    /// A field of the configuration.
    Configuration(Field),
    /// A layer, and where in it.
    Layer(LayerDifference),
}

/// What is in one of the two alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OnlyIn {
    /// Which.
    #[serde(rename = "only-in")]
    pub side: Side,
}

/// One of the two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The one that is verified.
    Image,
    /// The one that was built again.
    Rebuilt,
}

/// A field that differs. A value that is not there is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The names that lead to it, with dots between them.
    pub field: String,
    /// Its value in the image, as JSON.
    pub image: String,
    /// Its value in what was rebuilt.
    pub rebuilt: String,
}

/// A layer that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerDifference {
    /// The lowest is 1.
    pub layer: usize,
    /// What its line in the history calls it.
    pub title: String,
    /// Whether the base does not have it.
    #[serde(skip)]
    pub is_ours: bool,
    /// Where in it.
    #[serde(flatten)]
    pub within: Within,
}

/// Where in a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Within {
    /// All of it is in one of the two alone.
    Layer(OnlyIn),
    /// What is in it is the same, and its compressed bytes are not.
    Compression(Bytes),
    /// Headers or padding of the archive.
    Archive,
    /// The entry at a path is in one of the two alone.
    Entry(Entry<OnlyIn>),
    /// The content of a file.
    Content(Entry<Bytes>),
    /// What an entry is: its type, mode, owner, time or target.
    Property(Entry<Field>),
}

/// Something about the entry at a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry<T> {
    /// The path in the image.
    pub path: String,
    /// What differs there.
    #[serde(flatten)]
    pub about: T,
}

impl Difference {
    /// The path of the file in question, if it is one.
    pub fn path(&self) -> Option<&str> {
        match &self.place {
            Place::Layer(LayerDifference { within: Within::Entry(entry), .. }) => Some(&entry.path),
            Place::Layer(LayerDifference { within: Within::Content(entry), .. }) => Some(&entry.path),
            Place::Layer(LayerDifference { within: Within::Property(entry), .. }) => Some(&entry.path),
            _ => None,
        }
    }

    /// The bytes in question, if they are those of a file.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.place {
            Place::Layer(LayerDifference { within: Within::Content(entry), .. }) => Some(&entry.about),
            _ => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(platform) = &self.platform {
            write!(f, "{platform}: ")?;
        }
        match &self.place {
            Place::Platforms(OnlyIn { side }) => write!(f, "the platform is only in {side}"),
            Place::Index(field) => write!(f, "the index: {field}"),
            Place::Manifest(field) => write!(f, "the manifest: {field}"),
            Place::Configuration(field) => write!(f, "the configuration: {field}"),
            Place::Layer(LayerDifference { layer, title, within, .. }) => {
                write!(f, "layer {layer} ({title})")?;
                match within {
                    Within::Layer(OnlyIn { side }) => write!(f, " is only in {side}"),
                    Within::Compression(bytes) => {
                        write!(f, ": the same files, compressed differently{bytes}")
                    }
                    Within::Archive => write!(f, ": the same files in another form of archive"),
                    Within::Entry(Entry { path, about }) => write!(f, ": {path} is only in {}", about.side),
                    Within::Content(Entry { path, about }) => write!(f, ": {path}{about}"),
                    Within::Property(Entry { path, about }) => write!(f, ": {path}: {about}"),
                }
            }
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "the image",
            Self::Rebuilt => "the rebuilt image",
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    image:   {}\n    rebuilt: {}", self.field, self.image, self.rebuilt)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, other) =
            self.text().map_or_else(Default::default, |(one, other)| (quoted(&one), quoted(&other)));
        let of = |bytes: &[u8]| if bytes.is_empty() { "(end of file)".to_owned() } else { shown(bytes) };
        write!(f, ", byte {}", self.offset)?;
        write!(f, "\n    image:   {}{one}\n    rebuilt: {}{other}", of(&self.image), of(&self.rebuilt))
    }
}

fn quoted(text: &str) -> String {
    format!("  in {text:?}")
}
