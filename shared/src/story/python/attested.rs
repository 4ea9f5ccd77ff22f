//! Whether distributions were published by whoever must have (PEP 740), before anything of them goes into an image, is built
//! or is sent.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::draft::{Draft, DraftImage};
use super::form::{Chosen, Form};
use super::pressing::Site;
use crate::config::{Asked, TrustedPublisher, WheelVerify};
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::python::index::{Offer, is_same_file};
use crate::python::{DistFile, Package, Source};
use crate::store::Table;
use crate::story::sign::trusted_root;
use crate::story::workshop::Workshop;
use crate::trust::{Attestations, AttestedFile, Publisher, TrustedRoot, WantedPublisher};
use crate::words;
use crate::words::flag;

/// The key that says what must be attested.
const KEY: &str = "wheel-verify";

/// So many files are asked about at once.
const AT_ONCE: usize = 8;

/// Who has published what had to be attested, by files.
#[derive(Debug, Default)]
pub(super) struct Publishers(BTreeMap<String, Vec<Publisher>>);

impl Publishers {
    /// Those of a distribution, as provenance says them.
    pub(super) fn of(&self, chosen: &Chosen) -> Vec<Value> {
        let found = file_of(chosen).and_then(|file| self.0.get(&name_and_hashes(file)));
        found.into_iter().flatten().map(|publisher| json!(publisher)).collect()
    }
}

/// Publishers in lists, each of which must have one who has published; an empty one has whoever the index names.
pub(super) type Demand = Vec<Vec<TrustedPublisher>>;

/// What is asked of a distribution, by the settings and by its lock; `None` where that is nothing.
pub(super) fn demand(package: &Package, verify: &WheelVerify) -> Option<Demand> {
    let is_folder = matches!(package.source, Source::Directory { .. });
    let mut lists: Demand = match verify.of(package.name.as_str()) {
        Asked::Exempt => return None,
        Asked::Nothing => Vec::new(),
        // Folders beside the project are its own source.
        Asked::Of { by_name: false, .. } if is_folder => Vec::new(),
        Asked::Of { publishers, .. } => publishers.iter().map(|any| any.all().to_vec()).collect(),
    };
    if !package.identities.is_empty() {
        let root = lists.iter().flatten().find_map(|one| one.trusted_root.clone());
        lists.push(package.identities.iter().map(|one| of_lock(one, root.clone())).collect());
    }
    (!lists.is_empty()).then_some(lists)
}

/// A publisher as a lock names him: in the words of indexes. Where something of it is not understood, or lacks what its kind
/// is told by, it is nobody: what is left out would be anything.
fn of_lock(identity: &BTreeMap<String, String>, trusted_root: Option<String>) -> TrustedPublisher {
    const KNOWN: [&str; 6] = ["kind", "repository", "workflow", "workflow_filepath", "environment", "email"];
    let word = |name: &str| identity.get(name).cloned();
    let told_by = match identity.get("kind").map(String::as_str) {
        Some("GitHub" | "GitLab") => "repository",
        Some("Google") => "email",
        _ => "kind",
    };
    let is_told = identity.contains_key(told_by) && identity.keys().all(|key| KNOWN.contains(&key.as_str()));
    TrustedPublisher {
        kind: Some(word("kind").filter(|_| is_told).unwrap_or_default()),
        repository: word("repository"),
        workflow: word("workflow").or_else(|| word("workflow_filepath")),
        environment: word("environment"),
        email: word("email"),
        trusted_root,
    }
}

/// Files of one name from several indexes may differ.
fn name_and_hashes(file: &DistFile) -> String {
    let hashes = file.hashes.iter().map(|hash| format!(" {hash}"));
    [file.filename.clone()].into_iter().chain(hashes).collect()
}

fn file_of(chosen: &Chosen) -> Option<&DistFile> {
    match &chosen.form {
        Form::Wheel(file) | Form::Archive(file) => Some(file),
        Form::Source => None,
    }
}

/// Refuses names that nothing has, and what must be attested and cannot be.
///
/// # Errors
/// Usage: the settings name what the lock does not pin. Integrity: a distribution that must be attested is from no index.
pub(super) fn check(draft: &Draft, image: &DraftImage, environments: &[Vec<Chosen>]) -> Result<()> {
    let verify = &image.settings.python.wheel_verify;
    let mut names = draft.lock.as_ref().map(|lock| lock.names()).unwrap_or_default();
    // The project itself comes from nowhere.
    names.remove(&draft.project.normalized);
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    if let Some(unknown) = verify.about_none(&names).first() {
        let lock = draft.lock.as_ref().and_then(|lock| lock.path.file_name());
        let why = match lock {
            Some(lock) => format!("{} pins no distribution of that name", lock.display()),
            None => "there is no lock that pins it".to_owned(),
        };
        return Err(Error::usage(format!("{KEY} names {unknown}, but {why}"))
            .hint(format!("correct the name, or remove it from {KEY}")));
    }
    for Chosen { package, .. } in environments.iter().flatten() {
        let place = match &package.source {
            Source::Index { .. } => continue,
            Source::Url { .. } => "an address of its own",
            Source::Git { .. } => "a git repository",
            Source::Directory { .. } => "a folder",
            Source::File { .. } => "a file",
        };
        if demand(package, verify).is_some() {
            let name = &package.name;
            return Err(Error::integrity(format!(
                "{name} must be attested, but it comes from {place}, and only indexes keep attestations"
            ))
            .hint(format!("use it from an index, or write {name} = false in the table {KEY}")));
        }
    }
    Ok(())
}

/// Looks for the attestations of all that must be attested. Nothing of it needs to be here for that, unless the lock has
/// no SHA-256.
///
/// # Errors
/// Integrity: something is not attested as it must be. Usage: without a network, for what was not verified before. Others
/// when an index cannot be asked.
pub(super) async fn publishers(
    workshop: &Workshop<'_>,
    draft: &Draft,
    sites: &[Site<'_>],
) -> Result<Publishers> {
    // Whoever signed what is repeated says that the build had these very files.
    if workshop.request.repeats.as_ref().is_some_and(|repeat| repeat.is_signed) {
        return Ok(Publishers::default());
    }
    let mut wanted: BTreeMap<String, Wanted<'_>> = BTreeMap::new();
    for site in sites {
        for chosen in site.chosen {
            let demand = demand(&chosen.package, &site.settings.python.wheel_verify);
            let (Some(demand), Some(file)) = (demand, file_of(chosen)) else { continue };
            let new = || Wanted { package: &chosen.package, file, demand: Vec::new() };
            // Several images may ask for the same in other ways, and the platforms of one ask alike.
            let one = wanted.entry(name_and_hashes(file)).or_insert_with(new);
            for list in demand {
                if !one.demand.contains(&list) {
                    one.demand.push(list);
                }
            }
        }
    }
    if wanted.is_empty() {
        return Ok(Publishers::default());
    }
    let roots = roots(workshop, wanted.values().flat_map(|one| &one.demand).flatten())?;
    let checking = Checking { workshop, draft, roots };
    let each = wanted.values().map(|one| Box::pin(checking.publishers(one)) as BoxFuture<'_, _>);
    // Collected first: as a lazy iterator its closure would not do for all lifetimes.
    let each: Vec<_> = each.collect();
    let found: Vec<(Vec<Publisher>, bool)> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    let new: Vec<_> = wanted.values().zip(&found).filter(|(_, (_, is_new))| *is_new).collect();
    match new[..] {
        [] => {}
        [(Wanted { file, .. }, (publishers, _))] => {
            let whom = publishers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            workshop.events.step("Verified", format!("{} was published by {whom}", file.filename));
        }
        _ => workshop.events.step("Verified", format!("the publishers of {} distributions", new.len())),
    }
    Ok(Publishers(wanted.into_keys().zip(found.into_iter().map(|(publishers, _)| publishers)).collect()))
}

/// A file that must be attested.
struct Wanted<'a> {
    package: &'a Package,
    file: &'a DistFile,
    demand: Demand,
}

/// The trusted roots by the files that are named, and by none the public one; each with what stands for it.
type Roots = BTreeMap<Option<String>, (TrustedRoot, Digest)>;

fn roots<'p>(
    workshop: &Workshop<'_>,
    publishers: impl Iterator<Item = &'p TrustedPublisher>,
) -> Result<Roots> {
    let files: BTreeSet<_> = publishers.map(|one| one.trusted_root.clone()).chain([None]).collect();
    let read = |file: Option<String>| Ok((file.clone(), trusted_root(workshop.dir, KEY, file.as_deref())?));
    files.into_iter().map(read).collect()
}

struct Checking<'a> {
    workshop: &'a Workshop<'a>,
    draft: &'a Draft,
    roots: Roots,
}

impl Checking<'_> {
    /// Who has published a file, and whether that was found out just now.
    async fn publishers(&self, wanted: &Wanted<'_>) -> Result<(Vec<Publisher>, bool)> {
        let (Workshop { request, store, .. }, Wanted { package, file, .. }) = (*self.workshop, wanted);
        let downloads = &self.draft.tools.downloads;
        let digest = match file.sha256() {
            Some(digest) => digest,
            None if file.hashes.is_empty() => return Err(unpinned(wanted)),
            None => downloads.fetch(package, file).await?.digest,
        };
        // Whom a list names is proved by the certificate, wherever that comes from. Where it is left open, it is the index
        // that says who may publish the file: another one may say otherwise, or nothing.
        let word_of = if is_open(&wanted.demand) { downloads.speakers(package)? } else { Vec::new() };
        let key = format!("{} {digest} {}", self.mark(&wanted.demand, &word_of), file.filename);
        let is_offline = request.locking.is_offline();
        if (request.use_cache || is_offline)
            && let Some(known) = store.recall(Table::WheelPublishers, &key)
        {
            return Ok((known, false));
        }
        if is_offline {
            return Err(Error::usage(words!(
                "{} was given, but the attestations of {} were not verified before",
                flag("offline"),
                file.filename
            ))
            .hint(words!("build once without {}", flag("offline"))));
        }
        let publishers = match downloads.provenance(package, file, &digest).await? {
            Offer::Of(bytes) => self.verified(&bytes, wanted, digest)?,
            Offer::Nothing(indexes) => return Err(missing(wanted, &indexes)),
        };
        store.remember(Table::WheelPublishers, &key, &publishers);
        Ok((publishers, true))
    }

    fn verified(&self, bytes: &[u8], wanted: &Wanted<'_>, digest: Digest) -> Result<Vec<Publisher>> {
        let name = wanted.file.filename.as_str();
        let refused = |why: Error| {
            Error::integrity(format!("{name} is not attested as it must be"))
                .because(why)
                .hint(format!("if another publisher is the right one, name it in {KEY}"))
        };
        let is_named = |text: &str| is_same_file(text, name);
        let file = AttestedFile { name, digest, is_named: &is_named };
        let attestations = Attestations::read(bytes).map_err(refused)?;
        let mut found = BTreeSet::new();
        for list in &wanted.demand {
            found.insert(self.one_of(list, &attestations, &file).map_err(refused)?);
        }
        Ok(found.into_iter().collect())
    }

    /// The one of a list who has published the file.
    fn one_of(
        &self,
        list: &[TrustedPublisher],
        attestations: &Attestations,
        file: &AttestedFile<'_>,
    ) -> Result<Publisher> {
        let anybody = [TrustedPublisher::default()];
        let list = if list.is_empty() { &anybody } else { list };
        let mut why = None;
        for (file_of_root, (root, _)) in &self.roots {
            let of_root = list.iter().filter(|one| one.trusted_root == *file_of_root);
            let of_root: Vec<WantedPublisher> = of_root.map(wanted_publisher).collect();
            if of_root.is_empty() {
                continue;
            }
            match attestations.verify(root, file, &of_root) {
                Ok(publisher) => return Ok(publisher),
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| Error::bug("a list of publishers has no root")))
    }

    /// Stands for all that a verdict depends on beside the file; `word_of` are the indexes whose word counts.
    fn mark(&self, demand: &Demand, word_of: &[String]) -> Digest {
        let of_root = |one: &TrustedPublisher| {
            let root = self.roots.get(&one.trusted_root).map(|(_, digest)| digest.to_string());
            json!([wanted_publisher(one), root])
        };
        let public = self.roots.get(&None).map(|(_, digest)| digest.to_string());
        let lists: Vec<Vec<Value>> = demand.iter().map(|list| list.iter().map(of_root).collect()).collect();
        Digest::of(json!([public, lists, word_of]).to_string().as_bytes())
    }
}

/// Whether some list is content with whomever an index names: kind, workflow and environment alone are nobody's.
fn is_open(demand: &Demand) -> bool {
    let is_anybody = |one: &TrustedPublisher| one.repository.is_none() && one.email.is_none();
    demand.iter().any(|list| list.is_empty() || list.iter().any(is_anybody))
}

fn wanted_publisher(trusted: &TrustedPublisher) -> WantedPublisher {
    let TrustedPublisher { kind, repository, workflow, environment, email, .. } = trusted.clone();
    WantedPublisher { kind, repository, workflow, environment, email }
}

/// Each time that it is fetched it could be another one.
fn unpinned(wanted: &Wanted<'_>) -> Error {
    let file = &wanted.file.filename;
    Error::integrity(format!("{file} must be attested, but neither the lock nor the index has a hash of it"))
        .hint("use a lock with hashes: `pip-compile --generate-hashes`, `uv lock` and others write them")
}

fn missing(wanted: &Wanted<'_>, indexes: &[String]) -> Error {
    let (name, file) = (&wanted.package.name, &wanted.file.filename);
    let place = match indexes {
        [] => "no index".to_owned(),
        [one] => one.clone(),
        several => several.join(" and "),
    };
    let does = match indexes.len() {
        0 => "has",
        1 => "has no",
        _ => "have no",
    };
    Error::integrity(format!("{file} must be attested, but {place} {does} attestations of it")).hint(format!(
        "lock a version that its publisher has attested, use the index that it was published on, or write {name} = false in the table {KEY}"
    ))
}
