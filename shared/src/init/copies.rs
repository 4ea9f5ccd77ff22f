//! `COPY` and `ADD`: the project itself, its program, and further files.

use crate::config::FileRule;
use crate::dockerfile::{Copied, From, Step, What};
use crate::oci::Owner;
use crate::plan::APP;

use super::paths::{below, joined, relative};
use super::places::{Origin, Places};
use super::project::{Kind, Project};
use super::remark::Remark;

/// Where a Python project is in the Dockerfile's image, and so which of its paths have another name in this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    /// The folder there.
    place: String,
    /// What of the project is in it; empty for the project itself.
    path: String,
}

/// Folders in which the files of the system are.
const OF_SYSTEM: &[&str] =
    &["/bin", "/etc", "/lib", "/sbin", "/usr", "/usr/bin", "/usr/local/bin", "/usr/lib", "/var"];

/// Files that say what is installed, and no program reads.
const MANIFESTS: &[&str] = &[
    "pyproject.toml",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "setup.py",
    "setup.cfg",
    "Pipfile",
    "Pipfile.lock",
    "README.md",
    "README.rst",
    "README",
    ".python-version",
    "LICENSE",
    "MANIFEST.in",
    "environment.yml",
    "constraints.txt",
];

impl Home {
    /// The folder of the Dockerfile's image that is [`APP`] in this one, `workdir` being where things start.
    pub(super) fn of(places: &Places, workdir: &str) -> Option<Self> {
        let entries: Vec<(&str, &str)> = places.of_project().filter(|(_, path)| !is_manifest(path)).collect();
        let whole = entries.iter().rev().find(|(_, path)| path.is_empty());
        if let Some((place, _)) = whole {
            return Some(Self { place: (*place).to_owned(), path: String::new() });
        }
        // `COPY app /code/app`: the project's folder would be `/code`.
        let root = |(place, path): &(&str, &str)| {
            let root = place.strip_suffix(path)?.strip_suffix('/')?;
            Some(if root.is_empty() { "/".to_owned() } else { root.to_owned() })
        };
        // A file in `/etc` does not make the project of it.
        let may_be = |root: &String| root == workdir || !OF_SYSTEM.contains(&root.as_str());
        let roots: Vec<String> = entries.iter().filter_map(root).filter(may_be).collect();
        let root = roots.iter().find(|root| *root == workdir).or(roots.first());
        let covers = entries.iter().filter(|(place, _)| below(workdir, place).is_some());
        let nearest = covers.max_by_key(|(place, _)| place.len());
        match (root, nearest) {
            // What is copied right to where things start comes before what stands beside it.
            (_, Some((place, path))) if *place == workdir => {
                Some(Self { place: (*place).to_owned(), path: (*path).to_owned() })
            }
            (Some(root), nearest) if root == workdir || nearest.is_none() => {
                Some(Self { place: root.clone(), path: String::new() })
            }
            (_, Some((place, path))) => Some(Self { place: (*place).to_owned(), path: (*path).to_owned() }),
            (_, None) => None,
        }
    }

    /// The folder there.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Whether a script speaks of the folder by a name that it does not have here.
    pub(super) fn is_named_in(&self, text: &str) -> bool {
        let is_other = self.place != "/" && self.place != joined(APP, &self.path);
        let ends =
            |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        is_other && text.match_indices(&self.place).any(|(at, found)| ends(&text[at + found.len()..]))
    }

    /// A command that makes the name lead here, in a layer; none for names that a shell reads in its own way.
    pub(super) fn link(&self) -> Option<String> {
        let (folder, _) = self.place.rsplit_once('/')?;
        let target = joined(APP, &self.path);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        if !self.place.chars().chain(target.chars()).all(is_plain) {
            return None;
        }
        Some(match folder {
            "" => format!("ln -s {target} $CONTAINERIZE_LAYER{}", self.place),
            folder => format!(
                "mkdir -p $CONTAINERIZE_LAYER{folder} && ln -s {target} $CONTAINERIZE_LAYER{}",
                self.place
            ),
        })
    }

    /// A place in this image, if it has another name here.
    pub(super) fn moved(&self, place: &str, project: &Project) -> Option<String> {
        let rest = below(place, &self.place)?;
        // What is in the root of an image need not be the project's.
        let is_ours =
            self.place != "/" || (!rest.is_empty() && project.has(&joined(&self.path, rest))) || place == "/";
        let path = joined(&self.path, rest);
        is_ours.then(|| joined(APP, &path))
    }

    /// A text in which places have the names that they have here.
    pub(super) fn moved_in(&self, text: &str, project: &Project) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('/') {
            let (before, here) = rest.split_at(at);
            out.push_str(before);
            let begins = out
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '/' | '}'));
            let ends = |c: char| {
                c.is_whitespace() || matches!(c, '"' | '\'' | ':' | ';' | ',' | '&' | '|' | ')' | '$')
            };
            let end = here.find(ends).unwrap_or(here.len());
            let (place, after) = here.split_at(end);
            // `sqlite:////app/x` and `https://` are not places of their own.
            match self
                .moved(place.trim_end_matches('/'), project)
                .filter(|_| begins && !place.starts_with("//"))
            {
                Some(moved) => {
                    out.push_str(&moved);
                    out.push_str(if place.ends_with('/') { "/" } else { "" });
                }
                None => out.push_str(place),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    MANIFESTS.contains(&name)
        || (name.contains("requirements") && (name.ends_with(".txt") || name.ends_with(".in")))
}

/// An environment that this machine may have, too.
fn is_environment(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, ".venv" | "venv" | "node_modules" | "target" | "__pycache__" | ".git"))
}

/// What a copy into the final image becomes: rules for files, or remarks.
pub(super) fn files(
    step: &Step,
    before: (&Places, Option<&Places>),
    home: Option<&Home>,
    project: &Project,
    remarks: &mut Vec<Remark>,
) -> Vec<FileRule> {
    let What::Copy(copied) = &step.what else { return Vec::new() };
    let mut left = |why: &str, instead: &str| remarks.push(Remark::left(step.line, &step.text, why, instead));
    if !copied.documents.is_empty() {
        left(
            "the content stands in the Dockerfile",
            "write it to a file of the project, and add that with the key files",
        );
    }
    if let From::Image(image) = &copied.from {
        let is_tool = ["uv", "poetry", "tini", "rust", "dumb-init"].iter().any(|tool| image.contains(tool));
        if !is_tool {
            left(
                "files of another image are not copied",
                "add the Debian package that has them, or the files with the key files",
            );
        }
        return Vec::new();
    }
    if copied.is_add && copied.sources.iter().any(|source| source.contains("://")) {
        left("nothing is fetched into an image", "fetch it with a command in the key layers");
        return Vec::new();
    }
    if copied.is_add && copied.sources.iter().any(|source| is_archive(source)) {
        left("an archive is not unpacked", "unpack it with a command in the key layers");
        return Vec::new();
    }
    let (places, other) = before;
    let arrivals = places.arrivals(copied, other, project);
    if arrivals.is_empty() && !copied.sources.is_empty() {
        unknown(copied, other, matches!(project.kind, Kind::Python(_)), &mut left);
        return Vec::new();
    }
    arrivals.iter().filter_map(|(place, origin)| rule(place, origin, copied, home, project)).collect()
}

/// Whether `ADD` unpacks a file of this name.
fn is_archive(source: &str) -> bool {
    [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"].iter().any(|end| source.ends_with(end))
}

/// Says what is missing of a copy whose source is not known.
fn unknown(copied: &Copied, other: Option<&Places>, installs: bool, left: &mut impl FnMut(&str, &str)) {
    let source = copied.sources.join(" ");
    let missing = other.and_then(|other| other.missing(&source)).filter(|path| !is_environment(path));
    match copied.from {
        From::Context => {
            left("the project has no such file", "remove it from the Dockerfile, or add it to the project")
        }
        _ if installs && is_of_environment(&source) => {}
        _ if ["ssl/certs", "/etc/passwd", "/etc/group", "zoneinfo", "ca-certificates", "nsswitch"]
            .iter()
            .any(|part| source.contains(part)) => {}
        _ if missing.is_some() => {
            left(
                &format!("the project has no {}", missing.unwrap_or_default()),
                "add it with the key files when it is there",
            );
        }
        _ => left(
            "it is made in another stage by commands that are not run",
            "make it with a command in the key layers, or with a hook, and add it with the key files",
        ),
    }
}

/// Whether a path is where installers put distributions.
fn is_of_environment(source: &str) -> bool {
    const PARTS: [&str; 10] = [
        "site-packages",
        "venv",
        "/usr/local",
        "install",
        ".local",
        "wheel",
        "/opt",
        "/root",
        "requirements",
        "dist",
    ];
    PARTS.iter().any(|part| source.contains(part)) || source == "/app" || source.contains("/env")
}

fn rule(
    place: &str,
    origin: &Origin,
    copied: &Copied,
    home: Option<&Home>,
    project: &Project,
) -> Option<FileRule> {
    let Origin::Project(path) = origin else { return None };
    if is_environment(path) || (is_manifest(path) && matches!(project.kind, Kind::Python(_))) {
        return None;
    }
    let to = match (&project.kind, home) {
        (Kind::Python(_), Some(home)) => {
            let moved = home.moved(place, project);
            let to = moved.unwrap_or_else(|| place.to_owned());
            // It is there with the source.
            if to == joined(APP, path) || path.is_empty() {
                return None;
            }
            to
        }
        (Kind::Python(_), None) if path.is_empty() => return None,
        (Kind::Python(_), None) => place.to_owned(),
        // The whole project of a stage that builds is looked at apart.
        (Kind::Rust(_), _) if path.is_empty() => return None,
        (Kind::Rust(_), _) => place.to_owned(),
    };
    if to == "/" && !project.has_folder(path) {
        return None;
    }
    let owner: Option<Owner> =
        copied.owner.as_ref().and_then(|owner| owner.parse().ok()).filter(|owner| *owner != Owner::ROOT);
    Some(FileRule {
        from: path.clone(),
        to,
        mode: copied.mode.as_ref().and_then(|mode| mode.parse().ok()).filter(|_| !project.has_folder(path)),
        owner,
        capabilities: None,
        exclude: Vec::new(),
    })
}

/// Folders that programs read when they run, where the final image has the whole project.
pub(super) const READ: &[&str] = &[
    "static",
    "templates",
    "assets",
    "public",
    "migrations",
    "config",
    "Rocket.toml",
    "views",
    "locales",
    "www",
    "data",
];

/// The files of a whole Rust project that a program may read, at the place of the project.
pub(super) fn read_by_program(places: &Places, project: &Project) -> Vec<FileRule> {
    let Some((place, _)) = places.of_project().filter(|(_, path)| path.is_empty()).last() else {
        return Vec::new();
    };
    let there = READ.iter().filter(|name| project.has(name));
    let rule = |name: &&str| FileRule {
        from: relative(name),
        to: joined(place.trim_end_matches('/'), name),
        mode: None,
        owner: None,
        capabilities: None,
        exclude: Vec::new(),
    };
    there.map(rule).collect()
}
