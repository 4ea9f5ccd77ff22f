//! The lists of files that packages leave in an image: `RECORD` of a distribution of Python, `NAME.list` and
//! `NAME.md5sums` of dpkg, the database of apk.

use serde::{Deserialize, Serialize};

/// Files that a package holds. Paths are as in [`crate::facts::LayerFacts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The package.
    pub owner: Owner,
    /// Its files, and perhaps folders.
    pub paths: Vec<String>,
}

/// A package, as its list of files names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// A distribution of Python, by the path of its `.dist-info`.
    Distribution(String),
    /// A package of dpkg, by its name.
    Debian(String),
    /// A package of apk, by its name.
    Alpine(String),
}

/// How the lists of dpkg end.
const LIST: &str = ".list";
const SUMS: &str = ".md5sums";

/// What a path is a list of.
enum Form<'p> {
    Record { info: &'p str },
    Dpkg { package: &'p str, has_sums: bool },
    Apk,
}

fn form(path: &str) -> Option<Form<'_>> {
    if path == "lib/apk/db/installed" || path == "usr/lib/apk/db/installed" {
        return Some(Form::Apk);
    }
    let (parent, name) = path.rsplit_once('/')?;
    match parent {
        // The package of a file for several architectures is `NAME:ARCHITECTURE`.
        "var/lib/dpkg/info" => {
            let package = name.strip_suffix(LIST)?.split(':').next()?;
            Some(Form::Dpkg { package, has_sums: false })
        }
        "var/lib/dpkg/status.d" => Some(Form::Dpkg { package: name.strip_suffix(SUMS)?, has_sums: true }),
        info if name == "RECORD" && info.ends_with(".dist-info") => Some(Form::Record { info }),
        _ => None,
    }
}

/// Whether the file at `path` is a list of files.
pub(super) fn is_list(path: &str) -> bool {
    form(path).is_some()
}

/// The most bytes that a path has in an archive, and the most names in one. Longer ones are passed over.
const MAX_PATH: usize = 4096;
const MAX_PARTS: usize = 255;

/// Bytes that a path costs beside its own.
const EACH: usize = 24;

/// How many bytes of paths may still be kept.
pub(super) struct Room(pub(super) usize);

impl Room {
    /// Takes the place that `path` needs; `None` once there is none.
    pub(super) fn take(&mut self, path: String) -> Option<String> {
        self.0 = self.0.checked_sub(EACH + path.len())?;
        Some(path)
    }
}

/// What the list at `path` says, as far as there is room.
pub(super) fn read(path: &str, text: &str, room: &mut Room) -> Vec<Holding> {
    match form(path) {
        None => Vec::new(),
        Some(Form::Record { info }) => {
            let site = info.rsplit_once('/').map_or("", |(site, _)| site);
            let paths = text.lines().map(first_field).filter_map(|name| below(site, &name));
            let paths = paths.map_while(|path| room.take(path)).collect();
            vec![Holding { owner: Owner::Distribution(info.to_owned()), paths }]
        }
        Some(Form::Dpkg { package, has_sums }) => {
            // A line of sums is the sum, two spaces, and a path without the first slash.
            let path = |line: &str| {
                if has_sums {
                    line.split_once("  ").map_or("", |(_, p)| p).to_owned()
                } else {
                    line.to_owned()
                }
            };
            let paths = text.lines().map(path).filter_map(|path| below("", path.trim_start_matches('/')));
            let paths = paths.map_while(|path| room.take(path)).collect();
            vec![Holding { owner: Owner::Debian(package.to_owned()), paths }]
        }
        Some(Form::Apk) => apk(text, room),
    }
}

/// The first field of a line of CSV.
fn first_field(line: &str) -> String {
    match line.strip_prefix('"') {
        Some(quoted) => {
            let mut field = String::new();
            let mut rest = quoted.chars().peekable();
            while let Some(c) = rest.next() {
                match c {
                    '"' if rest.peek() == Some(&'"') => _ = rest.next(),
                    '"' => break,
                    _ => {}
                }
                field.push(c);
            }
            field
        }
        None => line.split(',').next().unwrap_or_default().to_owned(),
    }
}

/// The path that `name` is from the folder `site`; none for one that leads out of the image, or nowhere, or is too long.
fn below(site: &str, name: &str) -> Option<String> {
    if site.len() + name.len() > MAX_PATH {
        return None;
    }
    let mut parts: Vec<&str> = match name.starts_with('/') {
        true => Vec::new(),
        false => site.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    (!name.is_empty() && !parts.is_empty() && parts.len() <= MAX_PARTS).then(|| parts.join("/"))
}

/// Packages are separated by empty lines: `P:` the name, `F:` a folder, `R:` a file in the folder before.
fn apk(text: &str, room: &mut Room) -> Vec<Holding> {
    let mut found = Vec::new();
    let (mut package, mut folder, mut paths) = (None, "", Vec::new());
    for line in text.lines().chain([""]) {
        match line.split_once(':') {
            Some(("P", name)) => package = Some(name),
            Some(("F", name)) => folder = name,
            Some(("R", name)) => paths.extend(below(folder, name).and_then(|path| room.take(path))),
            None if line.is_empty() => {
                let paths = std::mem::take(&mut paths);
                let owner = package.take().map(|name| Owner::Alpine(name.to_owned()));
                found.extend(owner.map(|owner| Holding { owner, paths }));
                folder = "";
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, text: &str) -> (Owner, Vec<String>) {
        let mut all = read(path, text, &mut Room(usize::MAX));
        assert_eq!(all.len(), 1, "{all:?}");
        let Holding { owner, paths } = all.remove(0);
        (owner, paths)
    }

    #[test]
    fn a_record_names_files_from_its_site_packages() {
        let site = "app/lib/python3.13/site-packages";
        let record = format!("{site}/a-1.dist-info/RECORD");
        let text = "a/__init__.py,sha256=x,1\n\"a/odd,\"\"name\"\".py\",,\n../../../bin/a,,\n../../../../../../x,,\n";
        let (owner, paths) = one(&record, text);
        assert_eq!(owner, Owner::Distribution(format!("{site}/a-1.dist-info")));
        let site = |name: &str| format!("{site}/{name}");
        assert_eq!(paths, [site("a/__init__.py"), site("a/odd,\"name\".py"), "app/bin/a".into()]);
    }

    #[test]
    fn lists_of_dpkg_are_read_in_both_forms() {
        let (owner, paths) = one("var/lib/dpkg/info/libc6:amd64.list", "/.\n/usr\n/usr/lib/libc.so.6\n");
        assert_eq!(
            (owner, &paths[..]),
            (Owner::Debian("libc6".into()), &["usr".into(), "usr/lib/libc.so.6".into()][..])
        );
        let (owner, paths) = one("var/lib/dpkg/status.d/tzdata.md5sums", "0123  usr/share/a b\nodd\n");
        assert_eq!((owner, &paths[..]), (Owner::Debian("tzdata".into()), &["usr/share/a b".into()][..]));
        assert!(
            !is_list("var/lib/dpkg/status.d/tzdata") && !is_list("var/lib/dpkg/info/libc6:amd64.md5sums")
        );
    }

    #[test]
    fn the_database_of_apk_names_all_packages() {
        let text = "C:x\nP:musl\nV:1\nF:lib\nR:ld-musl-x86_64.so.1\n\nP:a\nF:\nR:top\nF:etc\nR:../b\n";
        let found = read("lib/apk/db/installed", text, &mut Room(usize::MAX));
        let shown: Vec<String> =
            found.iter().map(|one| format!("{:?} {}", one.owner, one.paths.join(" "))).collect();
        assert_eq!(shown, ["Alpine(\"musl\") lib/ld-musl-x86_64.so.1", "Alpine(\"a\") top b"]);
    }

    #[test]
    fn lists_cost_no_more_than_there_is_room() {
        let files = "R:x\n".repeat(1000);
        let mut room = Room(1 << 20);
        let long =
            read("lib/apk/db/installed", &format!("P:p\nF:{}\n{files}\n", "a".repeat(60_000)), &mut room);
        assert!(long.iter().all(|holding| holding.paths.is_empty()), "no file has such a path");
        let deep = "a/".repeat(2000);
        let record = read("s/a-1.dist-info/RECORD", &format!("{deep}b,,\nc,,\n"), &mut room);
        assert_eq!(record[0].paths, ["s/c"]);

        let mut room = Room(10 * (EACH + "folder/x".len()));
        let short = read("lib/apk/db/installed", &format!("P:p\nF:folder\n{files}\n"), &mut room);
        assert_eq!((short[0].paths.len(), room.0), (10, 0));
        let record = read("s/a-1.dist-info/RECORD", "a,,\nb,,\n", &mut room);
        assert!(record[0].paths.is_empty(), "{record:?}");
    }
}
