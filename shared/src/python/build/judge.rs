//! What a build backend packed that does not belong in an image: secrets, and files of this machine to
//! which a link of the project leads.
//!
//! Backends follow links while they pack, and know no secrets. So the finished wheel of a folder is
//! judged by the rules for its source, and compared with what the folder's links lead to outside of the
//! project's [`Territory`].

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};
use zip::ZipArchive;

use crate::error::{Context, Error, Result};
use crate::python::sources::{LeftOut, Reason, is_secret_member};
use crate::read;
use crate::territory::{Territory, is_version_control};

/// Descriptions that are embedded in METADATA are looked at up to this size, in bytes.
const MOST_TEXT: u64 = 1 << 20;

/// The files of `wheel`, which was built of `folder`, that must stay out, by their names in the wheel.
///
/// # Errors
/// Build: something cannot be read, or METADATA itself quotes a file outside of the project.
pub(super) fn judge(wheel: &Path, folder: &Path) -> Result<Vec<LeftOut>> {
    let what = || format!("cannot read the wheel {}", wheel.display());
    let mut archive = ZipArchive::new(BufReader::new(read::file(wheel).context(what)?)).context(what)?;
    let links = Links::of(folder)?;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).context(what)?;
        if entry.is_dir() {
            continue;
        }
        let (path, size) = (entry.name().context(what)?.into_owned(), entry.size());
        // What describes the distribution is made by the backend, and no wheel is one without it.
        let describes = path
            .split_once('/')
            .is_some_and(|(top, name)| top.ends_with(".dist-info") && !name.contains('/'));
        let secret = !describes && is_secret_member(&path, || Some(&mut entry));
        drop(entry);
        let mut reason = secret.then_some(Reason::Secret);
        for (because, target) in links.sources(&path, size) {
            let entry = archive.by_index(index).context(what)?;
            let own = || because == Reason::LinkOutside && has_file_like(folder, &target, size);
            if is_same(entry, &target).unwrap_or(false) && !own() {
                reason = Some(because);
            }
        }
        if path.ends_with(".dist-info/METADATA") {
            links.refuse_quoted(&text_of(archive.by_index(index).context(what)?).context(what)?)?;
        }
        found.extend(reason.map(|reason| LeftOut { path, reason }));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Where links of a folder lead that leave it.
#[derive(Debug, Default)]
struct Links {
    /// Files, each with why it must stay out and the link that leads to it.
    files: Vec<(PathBuf, Reason, PathBuf)>,
    /// Folders that links lead to.
    folders: Vec<PathBuf>,
}

impl Links {
    fn of(folder: &Path) -> Result<Self> {
        let failed = || format!("cannot read {}", folder.display());
        let territory = Territory::of(folder).context(failed)?;
        let top = fs::canonicalize(folder).context(failed)?;
        let mut links = Self::default();
        let mut seen = BTreeSet::from([top.clone()]);
        let mut ahead = vec![top];
        while let Some(folder) = ahead.pop() {
            // What cannot be read here cannot be packed either.
            for entry in tree(&folder).filter(|entry| entry.path_is_symlink()) {
                let Ok(target) = fs::canonicalize(entry.path()) else { continue };
                if let Some(inside) = links.add(entry.path(), target, &territory)
                    && seen.insert(inside.clone())
                {
                    ahead.push(inside);
                }
            }
        }
        Ok(links)
    }

    /// Adds a link; a folder that belongs to the project comes back, to be looked into.
    fn add(&mut self, link: &Path, target: PathBuf, territory: &Territory) -> Option<PathBuf> {
        let about = fs::metadata(&target).ok()?;
        match territory.part(&target) {
            Some(_) if about.is_dir() => return Some(target),
            // The link has another name than the secret that it leads to.
            Some(part) if is_secret_member(&part.to_string_lossy(), || None::<io::Empty>) => {
                self.files.push((target, Reason::Secret, link.to_owned()));
            }
            None if about.is_dir() => self.folders.push(target),
            None if about.is_file() => self.files.push((target, Reason::LinkOutside, link.to_owned())),
            _ => {}
        }
        None
    }

    /// What a member of this path and size may have been packed from, among what links lead to.
    fn sources(&self, path: &str, size: u64) -> Vec<(Reason, PathBuf)> {
        // An empty file tells nothing, and is everywhere.
        if size == 0 || path.split('/').any(|part| part == "..") {
            return Vec::new();
        }
        let fits =
            |target: &Path| fs::metadata(target).is_ok_and(|about| about.is_file() && about.len() == size);
        let files = self.files.iter().map(|(target, reason, _)| (*reason, target.clone()));
        // Whatever the folder is called in the wheel, the end of the path is that below the link.
        let ends = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
        let ends: Vec<&str> = ends.filter_map(|at| path.get(at..)).collect();
        let below = self.folders.iter().flat_map(|folder| ends.iter().map(|end| folder.join(end)));
        files
            .chain(below.map(|target| (Reason::LinkOutside, target)))
            .filter(|(_, target)| fits(target))
            .collect()
    }

    /// Refuses a description that is the content of a file out of the project: it cannot be left out.
    fn refuse_quoted(&self, metadata: &str) -> Result<()> {
        let lines = |text: &str| {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
        };
        let metadata = lines(metadata);
        for (target, _, link) in &self.files {
            let Ok(text) = read::file(target).and_then(text_of) else { continue };
            let text = lines(&text);
            if !text.is_empty() && metadata.contains(&text) {
                return Err(Error::build(format!("{} leads out of the project", link.display()))
                    .because(
                        "the wheel's METADATA would include the file that it points to (a README or licence)",
                    )
                    .hint("replace the link with a file in the project"));
            }
        }
        Ok(())
    }
}

fn text_of(content: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    content.take(MOST_TEXT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_same(one: impl Read, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(read::file(other)?));
    loop {
        let (a, b) = (one.fill_buf()?, other.fill_buf()?);
        let length = a.len().min(b.len());
        if length == 0 {
            return Ok(a.is_empty() && b.is_empty());
        }
        if a.get(..length) != b.get(..length) {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Whether the folder itself has a file of the same content, so that nothing of this machine gets out.
fn has_file_like(folder: &Path, target: &Path, size: u64) -> bool {
    let of_size = |entry: &DirEntry| {
        entry.file_type().is_file() && entry.metadata().is_ok_and(|about| about.len() == size)
    };
    let is_like =
        |entry: DirEntry| read::file(entry.path()).and_then(|file| is_same(file, target)).unwrap_or(false);
    tree(folder).filter(of_size).any(is_like)
}

/// All that is below a folder and not version control's; links are not followed.
fn tree(folder: &Path) -> impl Iterator<Item = DirEntry> {
    let belongs = |entry: &DirEntry| !is_version_control(&entry.file_name().to_string_lossy());
    WalkDir::new(folder).min_depth(1).into_iter().filter_entry(belongs).flatten()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    /// A project in a repository, beside it a place of this machine.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().expect("folder"));
            machine.put("host/shadow", "root:*:20228:0:\n");
            machine.put("host/certs/a.crt", "a certificate\n");
            machine.put("repo/.git/config", "extraheader = AUTHORIZATION: basic x\n");
            machine.put("repo/.env", "TOKEN=1\n");
            machine.put("repo/shared/data.txt", "shared\n");
            machine.put("repo/app/src/p/__init__.py", "x = 1\n");
            machine
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, text).expect("file");
        }

        fn link(&self, target: &str, link: &str) {
            symlink(target, self.0.path().join("repo/app").join(link)).expect("link");
        }

        /// What is left out of a wheel with these members: their names, and the files that they are
        /// packed from, as a backend does that follows links.
        fn judged(&self, members: &[(&str, &str)]) -> Result<Vec<(String, Reason)>> {
            let app = self.0.path().join("repo/app");
            let mut file = tempfile::NamedTempFile::new().expect("file");
            let mut zip = zip::ZipWriter::new(&mut file);
            for (name, from) in members {
                zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("entry");
                zip.write_all(&fs::read(app.join(from)).expect("read")).expect("bytes");
            }
            zip.finish().expect("zip");
            let found = judge(file.path(), &app)?;
            Ok(found.into_iter().map(|left| (left.path, left.reason)).collect())
        }
    }

    #[test]
    fn what_links_lead_to_outside_is_found_whatever_it_is_called_in_the_wheel() {
        let machine = Machine::new();
        machine.link("../../../../host/shadow", "src/p/shadow.txt");
        machine.link("../../../../host/certs", "src/p/certs");
        let members = [
            ("p/__init__.py", "src/p/__init__.py"),
            ("q/other.txt", "src/p/shadow.txt"),
            ("p-1.data/data/share/a.crt", "src/p/certs/a.crt"),
            ("p-1.dist-info/licenses/LICENSE", "src/p/shadow.txt"),
        ];
        let outside = Reason::LinkOutside;
        assert_eq!(
            machine.judged(&members).expect("judged"),
            [
                ("p-1.data/data/share/a.crt".into(), outside),
                ("p-1.dist-info/licenses/LICENSE".into(), outside),
                ("q/other.txt".into(), outside),
            ]
        );
    }

    #[test]
    fn links_within_the_repository_are_fine_but_not_to_its_own_data_or_secrets() {
        let machine = Machine::new();
        machine.link("../../../shared", "src/p/shared");
        machine.link("../../../.git/config", "src/p/settings");
        machine.link("../../../.env", "src/p/values");
        machine.link("__init__.py", "src/p/again.py");
        let members = [
            ("p/shared/data.txt", "src/p/shared/data.txt"),
            ("p/again.py", "src/p/again.py"),
            ("p/settings", "src/p/settings"),
            ("p/values", "src/p/values"),
        ];
        let found = machine.judged(&members).expect("judged");
        assert_eq!(found, [("p/settings".into(), Reason::LinkOutside), ("p/values".into(), Reason::Secret)]);
    }

    #[test]
    fn a_link_in_a_shared_folder_is_found_too() {
        let machine = Machine::new();
        machine.link("../../../shared", "src/p/shared");
        machine.link("../../host/shadow", "../shared/deep");
        let found = machine.judged(&[("p/shared/deep", "src/p/shared/deep")]).expect("judged");
        assert_eq!(found, [("p/shared/deep".into(), Reason::LinkOutside)]);
    }

    #[test]
    fn secrets_are_known_by_name_and_content() {
        let machine = Machine::new();
        machine
            .put("repo/app/src/p/token.ini", &format!("t = ghp_{}", "a8Kq2LmZ0x7RtYw3Pv5NcBd9Hf1Gs4Jk6E0w"));
        let members = [
            ("p/.env", "../.env"),
            ("p/token.ini", "src/p/token.ini"),
            ("p/a.py", "src/p/__init__.py"),
            // It may quote a README, and no wheel is one without it.
            ("p-1.dist-info/METADATA", "src/p/token.ini"),
        ];
        let found = machine.judged(&members).expect("judged");
        assert_eq!(found, [("p/.env".into(), Reason::Secret), ("p/token.ini".into(), Reason::Secret)]);
    }

    #[test]
    fn copies_of_what_the_project_has_are_no_leak() {
        let machine = Machine::new();
        machine.put("host/out/p/__init__.py", "x = 1\n");
        machine.link("../../host/out", "bazel-out");
        assert_eq!(machine.judged(&[("p/__init__.py", "src/p/__init__.py")]).expect("judged"), []);
    }

    #[test]
    fn a_description_from_outside_is_refused() {
        let machine = Machine::new();
        machine.link("../../host/shadow", "README.md");
        machine.put("repo/app/METADATA", "Name: p\nVersion: 1\n\n  root:*:20228:0:\n");
        let error = machine.judged(&[("p-1.dist-info/METADATA", "METADATA")]).expect_err("refused");
        assert!(error.to_string().ends_with("app/README.md leads out of the project"), "{error}");
    }
}
