//! Delivering images to all targets of the call, and saying where they are.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};

use super::hang;
use super::ingredients::Packed;
use super::outcome::{Delivered, Loaded, PlatformResult};
use super::parallel::in_parallel;
use super::preflight::preflight;
use super::request::Request;
use super::revision::remember_written;
use super::supply::known_size;
use super::workshop::{BaseWish, Workshop};
use crate::base::spec::BaseSpec;
use crate::error::{Error, Kind, Result};
use crate::event::Events;
use crate::image::ImageSet;
use crate::interrupt;
use crate::oci::{ImageConfig, Platform, Reference};
use crate::plan::Plan;
use crate::registry::{Credentials, Explicit};
use crate::sink::{self, Local, Output};
use crate::words;
use crate::words::{Command, flag};

/// Digits of a digest that are enough for a tag.
const SHORT: usize = 16;

/// Registries are asked for so many images at once.
const ASKED_AT_ONCE: usize = 16;

/// The credentials, with those of the call bound to the one registry that it speaks to: a
/// password must not go to a registry that it was not meant for. Images that are only looked at are
/// compared with what is in the registry that they would be pushed to, so it is for that one.
pub(super) fn credentials(
    request: &Request,
    references: &[&Reference],
    bases: &[BaseWish],
) -> Result<Credentials> {
    let credentials = request.credentials.clone();
    let Some(login) = &request.login else { return Ok(credentials) };
    let pushed = references.iter().filter(|_| request.push || request.is_trial);
    let mut registries: BTreeSet<String> = pushed.map(|r| r.repository.registry.clone()).collect();
    if registries.is_empty() && !request.is_trial {
        registries.extend(bases.iter().filter_map(|base| match base.name.parse() {
            Ok(BaseSpec::Registry(reference)) => Some(reference.repository.registry),
            _ => None,
        }));
    }
    match registries.into_iter().collect::<Vec<_>>().as_slice() {
        [registry] => Ok(credentials.with(Explicit {
            registry: registry.clone(),
            username: login.username.clone(),
            password: login.password.clone(),
            source: login.source,
        })),
        // Variables are often set for several calls, of which not all need them.
        [] if request.is_trial || login.source != "--username" => Ok(credentials),
        [] => Err(Error::usage(words!(
            "{username} has no effect: this call uses no registry",
            username = flag("username")
        ))
        .hint(words!("add {push}, or remove it", push = flag("push")))),
        several => Err(Error::usage(format!(
            "{} is for one registry, but this call uses {}",
            login.source,
            several.join(", ")
        ))
        .hint("set CONTAINERIZE_AUTH_<REGISTRY>=user:password for each")),
    }
}

/// Makes the images with `make` and brings them to every target; where the call names none, to a
/// layout in `default`. If something in the cache turns out to be damaged, it is thrown away and
/// everything done again: what is done is found done.
///
/// # Errors
/// Those of `make`, what would fail in the images, and those of the targets.
pub(super) async fn finish(
    workshop: &Workshop<'_>,
    plan: &Plan,
    default: &Path,
    make: impl AsyncFn() -> Result<Vec<Packed>>,
) -> Result<Vec<Delivered>> {
    let Workshop { request, store, client, events, .. } = *workshop;
    let once = async || {
        let packed = make().await?;
        preflight(workshop, plan, packed.iter().map(|packed| &packed.set)).await?;
        let below = packed.iter().flat_map(|packed| &packed.origins);
        let below = below.flat_map(|origin| origin.below.iter().copied()).collect();
        if workshop.remote.is_on() {
            tokio::task::block_in_place(|| read_papers(workshop, &packed))?;
        }
        let (sets, bills) = hang::hang(workshop, plan, packed).await?;
        let delivered = deliver(workshop, plan, default, &sets).await?;
        if let Ok(signer) = workshop.signers.only() {
            workshop.remote.keep(workshop.desk(), signer, &sets, &below).await;
        }
        tokio::task::block_in_place(|| hang::write(request, store, &bills))?;
        Ok::<_, Error>(delivered)
    };
    let mut delivered = once().await;
    if let Err(error) = &delivered
        && error.kind() == Kind::Integrity
        && !interrupt::is_raised()
        && tokio::task::block_in_place(|| store.remove_damaged()) > 0
    {
        events.note("part of the cache was damaged; making or fetching it again");
        client.forget_pushes();
        delivered = once().await;
    }
    store.evict(request.cache_size);
    delivered
}

/// Reads what the wheels of images say of themselves, so that it is remembered.
fn read_papers(workshop: &Workshop<'_>, packed: &[Packed]) -> Result<()> {
    let origins = packed.iter().flat_map(|packed| &packed.origins);
    let all = origins.flat_map(|origin| &origin.parts.distributions);
    let all: Vec<_> = all.filter(|one| known_size(workshop.store, &one.digest).is_none()).collect();
    in_parallel(workshop.jobs(), &all, |distribution| distribution.papers(workshop.store)).map(drop)
}

async fn deliver(
    workshop: &Workshop<'_>,
    plan: &Plan,
    default: &Path,
    sets: &[ImageSet],
) -> Result<Vec<Delivered>> {
    let Workshop { request, store, client, events, .. } = *workshop;
    let outputs = outputs(request, default);
    if !outputs.is_empty() {
        // A copy: a push can still mount what is in a registry.
        let mut local = sets.to_vec();
        sink::localize(client, &mut local, store).await?;
        for output in &outputs {
            events.step("Writing", output.to_string());
            tokio::task::block_in_place(|| write(output, request, &local, events))?;
            if !output.is_stream() {
                remember_written(store, &request.dir.join(output.path()));
            }
        }
    }
    let mut loaded = Vec::new();
    for place in &request.load {
        events.step("Loading", format!("into {place}"));
        let chosen = sets.iter().map(for_this_machine).collect::<Result<Vec<_>>>()?;
        for set in &chosen {
            let (loader, names) = (sink::Loader { client, store, events }, names_in(place, set));
            match place {
                Local::Engine(daemon) => loader.load(*daemon, &names, set).await?,
                Local::Cluster(cluster) => loader.load_into_cluster(cluster, &names, set).await?,
            }
        }
        loaded = chosen.iter().map(|set| loaded_into(place, set)).collect();
    }
    let mut loaded = loaded.into_iter();
    let asking = sets.iter().filter(|_| request.push).map(|set| sink::ask(client, set));
    // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
    let asking: Vec<BoxFuture<'_, Result<sink::Asked<'_>>>> = asking.map(|ask| Box::pin(ask) as _).collect();
    let asked: Vec<_> = stream::iter(asking).buffered(ASKED_AT_ONCE).collect().await;
    let mut asked = asked.into_iter();
    let mut delivered = Vec::new();
    for (set, image) in sets.iter().zip(&plan.images) {
        let references = match asked.next() {
            Some(asked) => sink::push(client, set, asked?, store, events).await?,
            None => Vec::new(),
        };
        let signer = image.attest.sign.as_ref().and_then(|sign| Some((sign, workshop.signers.get(sign)?)));
        let verify = signer.zip(references.first()).map(|((sign, signer), reference)| {
            let verify = Command::VERIFY.with(signer.proof(sign));
            words!("{verify} {}@{}", reference.repository, set.digest())
        });
        if let Some(verify) = &verify {
            events.note(words!("signed; to check it, run `{verify}`"));
        }
        delivered.push(Delivered {
            name: image.name.clone(),
            digest: set.digest(),
            references,
            verify: verify.map(|verify| verify.to_string()),
            platforms: set.images.iter().map(platform_result).collect(),
            outputs: outputs
                .iter()
                .map(ToString::to_string)
                .chain(request.load.iter().map(ToString::to_string))
                .collect(),
            loaded: loaded.next().flatten(),
        });
    }
    Ok(delivered)
}

/// The names that it gets there. In a cluster the first one says which image it is: nodes and what runs on them would take
/// another image under the same name for the one that they have.
fn names_in(place: &Local, set: &ImageSet) -> Vec<Reference> {
    let mut names = names(set, None);
    if let (Local::Cluster(_), Some(first)) = (place, names.first()) {
        let digest = set.digest().hex();
        names.insert(0, first.repository.with_tag(&digest[..SHORT]));
    }
    names
}

/// What there is of this set after it was loaded.
fn loaded_into(place: &Local, set: &ImageSet) -> Option<Loaded> {
    let name = names_in(place, set).into_iter().next()?;
    let config: ImageConfig = serde_json::from_reader(set.images.first()?.config.open().ok()?).ok()?;
    Some(Loaded { place: place.clone(), name, ports: config.config.exposed_ports.into_keys().collect() })
}

fn platform_result(image: &crate::image::Image) -> PlatformResult {
    PlatformResult {
        platform: image.platform.clone(),
        digest: image.manifest.descriptor.digest,
        size: image.layers.iter().map(|layer| layer.descriptor.size).sum(),
    }
}

/// Whether the call names no place for the images.
pub(super) fn wants_default(request: &Request) -> bool {
    request.outputs.is_empty() && !request.push && request.load.is_empty()
}

/// What was asked for; where nothing was, a layout in `default`.
fn outputs(request: &Request, default: &Path) -> Vec<Output> {
    if !wants_default(request) {
        return request.outputs.clone();
    }
    // Shown as short as it can be typed.
    let dir = default.strip_prefix(&request.dir).unwrap_or(default).to_owned();
    vec![Output::Layout { dir, name: None }]
}

fn write(output: &Output, request: &Request, sets: &[ImageSet], events: &Events) -> Result<()> {
    let dir = request.dir.as_path();
    match output {
        Output::Layout { dir: layout, name } => {
            sink::write_layout(&dir.join(layout), name.as_deref(), sets, events)
        }
        Output::OciArchive { file } => {
            let names: Vec<_> = sets.iter().map(|set| names(set, None)).collect();
            if names.iter().map(Vec::len).sum::<usize>() > 1 {
                events.note(
                    "`podman load` accepts only one name in an oci-archive; a docker-archive can have several",
                );
            }
            archive(request, output, &dir.join(file), |to| sink::oci_archive(to, &names, sets))
        }
        Output::DockerArchive { file, name } => {
            let names: Vec<_> = sets.iter().map(|set| names(set, name.as_ref())).collect();
            let all = BTreeSet::new();
            archive(request, output, &dir.join(file), |to| sink::docker_archive(to, &names, sets, &all))
        }
    }
}

/// Lets an archive be written where the output says.
fn archive(
    request: &Request,
    output: &Output,
    file: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<()>,
) -> Result<()> {
    match &request.stream {
        Some(stream) if output.is_stream() => stream.write(write),
        _ => sink::write_file(file, write),
    }
}

/// The names under which an engine knows the image: the given one, else those it is pushed
/// under, and its own with the tags that are for no repository.
fn names(set: &ImageSet, given: Option<&Reference>) -> Vec<Reference> {
    if let Some(name) = given {
        let mut name = name.clone();
        name.tag = name.tag.or_else(|| set.tags.first().cloned());
        return vec![name];
    }
    let mut names = set.references.clone();
    let pushed = |tag: &String| set.references.iter().any(|name| name.tag.as_ref() == Some(tag));
    let own = set.tags.iter().filter(|tag| !pushed(tag));
    names.extend(own.filter_map(|tag| format!("{}:{tag}", set.name.to_lowercase()).parse().ok()));
    names
}

/// The set with only the image for this machine, which a local engine runs.
fn for_this_machine(set: &ImageSet) -> Result<ImageSet> {
    let only = |image: &crate::image::Image| ImageSet {
        images: vec![image.clone()],
        index: None,
        statements: Vec::new(),
        attached: Vec::new(),
        signatures: Vec::new(),
        ..set.clone()
    };
    if let [image] = &set.images[..] {
        return Ok(only(image));
    }
    let host = Platform::from_rust_arch(std::env::consts::ARCH);
    let fits = |image: &&crate::image::Image| host.as_ref().is_some_and(|host| image.platform.serves(host));
    let image = set.images.iter().find(fits).ok_or_else(|| {
        Error::usage(format!("{} has no image for this machine to load", set.name))
            .hint(words!("add it to {platform}", platform = flag("platform")))
    })?;
    Ok(only(image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::store::Blob;

    fn set(platforms: &[&str], references: &[&str]) -> ImageSet {
        let blob = Blob::of("x", Vec::new());
        let image = |p: &&str| Image {
            platform: p.parse().expect("platform"),
            manifest: blob.clone(),
            config: blob.clone(),
            layers: vec![],
            titles: vec![],
        };
        ImageSet {
            name: "Web".into(),
            tags: vec!["1".into()],
            has_siblings: false,
            references: references.iter().map(|r| r.parse().expect("reference")).collect(),
            images: platforms.iter().map(image).collect(),
            index: None,
            statements: vec![],
            attached: vec![],
            signatures: vec![],
        }
    }

    #[test]
    fn an_engine_knows_the_image_by_the_nearest_name() {
        let shown = |set: &ImageSet, given: Option<&Reference>| {
            names(set, given).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let plain = set(&["linux/amd64"], &[]);
        assert_eq!(shown(&plain, None), ["docker.io/library/web:1"]);
        assert_eq!(shown(&plain, Some(&"a/b".parse().expect("name"))), ["docker.io/a/b:1"]);
        let pushed = ImageSet { tags: vec!["2".into()], ..set(&["linux/amd64"], &["ghcr.io/a/b:2"]) };
        assert_eq!(shown(&pushed, None), ["ghcr.io/a/b:2"]);
        let tags = || vec!["1".into(), "latest".into()];
        let two = ImageSet { tags: tags(), ..plain };
        assert_eq!(shown(&two, None), ["docker.io/library/web:1", "docker.io/library/web:latest"]);
        let mixed = ImageSet { tags: tags(), ..set(&["linux/amd64"], &["ghcr.io/a/b:1"]) };
        assert_eq!(shown(&mixed, None), ["ghcr.io/a/b:1", "docker.io/library/web:latest"]);
    }

    #[test]
    fn only_this_machines_image_is_loaded() {
        let host = Platform::from_rust_arch(std::env::consts::ARCH).expect("known").to_string();
        let other = if host == "linux/arm64" { "linux/amd64" } else { "linux/arm64" };
        let chosen = for_this_machine(&set(&[other, &host], &[])).expect("chosen");
        assert_eq!(chosen.images.len(), 1);
        assert_eq!(chosen.images[0].platform.to_string(), host);
        assert!(for_this_machine(&set(&[other, "linux/s390x"], &[])).is_err());
    }
}
