//! An image and the same one rebuilt, side by side: the first thing that differs.

use serde_json::Value;

use super::difference::{Difference, Field, LayerDifference, OnlyIn, Place, Side, Within};
use super::layers;
use crate::base::StoredImage;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, ImageConfig, Manifest, Platform};
use crate::redact::{self, tame};
use crate::registry::Client;
use crate::store::Store;

/// What is compared, and the means to read it.
pub(super) struct Pair<'a> {
    pub(super) image: &'a StoredImage,
    pub(super) rebuilt: &'a StoredImage,
    pub(super) client: &'a Client,
    pub(super) store: &'a Store,
}

/// One platform's image of one of the two.
struct OneImage {
    platform: Platform,
    entry: Descriptor,
    manifest: Manifest,
    config: ImageConfig,
}

impl Pair<'_> {
    /// Where the two differ first, platform by platform; what hangs on them or stands beside them does not count.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) async fn first_difference(&self) -> Result<Option<Difference>> {
        let (ours, theirs) = (sides(self.image).await?, sides(self.rebuilt).await?);
        for one in &ours {
            let Some(other) = theirs.iter().find(|other| other.platform == one.platform) else {
                return Ok(Some(only_in(Side::Image, one)));
            };
            if let Some(place) = self.of_platform(one, other).await? {
                return Ok(Some(Difference { platform: Some(one.platform.clone()), place }));
            }
        }
        let is_new = |other: &&OneImage| !ours.iter().any(|one| one.platform == other.platform);
        if let Some(other) = theirs.iter().find(is_new) {
            return Ok(Some(only_in(Side::Rebuilt, other)));
        }
        if self.image.root.digest == self.rebuilt.root.digest {
            return Ok(None);
        }
        let (one, other) = (index(self.image).await?, index(self.rebuilt).await?);
        Ok(field("", &one, &other).map(|field| Difference { platform: None, place: Place::Index(field) }))
    }

    async fn of_platform(&self, one: &OneImage, other: &OneImage) -> Result<Option<Place>> {
        if one.entry.digest == other.entry.digest {
            // A folder may hold anything under the name of a digest.
            self.image.check(&one.manifest.config)?;
            return one.manifest.layers.iter().try_for_each(|layer| self.image.check(layer)).map(|()| None);
        }
        if let Some(found) = self.of_layers(one, other).await? {
            return Ok(Some(Place::Layer(found)));
        }
        if one.manifest.config.digest != other.manifest.config.digest {
            let (image, rebuilt) = (json(&one.config)?, json(&other.config)?);
            // The history tells of the rest.
            for first in ["config", "created", ""] {
                let part =
                    |value: &Value| if first.is_empty() { value.clone() } else { value[first].clone() };
                if let Some(found) = field(first, &part(&image), &part(&rebuilt)) {
                    return Ok(Some(Place::Configuration(without_secrets(found))));
                }
            }
        }
        Ok(field("", &json(&one.manifest)?, &json(&other.manifest)?).map(Place::Manifest))
    }

    async fn of_layers(&self, one: &OneImage, other: &OneImage) -> Result<Option<LayerDifference>> {
        let (ours, theirs) = (layers_of(one)?, layers_of(other)?);
        let differs = |at: &usize| match (ours.get(*at), theirs.get(*at)) {
            (Some(one), Some(other)) => one.blob.digest != other.blob.digest,
            _ => true,
        };
        let Some(at) = (0..ours.len().max(theirs.len())).find(differs) else { return Ok(None) };
        let all_of = |side: Side, layer: &Layer<'_>| LayerDifference {
            layer: at + 1,
            title: tame(layer.title),
            is_ours: layer.is_ours,
            within: Within::Layer(OnlyIn { side }),
        };
        let (one, other) = match (ours.get(at), theirs.get(at)) {
            (Some(one), Some(other)) => (one, other),
            (Some(one), None) => return Ok(Some(all_of(Side::Image, one))),
            (None, Some(other)) => return Ok(Some(all_of(Side::Rebuilt, other))),
            (None, None) => return Ok(None),
        };
        // Where one of the two has a layer more, the other one's comes later.
        let is_later = |all: &[Layer<'_>], id: &Digest| all[at + 1..].iter().any(|later| later.id == id);
        if is_later(&ours, other.id) {
            return Ok(Some(all_of(Side::Image, one)));
        }
        if is_later(&theirs, one.id) {
            return Ok(Some(all_of(Side::Rebuilt, other)));
        }
        let image = self.image.layer(one.blob, self.client, self.store).await?;
        let rebuilt = self.rebuilt.layer(other.blob, self.client, self.store).await?;
        let within = tokio::task::block_in_place(|| layers::compare(&image, &rebuilt))?;
        Ok(Some(LayerDifference { within, ..all_of(Side::Image, one) }))
    }
}

fn only_in(side: Side, one: &OneImage) -> Difference {
    Difference { platform: Some(one.platform.clone()), place: Place::Platforms(OnlyIn { side }) }
}

async fn sides(of: &StoredImage) -> Result<Vec<OneImage>> {
    let mut found = Vec::new();
    for (entry, manifest) in of.images().await? {
        let bytes = of.small(&manifest.config).await?;
        let config: ImageConfig = serde_json::from_slice(&bytes)
            .map_err(|e| Error::integrity("the image's configuration cannot be read").because(e))?;
        let platform = config.platform();
        found.push(OneImage { platform, entry, manifest, config });
    }
    Ok(found)
}

/// A layer of one of the two.
struct Layer<'a> {
    /// What the history calls it.
    title: &'a str,
    /// Whether the base does not have it.
    is_ours: bool,
    blob: &'a Descriptor,
    /// The digest of its archive.
    id: &'a Digest,
}

fn layers_of(side: &OneImage) -> Result<Vec<Layer<'_>>> {
    let (layers, ids) = (&side.manifest.layers, &side.config.rootfs.diff_ids);
    if layers.len() != ids.len() {
        let (layers, ids) = (layers.len(), ids.len());
        return Err(Error::integrity(format!(
            "the image has {layers} layers, but its configuration lists {ids}"
        )));
    }
    let lines = side.config.history.iter().filter(|line| line.makes_layer());
    let told = lines.map(|line| (line.title(), line.is_ours())).chain(std::iter::repeat(("untitled", false)));
    let layers = told.zip(layers.iter().zip(ids));
    Ok(layers.map(|((title, is_ours), (blob, id))| Layer { title, is_ours, blob, id }).collect())
}

fn json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::bug("a value does not serialise").because(e))
}

/// What the root says, without what is stated about its images: a rebuilt one has that elsewhere.
async fn index(of: &StoredImage) -> Result<Value> {
    let bytes = of.manifest(&of.root).await?;
    let mut value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| Error::integrity("the index cannot be read").because(e))?;
    if let Some(Value::Array(entries)) = value.get_mut("manifests") {
        entries.retain(|entry| {
            serde_json::from_value::<Descriptor>(entry.clone()).is_ok_and(|entry| !entry.is_attached())
        });
    }
    // One image with something beside it is in an index for that alone.
    match value.get("manifests").and_then(Value::as_array).map(Vec::as_slice) {
        None | Some([_]) => Ok(Value::Null),
        Some(_) => Ok(value),
    }
}

/// The first field in which two values differ, by its names below `name`.
fn field(name: &str, image: &Value, rebuilt: &Value) -> Option<Field> {
    if image == rebuilt {
        return None;
    }
    let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match (image, rebuilt) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |all: &serde_json::Map<String, Value>, name| all.get(name).cloned().unwrap_or_default();
            names.into_iter().find_map(|name| field(&below(name), &of(one, name), &of(other, name)))
        }
        (Value::Array(one), Value::Array(other)) => {
            let of = |all: &[Value], at| all.get(at).cloned().unwrap_or_default();
            let most = one.len().max(other.len());
            (0..most).find_map(|at| field(&below(&at.to_string()), &of(one, at), &of(other, at)))
        }
        (image, rebuilt) => {
            Some(Field { field: name.to_owned(), image: image.to_string(), rebuilt: rebuilt.to_string() })
        }
    }
}

/// The field without the value of a variable that nobody may see.
fn without_secrets(mut field: Field) -> Field {
    if field.field.starts_with("config.Env.") {
        for text in [&mut field.image, &mut field.rebuilt] {
            let line: String = serde_json::from_str(text).unwrap_or_default();
            if let Some((name, value)) = line.split_once('=') {
                *text = Value::from(format!("{name}={}", redact::shown_variable(name, value))).to_string();
            }
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_field_that_differs_is_named_by_its_way() {
        let found = |one: Value, other: Value| {
            field("", &one, &other).map(|field| format!("{} {} {}", field.field, field.image, field.rebuilt))
        };
        assert_eq!(found(json!({"a": 1}), json!({"a": 1})), None);
        let (one, other) = (json!({"a": {"b": [1, "x"]}, "c": 1}), json!({"a": {"b": [1, "y"]}}));
        assert_eq!(found(one, other).as_deref(), Some("a.b.1 \"x\" \"y\""));
        assert_eq!(found(json!({"a": [1]}), json!({})).as_deref(), Some("a [1] null"));
    }

    #[test]
    fn secrets_in_variables_are_not_shown() {
        let of = |field: &str, image: &str| {
            let text = |text: &str| Value::from(text).to_string();
            let field = Field { field: field.into(), image: text(image), rebuilt: text("A=1") };
            without_secrets(field).image
        };
        assert_eq!(of("config.Env.2", "API_TOKEN=hunter2"), "\"API_TOKEN=****\"");
        assert_eq!(of("config.Env.2", "PORT=80"), "\"PORT=80\"");
        assert_eq!(of("config.Labels.x", "y"), "\"y\"");
    }
}
