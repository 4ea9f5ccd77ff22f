//! From what the plan says goes into a layer to the entries of that layer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tempfile::TempDir;

use super::ingredients::Ingredients;
use super::upload::Uploads;
use super::{brought, hooks};
use crate::config::{Command, ExtraLayer, FileRule, Owner};
use crate::error::{Context, Error, Result};
use crate::facts::tree::Tree;
use crate::layer::{self, Content, Entry, EntryKind, Layer, Press, Spec};
use crate::oci::Mode;
use crate::oci::media_type::{Compression, Format};
use crate::plan::{Item, LayerPlan};
use crate::store::scratch;
use crate::system::System;
use crate::territory::Territory;

/// What was built for one platform's image. It answers for the items of a plan that only its kind of project knows.
pub(super) trait Parts {
    /// What an item comes to; `None` where the kind of project knows no such item.
    ///
    /// # Errors
    /// When it cannot be read or made.
    fn made(&self, item: &Item, maker: &Maker<'_>, site: &Site<'_>) -> Result<Option<Made>>;

    /// What all of it is made of.
    fn made_of(&self) -> Ingredients;
}

/// What an item of a plan comes to.
pub(super) enum Made {
    /// A share of the layer that it is planned for.
    Entries(Vec<Entry>),
    /// Layers in that one's place. They are sent already.
    Layers(Vec<Layer>),
}

/// Where a layer is made.
pub(super) struct Site<'a> {
    /// Its name, for people.
    pub(super) title: &'a str,
    /// The base's file system.
    pub(super) base: &'a Tree,
    /// The file system of the base and the layers that were made before.
    pub(super) below: &'a Tree,
    /// So many layers there may be in its place.
    pub(super) room: usize,
}

/// What is needed to make layers.
pub(super) struct Maker<'a> {
    /// The project's folder.
    pub(super) dir: &'a Path,
    /// What layers are made with.
    pub(super) press: Press<'a>,
    /// Sends layers while others are still being made.
    pub(super) uploads: Option<&'a Uploads>,
    /// How layers are compressed.
    pub(super) compression: Compression,
    /// Their family of media types.
    pub(super) format: Format,
    /// Owner of directories that a layer adds without naming them.
    pub(super) owner: Owner,
    /// So many layers there may be in the place of one that is planned.
    pub(super) room: usize,
}

impl Maker<'_> {
    /// Makes the planned layers on top of `base` from the `parts` that were built; `variables` go
    /// to commands that make layers.
    ///
    /// # Errors
    /// When a file is missing or changes, a command fails, or the disk is full.
    pub(super) fn layers(
        &self,
        plans: &[LayerPlan],
        base: &Tree,
        parts: &impl Parts,
        variables: &BTreeMap<&str, String>,
    ) -> Result<Vec<Layer>> {
        let mut below = Cow::Borrowed(base);
        let mut layers = Vec::with_capacity(plans.len());
        let mut named = Named::default();
        for (number, plan) in plans.iter().enumerate() {
            // What commands have filled lives as long as the layer is read from it.
            let mut filled = Vec::new();
            let site = Site { title: &plan.title, base, below: &below, room: self.room };
            let mut entries = Vec::new();
            let mut own = None;
            for item in &plan.items {
                match parts.made(item, self, &site)? {
                    Some(Made::Layers(made)) if plan.items.len() == 1 => own = Some(made),
                    Some(Made::Layers(_)) => {
                        return Err(Error::bug(format!(
                            "the layer {} holds an item that needs a layer of its own",
                            plan.title
                        )));
                    }
                    Some(Made::Entries(made)) => entries.extend(named.filter(item, made)),
                    None => entries.extend(named.filter(item, self.entries(item, &mut filled, variables)?)),
                }
            }
            if let Some(own) = own {
                // Nothing above stands on them: what they bring is below folders of their own.
                layers.extend(own);
                continue;
            }
            let spec = Spec {
                title: plan.title.clone(),
                entries,
                owner: self.owner,
                compression: self.compression,
                format: self.format,
            };
            let layer = self.press.write(&spec, &below)?;
            self.send(&layer);
            layers.push(layer);
            // Nobody asks what is there after the last one, and a base has many paths to copy.
            if number + 1 < plans.len() {
                below = Cow::Owned(layer::tree_after(below.into_owned(), &spec)?);
            }
        }
        Ok(layers)
    }

    /// Begins to send a layer that was made now. What was made before was probably sent before,
    /// and the push at the end asks for it.
    pub(super) fn send(&self, layer: &Layer) {
        if let Some(uploads) = self.uploads.filter(|_| layer.fresh) {
            uploads.begin(&layer.blob, &layer.title);
        }
    }

    /// The entries of an item that all kinds of projects know.
    fn entries(
        &self,
        item: &Item,
        filled: &mut Vec<TempDir>,
        variables: &BTreeMap<&str, String>,
    ) -> Result<Vec<Entry>> {
        match item {
            Item::Directory { path, mode, owner } => {
                Ok(vec![entry(path, EntryKind::Directory, *mode, *owner)])
            }
            Item::Files { rule, owner } => self.files(rule, *owner),
            Item::Outside { layer, owner } => self.outside(layer, *owner, filled, variables),
            item => Err(Error::bug(format!("no step makes this planned item: {item:?}"))),
        }
    }

    fn files(&self, rule: &FileRule, owner: Owner) -> Result<Vec<Entry>> {
        refuse_escape(self.dir, &rule.from)?;
        let failed = || format!("cannot add {} to the image", rule.from);
        let from = self.dir.join(&rule.from);
        let mut entries = layer::collect(&from, &rule.to, rule.mode, owner, &rule.exclude).context(failed)?;
        if from.is_dir() {
            brought::words(&rule.from, &from, &entries)
                .into_iter()
                .for_each(|words| self.press.events.warn(words));
        }
        match (&rule.capabilities, &mut entries[..]) {
            (None, entries) => self.tell_capabilities(entries),
            (Some(capabilities), [Entry { kind: EntryKind::File(_), capabilities: slot, .. }]) => {
                *slot = Some(capabilities.to_bytes());
            }
            (Some(_), _) => {
                return Err(Error::usage(format!(
                    "capabilities are for a single file, but {} is a folder",
                    rule.from
                ))
                .hint("give the file its own entry in `files`"));
            }
        }
        Ok(entries)
    }

    /// Names the files whose capabilities are not in the image.
    fn tell_capabilities(&self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.mode.0 & 0o111 != 0) {
            if let EntryKind::File(Content::File { path, .. }) = &entry.kind
                && layer::has_capability(path)
            {
                self.press.events.note(format!(
                    "the capabilities of {} are not kept; set them with `capabilities` in its entry in `files`",
                    path.display()
                ));
            }
        }
    }

    fn outside(
        &self,
        layer: &ExtraLayer,
        owner: Owner,
        filled: &mut Vec<TempDir>,
        variables: &BTreeMap<&str, String>,
    ) -> Result<Vec<Entry>> {
        let folder = match layer {
            ExtraLayer::Folder(folder) => {
                refuse_escape(self.dir, folder)?;
                let folder = self.dir.join(folder);
                if !folder.is_dir() {
                    return Err(Error::usage(format!("the layer {} is not a folder", folder.display()))
                        .hint("give a folder, or { command = \"...\" }"));
                }
                folder
            }
            ExtraLayer::Command { command, dir } => {
                let folder = self.fill(command, dir, variables)?;
                let path = folder.path().to_owned();
                filled.push(folder);
                path
            }
        };
        let entries = layer::collect(&folder, "/", None, owner, &[])?;
        self.tell_capabilities(&entries);
        Ok(entries)
    }

    /// Lets a command put files into an empty folder.
    fn fill(&self, command: &Command, dir: &str, variables: &BTreeMap<&str, String>) -> Result<TempDir> {
        let dir = self.dir.join(dir);
        let folder = scratch::folder()?;
        let mut variables = variables.clone();
        variables.insert("CONTAINERIZE_LAYER", folder.path().display().to_string());
        // Platforms are packed at the same time; commands in one folder would disturb each other.
        let _turn = self.press.store.turn("commands", &dir.display().to_string());
        hooks::run(std::slice::from_ref(command), &dir, &variables, self.press.events)?;
        Ok(folder)
    }
}

/// Places that `files` has filled. Of a project's source what would come to the same place stays out: the source comes
/// later and would hide what somebody asked for in so many words.
#[derive(Default)]
struct Named(BTreeSet<String>);

impl Named {
    fn filter(&mut self, item: &Item, mut entries: Vec<Entry>) -> Vec<Entry> {
        let is_whole =
            |entry: &Entry| !matches!(entry.kind, EntryKind::Directory | EntryKind::ImpliedDirectory);
        match item {
            Item::Files { .. } => {
                self.0.extend(entries.iter().filter(|entry| is_whole(entry)).map(|entry| entry.path.clone()));
            }
            Item::Project if !self.0.is_empty() => {
                entries.retain(|entry| !is_whole(entry) || !self.0.contains(&entry.path));
            }
            _ => {}
        }
        entries
    }
}

/// Refuses a path in the project from which links lead out of it. A path that itself says that it is
/// elsewhere is the user's will. The way up to a folder above, as paths of the workspace's table have it, says
/// nothing of the links below it.
fn refuse_escape(dir: &Path, from: &str) -> Result<()> {
    let from = System::HERE.slashes(from);
    let (mut dir, mut from) = (dir, &*from);
    while let (Some(above), Some(rest)) = (dir.parent(), from.strip_prefix("../")) {
        (dir, from) = (above, rest);
    }
    let named_elsewhere = Path::new(from).has_root() || from.split('/').any(|part| part == "..");
    if named_elsewhere {
        return Ok(());
    }
    let territory = Territory::of(dir).context(|| format!("cannot read {}", dir.display()))?;
    match territory.escape(&dir.join(from)) {
        None => Ok(()),
        Some(end) => Err(Error::usage(format!("{from} is a link out of the project, to {}", end.display()))
            .hint(format!("add {} itself if it belongs in the image", end.display()))),
    }
}

/// An entry at an absolute path of the plan.
pub(super) fn entry(path: &str, kind: EntryKind, mode: Mode, owner: Owner) -> Entry {
    let path = path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    Entry { path, kind, mode, owner, capabilities: None }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_files_names_is_not_hidden_by_the_source() {
        let file = |path: &str, mode| {
            Entry::file(path, Content::Bytes(path.as_bytes().to_vec().into()), mode, Owner::ROOT)
        };
        let rule = "start.sh:/app/start.sh".parse().expect("a rule");
        let owner = Owner::ROOT;
        let mut named = Named::default();
        let folder = Entry::directory("app", Mode(0o755), Owner::ROOT);
        let given = named
            .filter(&Item::Files { rule, owner }, vec![folder.clone(), file("app/start.sh", Mode(0o755))]);
        assert_eq!(given.len(), 2);
        let source = vec![folder, file("app/main.py", Mode(0o644)), file("app/start.sh", Mode(0o644))];
        let left = named.filter(&Item::Project, source);
        assert_eq!(left.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["app", "app/main.py"]);
        let others = named.filter(&Item::Skeleton, vec![file("app/start.sh", Mode(0o644))]);
        assert_eq!(others.len(), 1, "an environment's own files are its own");
    }

    #[test]
    fn a_link_carries_no_file_of_the_machine_along_unless_it_is_named() {
        let machine = tempfile::tempdir().expect("folder");
        let dir = machine.path().join("project");
        std::fs::create_dir_all(dir.join("conf")).expect("made");
        std::fs::write(dir.join("conf/app.toml"), "").expect("written");
        std::fs::write(machine.path().join("shadow"), "").expect("written");
        std::os::unix::fs::symlink("../shadow", dir.join("link")).expect("link");
        std::os::unix::fs::symlink("..", dir.join("folder")).expect("link");
        for from in ["link", "folder", "folder/shadow"] {
            let error = refuse_escape(&dir, from).expect_err(from);
            assert!(error.to_string().contains("is a link out of the project"), "{error}");
        }
        let below = dir.join("conf");
        std::os::unix::fs::symlink("/etc/passwd", machine.path().join("passwd")).expect("link");
        for (dir, from) in [(&below, "../link"), (&below, "../../passwd"), (&dir, "../passwd")] {
            assert!(refuse_escape(dir, from).is_err(), "{from}");
        }
        let absolute = dir.join("link").display().to_string();
        for from in ["conf", "conf/app.toml", "missing", "../shadow", absolute.as_str()] {
            refuse_escape(&dir, from).expect(from);
        }
    }
}
