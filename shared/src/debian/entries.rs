//! What a package puts into a layer: its files, and what says that it is there.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::control::Paragraph;
use super::package::{self, Control, Member, MemberKind};
use crate::error::{Context, Error, Result};
use crate::facts::tree::Tree;
use crate::layer::{Content, Entry, EntryKind};
use crate::oci::{Mode, Owner};
use crate::read;

/// What nobody reads in an image, unless it is wanted.
const DOCUMENTATION: &[&str] = &[
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/linda",
    "usr/share/groff",
];

/// How a base says which packages it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file for each package, as distroless images have it: `status.d/NAME`.
    Parts,
    /// dpkg's own: one file, and lists of files beside it.
    Whole,
}

impl Database {
    /// That of a base. One without any gets files for each package.
    pub fn of(base: &Tree) -> Self {
        let parts = base.get("var/lib/dpkg/status.d").is_some();
        if !parts && base.get("var/lib/dpkg/status").is_some() { Self::Whole } else { Self::Parts }
    }
}

/// A package that was read.
#[derive(Debug, Clone)]
pub struct Unpacked {
    name: String,
    /// The path of its file lists: architectures are told apart where several may be installed.
    list: String,
    control: Control,
    members: Vec<Member>,
}

impl Unpacked {
    /// Reads the package in the file `path`; large files of it are put into the folder `scratch`,
    /// which must last as long as the entries.
    ///
    /// # Errors
    /// Integrity when it is no sound package; build when the disk fails.
    pub fn read(path: &Path, name: &str, docs: bool, scratch: &Path) -> Result<Self> {
        std::fs::create_dir_all(scratch).context(|| "cannot make a temporary folder".into())?;
        let (control, members) = package::read(path, scratch, |path| docs || !is_documentation(path))
            .context(|| format!("cannot read the Debian package {name}"))?;
        let fields = Paragraph::parse(&control.fields);
        let own = fields.get("Package").unwrap_or_default();
        if own != name {
            return Err(Error::integrity(format!("the Debian package {name} calls itself {own:?}")));
        }
        let list = match (fields.get("Multi-Arch"), fields.get("Architecture")) {
            (Some("same"), Some(architecture)) => format!("{name}:{architecture}"),
            _ => name.to_owned(),
        };
        Ok(Self { name: name.to_owned(), list, control, members })
    }

    /// The scripts of it that an installation would run, and that do something.
    pub fn scripts(&self) -> &[String] {
        &self.control.scripts
    }

    /// What it puts into the image on top of `base`.
    pub fn entries(&self, base: &Tree, database: Database) -> Vec<Entry> {
        let mut entries = self.files(base);
        let text = |text: String| Content::Bytes(text.into());
        let root = Owner::ROOT;
        let md5sums = self.md5sums();
        match database {
            Database::Parts => {
                let path = format!("var/lib/dpkg/status.d/{}", self.name);
                entries.push(Entry::file(format!("{path}.md5sums"), text(md5sums), Mode(0o644), root));
                entries.push(Entry::file(path, text(ended(&self.control.fields)), Mode(0o644), root));
            }
            Database::Whole => {
                let path = format!("var/lib/dpkg/info/{}", self.list);
                entries.push(Entry::file(
                    format!("{path}.list"),
                    text(self.list_of_files()),
                    Mode(0o644),
                    root,
                ));
                entries.push(Entry::file(format!("{path}.md5sums"), text(md5sums), Mode(0o644), root));
                if !self.control.conffiles.is_empty() {
                    let lines = self.control.conffiles.join("\n") + "\n";
                    entries.push(Entry::file(format!("{path}.conffiles"), text(lines), Mode(0o644), root));
                }
            }
        }
        entries
    }

    /// Its paragraph in dpkg's own database.
    pub fn status(&self) -> String {
        let mut text = String::new();
        for line in self.control.fields.lines().filter(|line| !line.trim().is_empty()) {
            text.push_str(line);
            text.push('\n');
            if line.starts_with("Package:") {
                text.push_str("Status: install ok installed\n");
            }
        }
        text
    }

    /// The shared libraries of it in folders that the dynamic linker looks into by itself: the names
    /// that programs ask for, and where they are.
    pub fn libraries(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for member in &self.members {
            let Some((folder, name)) = member.path.rsplit_once('/') else { continue };
            let MemberKind::File(content) = &member.kind else { continue };
            if !is_library_folder(folder) || !name.contains(".so") || !is_elf(content) {
                continue;
            }
            let alias = |other: &&Member| {
                let link = matches!(&other.kind, MemberKind::Symlink(target) if target == name);
                link && other.path.rsplit_once('/').is_some_and(|(place, _)| place == folder)
            };
            let aliases = self.members.iter().filter(alias).filter_map(|other| other.path.rsplit('/').next());
            // The name that ends there is for linking, not for running.
            let mut names: Vec<&str> = aliases.filter(|alias| !alias.ends_with(".so")).collect();
            if names.is_empty() {
                names.push(name);
            }
            found.extend(names.into_iter().map(|name| (name.to_owned(), format!("/{folder}/{name}"))));
        }
        found
    }

    fn files(&self, base: &Tree) -> Vec<Entry> {
        let real = |path: &str| base.real_path(path).unwrap_or_else(|| path.to_owned());
        // A hard link stands behind the file in the layer, wherever it stood in the package.
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for member in &self.members {
            if let MemberKind::Hardlink(target) = &member.kind {
                names.entry(target).or_insert_with(|| vec![target]).push(&member.path);
            }
        }
        let first: BTreeMap<&str, &str> = names
            .values()
            .filter_map(|group| {
                let first = group.iter().copied().min_by_key(|path| real(path))?;
                Some(group.iter().map(move |path| (*path, first)).collect::<Vec<_>>())
            })
            .flatten()
            .collect();
        let content: BTreeMap<&str, &Content> = self
            .members
            .iter()
            .filter_map(|member| match &member.kind {
                MemberKind::File(content) => Some((member.path.as_str(), content)),
                _ => None,
            })
            .collect();
        let entry = |member: &Member| {
            let path = member.path.as_str();
            let kind = match (&member.kind, first.get(path)) {
                (MemberKind::Directory, _) => EntryKind::ImpliedDirectory,
                (MemberKind::Symlink(target), _) => EntryKind::Symlink(target.clone()),
                (_, Some(first)) if *first != path => EntryKind::Hardlink(real(first)),
                (MemberKind::File(content), _) => EntryKind::File(content.clone()),
                (MemberKind::Hardlink(target), _) => {
                    EntryKind::File((*content.get(target.as_str())?).clone())
                }
            };
            Some(Entry {
                path: path.to_owned(),
                kind,
                mode: member.mode,
                owner: member.owner,
                capabilities: None,
            })
        };
        self.members.iter().filter_map(entry).collect()
    }

    /// The checksums of the files that are there.
    fn md5sums(&self) -> String {
        let there = |line: &&str| {
            let path = line.split_once("  ").map_or("", |(_, path)| path);
            self.members.iter().any(|member| member.path == path)
        };
        let mut lines: String = String::new();
        for line in self.control.md5sums.lines().filter(there) {
            lines.push_str(line);
            lines.push('\n');
        }
        lines
    }

    fn list_of_files(&self) -> String {
        let mut lines = "/.\n".to_owned();
        for member in &self.members {
            lines.push_str(&format!("/{}\n", member.path));
        }
        lines
    }
}

/// `/lib`, `/usr/lib`, and below them a folder for the architecture.
pub(super) fn is_library_folder(path: &str) -> bool {
    let below = path.strip_prefix("usr/").unwrap_or(path).strip_prefix("lib");
    below.is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('/').is_some_and(|rest| rest.contains("-linux-gnu") && !rest.contains('/'))
    })
}

fn is_elf(content: &Content) -> bool {
    const MAGIC: &[u8] = b"\x7fELF";
    match content {
        Content::Bytes(bytes) => bytes.starts_with(MAGIC),
        Content::File { path, .. } => {
            let mut head = [0; 4];
            let read = read::file(path).and_then(|mut file| file.read_exact(&mut head));
            read.is_ok() && head == MAGIC
        }
        Content::Zipped(_) | Content::Later(_) => false,
    }
}

/// The whole database of the packages that stay of a base, given by their paragraphs, and of those
/// that were added.
pub fn database(base: &[&str], added: &[&Unpacked]) -> String {
    let name = |text: &str| Paragraph::parse(text).get("Package").map(str::to_owned);
    let replaced = |text: &&&str| added.iter().any(|package| Some(&package.name) == name(text).as_ref());
    let stay = base.iter().filter(|text| !replaced(text)).map(|text| ended(text));
    let all: Vec<String> = stay.chain(added.iter().map(|package| package.status())).collect();
    all.join("\n")
}

fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

fn is_documentation(path: &str) -> bool {
    let Some(root) = DOCUMENTATION
        .iter()
        .find(|root| path.strip_prefix(**root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    else {
        return false;
    };
    // Licences must go with what they are for; some packages share one folder by a link.
    let in_doc = path.strip_prefix("usr/share/doc/").filter(|_| *root == "usr/share/doc");
    let kept = in_doc.is_some_and(|rest| match rest.split_once('/') {
        Some((_, name)) => matches!(name, "copyright" | "copyright.gz"),
        None => true,
    });
    !kept && path != "usr/share/doc"
}
