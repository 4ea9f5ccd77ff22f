//! From built parts and open bases to images, for all platforms at the same time.

use std::collections::BTreeMap;
use std::path::Path;

use super::ingredients::{Ingredients, Origin, Packed};
use super::layers::{Maker, Parts};
use super::native;
use super::parallel::in_parallel;
use super::upload::Uploads;
use super::workshop::{Base, Bases, Workshop};
use crate::base::spec::BaseSpec;
use crate::config::Native;
use crate::error::Result;
use crate::image::{Image, ImageSet, assemble, index, validate};
use crate::layer::Press;
use crate::oci::{MOST_LAYERS, Platform};
use crate::plan::{ImagePlan, Plan, PlatformPlan};

/// Packs all platforms of all images. `parts` gives what was built for one of them, and the
/// folder that its files are in.
///
/// Layers are sent as soon as they are made, so it begins when that is allowed.
///
/// # Errors
/// When a layer cannot be made, or an image would not be valid; the refusal of a push.
pub(super) fn pack<'p, P: Parts>(
    workshop: &Workshop<'_>,
    plan: &Plan,
    bases: &Bases,
    parts: impl Fn(&ImagePlan, &PlatformPlan, &Base) -> Result<(P, &'p Path)> + Sync,
) -> Result<Vec<Packed>> {
    let runtime = tokio::runtime::Handle::current();
    runtime.block_on(workshop.permission.given())?;
    let uploads = plan.images.iter().map(|image| Uploads::ahead(workshop, image));
    let uploads: Vec<Option<Uploads>> = uploads.collect();
    let work: Vec<(&ImagePlan, &PlatformPlan, Option<&Uploads>)> = plan
        .images
        .iter()
        .zip(&uploads)
        .flat_map(|(image, uploads)| image.platforms.iter().map(move |p| (image, p, uploads.as_ref())))
        .collect();
    let workers = workshop.jobs().min(work.len());
    let jobs = (workshop.jobs() / workers.max(1)).max(1);
    let made = in_parallel(workers, &work, |(image, platform, uploads)| {
        let base = bases.get(&platform.base, &platform.platform, &image.additions)?;
        let (parts, dir) = parts(image, platform, base)?;
        workshop.events.step("Packing", format!("{} {} ({})", image.name, image.version, platform.platform));
        let maker = Maker {
            dir,
            press: Press { jobs, ..workshop.press() },
            uploads: *uploads,
            compression: image.compression,
            format: image.format,
            owner: image.owner,
            room: room(image, platform, base),
        };
        let variables = variables(image, &platform.platform);
        let mut layers = maker.layers(&platform.layers, &base.contents.tree, &parts, &variables)?;
        let mut made = assemble(&base.image, image, platform, &layers)?;
        let mut origin = origin(parts.made_of(), dir, platform, base)?;
        if image.native == Native::Bundle
            && let Some(bundle) = native::bundle(workshop, &runtime, &maker, base, &made)?
        {
            layers.insert(0, bundle.layer);
            origin.libraries = bundle.libraries;
            origin.runtime.env.insert(bundle.variable.0.to_owned(), bundle.variable.1);
            let platform = PlatformPlan { runtime: origin.runtime.clone(), ..(*platform).clone() };
            made = assemble(&base.image, image, &platform, &layers)?;
        }
        validate(&made)?;
        Ok((made, origin))
    })?;
    let mut made = made.into_iter();
    plan.images
        .iter()
        .map(|image| {
            let (images, origins) = made.by_ref().take(image.platforms.len()).unzip();
            Ok(Packed { set: set(image, images)?, origins })
        })
        .collect()
}

/// Everything that one platform's image is made of, but for what is found missing in it.
fn origin(parts: Ingredients, dir: &Path, platform: &PlatformPlan, base: &Base) -> Result<Origin> {
    Ok(Origin {
        parts,
        dir: dir.to_owned(),
        runtime: platform.runtime.clone(),
        base: base.image.name.clone().zip(base.image.digest),
        base_signers: base.signed_by.iter().map(|voucher| voucher.value().clone()).collect(),
        below: base.image.layers.iter().map(|layer| layer.descriptor.digest).collect(),
        is_embedded: platform.base.parse::<BaseSpec>()? == BaseSpec::Static,
        packages: base.contents.packages().into_iter().cloned().collect(),
        os_release: base.contents.os_release().map(str::to_owned),
        debian: base.debian.iter().chain(&base.init).cloned().collect(),
        libraries: Vec::new(),
    })
}

/// How many layers there may be in the place of one that is planned: the base's and those of Debian packages are there
/// already, the other planned ones come, and one is kept for the libraries of this machine.
pub(super) fn room(image: &ImagePlan, platform: &PlatformPlan, base: &Base) -> usize {
    let kept = match image.native {
        Native::Error => 0,
        Native::Bundle => 1,
    };
    let allowed = image.additions.max_layers.saturating_sub(base.debian_layers);
    let free = MOST_LAYERS.saturating_sub(base.image.layers.len());
    let most = allowed.min(free).saturating_sub(kept).max(1);
    (most + 1).saturating_sub(platform.layers.len()).max(1)
}

/// The images of one name.
fn set(plan: &ImagePlan, images: Vec<Image>) -> Result<ImageSet> {
    let index = match images.len() {
        1 => None,
        _ => Some(index(&images, &[], plan.format, plan.shared_annotations())?),
    };
    Ok(ImageSet {
        name: plan.name.clone(),
        tags: plan.tags.clone(),
        has_siblings: plan.has_siblings,
        references: plan.references.clone(),
        images,
        index,
        statements: Vec::new(),
        attached: Vec::new(),
        signatures: Vec::new(),
    })
}

/// Variables for commands that make layers.
fn variables(image: &ImagePlan, platform: &Platform) -> BTreeMap<&'static str, String> {
    [
        ("CONTAINERIZE_NAME", image.name.clone()),
        ("CONTAINERIZE_VERSION", image.version.clone()),
        ("CONTAINERIZE_PLATFORM", platform.to_string()),
    ]
    .into()
}
