//! Which of the images of an index or a layout is meant.

use std::path::Path;

use crate::error::{Error, Result};
use crate::oci::{Descriptor, Index, Platform};
use crate::read;
use crate::words;
use crate::words::flag;

/// The image for `platform` in an index; attestations and the like are no images.
pub(super) fn choose(index: &Index, platform: &Platform) -> Result<Descriptor> {
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|d| !d.is_attached()).collect();
    let of = |d: &&&Descriptor| d.platform.as_ref().is_some_and(|p| p == platform);
    let serving = |d: &&&Descriptor| d.platform.as_ref().is_some_and(|p| p.serves(platform));
    let chosen = images.iter().find(of).or_else(|| images.iter().find(serving));
    if let Some(descriptor) = chosen {
        return Ok((*descriptor).clone());
    }
    if let [only] = images[..]
        && only.platform.is_none()
    {
        return Ok(only.clone());
    }
    let mut known: Vec<String> =
        images.iter().filter_map(|d| d.platform.as_ref()).map(Platform::to_string).collect();
    known.sort();
    known.dedup();
    Err(Error::usage(format!("the base has no image for {platform}"))
        .because(format!("it has {}", if known.is_empty() { "none at all".into() } else { known.join(", ") }))
        .hint(words!("choose a base for this platform, or another {platform}", platform = flag("platform"))))
}

/// Reads `index.json` of a layout.
pub(super) fn read_index(dir: &Path) -> Result<Index> {
    let path = dir.join("index.json");
    let bytes = read::bytes(&path, read::DOCUMENT).map_err(|e| {
        Error::usage(format!("{} is not an OCI layout", dir.display()))
            .because(format!("{}: {e}", path.display()))
            .hint("use a folder with oci-layout, index.json and blobs")
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::build(format!("{} is broken", path.display())).because(e))
}

/// The entry of a layout's index with this name.
pub(super) fn pick(index: &Index, name: Option<&str>) -> Result<Descriptor> {
    const KEY: &str = "org.opencontainers.image.ref.name";
    let names: Vec<&str> =
        index.manifests.iter().filter_map(|d| d.annotations.get(KEY)).map(String::as_str).collect();
    let error = |what: String| {
        let known = if names.is_empty() {
            "its images have no names".into()
        } else {
            format!("it has {}", names.join(", "))
        };
        Error::usage(what).because(known).hint("add the name of one, for example oci:FOLDER:NAME")
    };
    let found: Vec<&Descriptor> = match name {
        Some(name) => index
            .manifests
            .iter()
            .filter(|d| d.annotations.get(KEY).map(String::as_str) == Some(name))
            .collect(),
        None => index.manifests.iter().filter(|d| !d.is_attached()).collect(),
    };
    match (found[..].as_ref(), name) {
        ([only], _) => Ok((*only).clone()),
        ([], Some(name)) => Err(error(format!("the layout has no image {name:?}"))),
        ([], None) => Err(error("the layout has no images".into())),
        (_, Some(name)) => Err(error(format!("the layout has several images {name:?}"))),
        (_, None) => Err(error("the layout has several images".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn index(text: &str) -> Index {
        let digest = Digest::of(b"x");
        serde_json::from_str(&text.replace('#', &format!("\"digest\":\"{digest}\",\"size\":1")))
            .expect("an index")
    }

    #[test]
    fn attestations_are_never_a_platform() {
        let index = index(
            r#"{"schemaVersion":2,"manifests":[
            {"mediaType":"m1",#,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
            {"mediaType":"m2",#,"platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest"}},
            {"mediaType":"m3",#,"platform":{"os":"unknown","architecture":"unknown"}}]}"#,
        );
        assert_eq!(choose(&index, &Platform::linux("arm64")).expect("chosen").media_type, "m1");
        let error = choose(&index, &Platform::linux("amd64")).expect_err("not there");
        assert_eq!(error.causes(), ["it has linux/arm64/v8"]);
    }

    #[test]
    fn a_layouts_image_is_picked_by_its_name() {
        let index = index(
            r#"{"schemaVersion":2,"manifests":[
            {"mediaType":"a",#,"annotations":{"org.opencontainers.image.ref.name":"1"}},
            {"mediaType":"b",#,"annotations":{"org.opencontainers.image.ref.name":"2"}}]}"#,
        );
        assert_eq!(pick(&index, Some("2")).expect("picked").media_type, "b");
        assert!(pick(&index, None).is_err());
        assert_eq!(pick(&index, Some("3")).expect_err("not there").causes(), ["it has 1, 2"]);
        let with_bill = self::index(
            r#"{"schemaVersion":2,"manifests":[
            {"mediaType":"a",#,"annotations":{"org.opencontainers.image.ref.name":"1"}},
            {"mediaType":"b",#,"artifactType":"application/spdx+json"}]}"#,
        );
        assert_eq!(pick(&with_bill, None).expect("the only image").media_type, "a");
    }
}
