//! `containerize diff`: two images, platform by platform. Nothing is read of platforms whose images are the same.

use super::Opened;
use crate::base::BaseImage;
use crate::base::spec::BaseSpec;
use crate::error::{Error, Result};
use crate::inspect::{self, Changes, Diff, Laid, PlatformDiff, SCHEMA, Sides};
use crate::oci::{Digest, Platform};
use crate::story::preflight::Examiner;
use crate::words;
use crate::words::flag;

/// An image for more platforms is not compared: each is looked for in the other one.
const MOST_PLATFORMS: usize = 256;

impl Examiner<'_> {
    /// What the second image differs in from the first, on these platforms; on all that both have where none is named.
    /// They are called by the names in what is said.
    ///
    /// # Errors
    /// When one is not there, is broken, lacks a platform, or has too many; when they have no platform in common.
    pub async fn diff(
        &self,
        images: Sides<&BaseSpec>,
        names: Sides<String>,
        platforms: &[Platform],
    ) -> Result<Diff> {
        let opened = Sides {
            from: self.opened(images.from, platforms).await?,
            to: self.opened(images.to, platforms).await?,
        };
        let there = opened.as_ref().map(|one| one.platforms.as_slice());
        refuse_many(&names.from, there.from)?;
        refuse_many(&names.to, there.to)?;
        let (common, only) = divided(there);
        if common.is_empty() {
            return Err(nothing_in_common(&names, &only));
        }
        let mut found = Vec::new();
        for platform in common {
            found.push(self.diff_of(&names, opened.as_ref(), platform).await?);
        }
        let only = only.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        Ok(Diff {
            schema: SCHEMA,
            same: found.iter().all(|one| one.changes.is_none()) && only.from.is_empty() && only.to.is_empty(),
            chosen: !platforms.is_empty(),
            digests: opened.map(|one| one.digest()),
            images: names,
            platforms: found,
            only,
        })
    }

    async fn diff_of(
        &self,
        names: &Sides<String>,
        opened: Sides<&Opened<'_>>,
        platforms: Sides<&Platform>,
    ) -> Result<PlatformDiff> {
        let Sides { from, to } = names;
        self.events.step("Comparing", format!("{from} and {to} ({})", platforms.to));
        let (from, to) = (opened.from.look(platforms.from).await?, opened.to.look(platforms.to).await?);
        let digests = Sides { from: from.digest, to: to.digest };
        let is_same = are_same(&from, &to);
        let changes = if is_same { None } else { Some(changes(opened, platforms, from, to).await?) };
        Ok(PlatformDiff { platform: platforms.to.clone(), digests, changes })
    }
}

async fn changes(
    opened: Sides<&Opened<'_>>,
    platforms: Sides<&Platform>,
    from: BaseImage,
    to: BaseImage,
) -> Result<Changes> {
    // One after the other: what is read of an image takes more memory than what is kept of it.
    let from = opened.from.measured(from, platforms.from).await?;
    let from = tokio::task::block_in_place(|| Laid::of(from));
    let to = opened.to.measured(to, platforms.to).await?;
    Ok(tokio::task::block_in_place(|| inspect::diff(&from, &Laid::of(to))))
}

/// Whether both are the same image. Those of engines have no digest: their configurations name the content of all layers.
fn are_same(from: &BaseImage, to: &BaseImage) -> bool {
    match (from.digest, to.digest) {
        (Some(from), Some(to)) => from == to,
        _ => from.config == to.config && stored(from).eq(stored(to)),
    }
}

fn stored(image: &BaseImage) -> impl Iterator<Item = &Digest> {
    image.layers.iter().map(|layer| &layer.descriptor.digest)
}

/// The platforms that both have, as each calls them, and those that only one has.
fn divided(there: Sides<&[Platform]>) -> (Vec<Sides<&Platform>>, Sides<Vec<&Platform>>) {
    let is_same = |one: &Platform, other: &Platform| one.serves(other) && other.serves(one);
    let mut common: Vec<Sides<&Platform>> = Vec::new();
    let mut only = Sides::<Vec<&Platform>>::default();
    for to in there.to {
        match there.from.iter().find(|from| is_same(from, to)) {
            // An index may list several images for one platform: the first is the one that runs.
            Some(_) if common.iter().any(|known| is_same(known.to, to)) => {}
            Some(from) => common.push(Sides { from, to }),
            None => only.to.push(to),
        }
    }
    only.from = there.from.iter().filter(|from| !there.to.iter().any(|to| is_same(from, to))).collect();
    (common, only)
}

fn refuse_many(name: &str, platforms: &[Platform]) -> Result<()> {
    match platforms.len() {
        ..=MOST_PLATFORMS => Ok(()),
        count => Err(Error::integrity(format!(
            "{name} is for {count} platforms, and at most {MOST_PLATFORMS} are compared"
        ))
        .hint(words!("choose some with {}", flag("platform")))),
    }
}

fn nothing_in_common(names: &Sides<String>, only: &Sides<Vec<&Platform>>) -> Error {
    let told = |name: &str, all: &[&Platform]| match all {
        [] => format!("{name} is for no platform"),
        all => {
            let platforms: Vec<String> = all.iter().take(8).map(ToString::to_string).collect();
            format!("{name} is for {}", platforms.join(", "))
        }
    };
    let (from, to) = (told(&names.from, &only.from), told(&names.to, &only.to));
    Error::usage(format!("{from}, but {to}")).hint("compare images that are built for the same platform")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_platforms_are_refused_and_none_is_left_out() {
        let all = vec![Platform::linux("amd64"); MOST_PLATFORMS + 1];
        assert!(refuse_many("x", &all[1..]).is_ok());
        let refused = refuse_many("x", &all).expect_err("one too many");
        assert_eq!(refused.kind(), crate::error::Kind::Integrity);
        assert!(refused.to_string().contains("x is for 257 platforms"), "{refused}");
    }

    #[test]
    fn platforms_are_compared_that_both_have() {
        let all = |text: &str| -> Vec<Platform> {
            text.split_whitespace().map(|one| one.parse().expect("a platform")).collect()
        };
        let (from, to) = (all("amd64 s390x linux/arm/v6"), all("amd64 amd64 linux/arm/v7 arm64"));
        let (common, only) = divided(Sides { from: &from, to: &to });
        assert_eq!(common, [Sides { from: &from[0], to: &to[0] }], "each once");
        let shown = only.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        assert_eq!((&*shown.from, &*shown.to), ("linux/s390x linux/arm/v6", "linux/arm/v7 linux/arm64"));
        let eight = [Platform { variant: Some("v8".into()), ..Platform::linux("arm64") }];
        let (common, _) = divided(Sides { from: &eight[..], to: &to[3..] });
        assert_eq!(common.len(), 1, "arm64 is v8");
    }
}
