//! Copying files out of layers, for those who need them on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use tar::EntryType;

use super::{as_promised, compression_of, decoder, scan};
use crate::error::{Context, Error, Result};
use crate::oci::HashingReader;
use crate::store::Blob;
use crate::store::scratch::{self, Written};

/// Copies files of merged layers, the lowest first, to the folder `to`. `wanted` has their paths as
/// [`super::Contents`] knows them, and where they go below the folder. All become plain files that can be
/// executed; nothing else is made but the folders above them. Each layer that is read is verified against its
/// descriptor.
///
/// # Errors
/// Of kind integrity when a file is not there, all together are larger than `most` bytes, or a layer is not what
/// it should be; a bug when one is still in a registry.
pub fn extract(layers: &[Blob], wanted: &BTreeMap<String, String>, to: &Path, most: u64) -> Result<()> {
    let mut copier = Copier { to, left: most };
    let mut missing: BTreeMap<&str, &str> = wanted.iter().map(|(path, to)| (&**path, &**to)).collect();
    // What is in the merged file system is in the uppermost layer that has the path.
    for blob in layers.iter().rev() {
        if missing.is_empty() {
            break;
        }
        let found = copier.layer(blob, &missing);
        let found = found.context(|| format!("cannot read the layer {}", blob.descriptor.digest))?;
        missing.retain(|path, _| !found.contains(*path));
    }
    match missing.keys().next() {
        Some(path) => Err(Error::integrity(format!("/{path} is not in any of the layers"))),
        None => Ok(()),
    }
}

struct Copier<'a> {
    to: &'a Path,
    /// Bytes that may still be written.
    left: u64,
}

impl Copier<'_> {
    /// Copies what one layer has of `wanted`, and tells what that is.
    fn layer(&mut self, blob: &Blob, wanted: &BTreeMap<&str, &str>) -> Result<BTreeSet<String>> {
        let (mut found, links) = self.pass(blob, wanted)?;
        let elsewhere: BTreeMap<&str, &str> = links
            .iter()
            .filter(|(_, target)| !found.contains(*target))
            .filter_map(|(path, target)| Some((&**target, *wanted.get(&**path)?)))
            .collect();
        // A link leads to what came before, which nobody had asked for then.
        let copied = if elsewhere.is_empty() { BTreeSet::new() } else { self.pass(blob, &elsewhere)?.0 };
        for (path, target) in &links {
            let place = |path: &str| wanted.get(path).map(|to| self.to.join(to));
            let here = elsewhere.get(&**target).map(|to| self.to.join(to));
            let here = here.filter(|_| copied.contains(target));
            let Some(from) = here.or_else(|| place(target).filter(|_| found.contains(target))) else {
                continue;
            };
            let Some(to) = place(path) else { continue };
            if from != to {
                make_room(&to)?;
                fs::copy(&from, &to).map_err(scratch::refused)?;
            }
            found.insert(path.clone());
        }
        Ok(found)
    }

    /// Reads a layer once: the files that were copied, and the hard links (path and target) among what is wanted.
    fn pass(
        &mut self,
        blob: &Blob,
        wanted: &BTreeMap<&str, &str>,
    ) -> Result<(BTreeSet<String>, BTreeMap<String, String>)> {
        let (mut found, mut links) = (BTreeSet::new(), BTreeMap::new());
        let mut bytes = HashingReader::new(blob.open()?);
        let mut tar = decoder(&mut bytes, compression_of(&blob.descriptor)?)?;
        scan::each_entry(&mut tar, |entry| {
            let path = scan::normal_path(&entry.path_bytes())?;
            let Some(to) = wanted.get(path.as_str()) else { return Ok(()) };
            found.remove(&path);
            links.remove(&path);
            match entry.header().entry_type() {
                EntryType::Link => {
                    let target = scan::normal_path(&entry.link_name_bytes().unwrap_or_default())?;
                    links.insert(path, target);
                }
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    self.write(entry, &self.to.join(to))?;
                    found.insert(path);
                }
                _ => {}
            }
            Ok(())
        })?;
        drop(tar);
        io::copy(&mut bytes, &mut io::sink()).context(|| "cannot read the layer".into())?;
        as_promised(bytes.finish(), &blob.descriptor)?;
        Ok((found, links))
    }

    fn write(&mut self, content: &mut impl Read, path: &Path) -> Result<()> {
        make_room(path)?;
        let mut file = Written::new(File::create(path).map_err(scratch::refused)?);
        let copied = io::copy(&mut content.take(self.left.saturating_add(1)), &mut file);
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => return Err(file.failure().unwrap_or_else(|| scan::unreadable(error))),
        };
        self.left = self
            .left
            .checked_sub(copied)
            .ok_or_else(|| Error::integrity("the files needed from the layers are too large"))?;
        executable(path).map_err(scratch::refused)
    }
}

fn make_room(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(scratch::refused)
}

#[cfg(unix)]
fn executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tar;
    use super::*;
    use crate::oci::Descriptor;
    use crate::oci::media_type::OCI_LAYER;

    fn blob(tar: Tar) -> Blob {
        Blob::of(OCI_LAYER, tar.bytes())
    }

    fn extracted(layers: &[Blob], wanted: &[(&str, &str)], most: u64) -> Result<BTreeMap<String, String>> {
        let folder = tempfile::tempdir().expect("folder");
        let wanted = wanted.iter().map(|(path, to)| ((*path).to_owned(), (*to).to_owned())).collect();
        extract(layers, &wanted, &folder.path().join("to"), most)?;
        let read = |to: &String| fs::read_to_string(folder.path().join("to").join(to)).expect("a file");
        Ok(wanted.values().map(|to| (to.clone(), read(to))).collect())
    }

    #[test]
    fn the_uppermost_layer_has_the_file_and_the_last_entry_counts() {
        let low = blob(Tar::new().content("a", b"low").content("b", b"of b").content("c/d", b"deep"));
        let high = blob(Tar::new().content("./a", b"old").content("a", b"new").file("other"));
        let found = extracted(&[low, high], &[("a", "x/a"), ("c/d", "y")], 100).expect("copied");
        assert_eq!(found, BTreeMap::from([("x/a".into(), "new".into()), ("y".into(), "deep".into())]));
    }

    #[test]
    fn hard_links_are_what_they_lead_to_whether_that_is_wanted_or_not() {
        let link = |tar: Tar, path: &str, to: &str| tar.entry(EntryType::Link, path.as_bytes(), to, b"");
        let tar = link(Tar::new().content("real", b"text"), "one", "real");
        let layers = [blob(link(tar, "two", "./real"))];
        for wanted in [&[("one", "1"), ("two", "2")][..], &[("one", "1"), ("real", "r"), ("two", "2")]] {
            let found = extracted(&layers, wanted, 100).expect("copied");
            assert!(found.len() == wanted.len() && found.values().all(|text| text == "text"), "{found:?}");
        }
        let nowhere = [blob(link(Tar::new(), "one", "gone"))];
        assert!(extracted(&nowhere, &[("one", "1")], 100).is_err());
    }

    #[test]
    fn what_is_no_file_and_what_is_too_much_is_refused_and_nothing_is_written_elsewhere() {
        let linked = [blob(Tar::new().content("a", b"x").symlink("a", "/etc/passwd"))];
        let error = extracted(&linked, &[("a", "a")], 100).expect_err("a link");
        assert!(error.to_string().contains("/a is not in any of the layers"), "{error}");
        let large = [blob(Tar::new().content("a", b"12345").content("b", b"67890"))];
        assert!(extracted(&large, &[("a", "a"), ("b", "b")], 9).is_err());
        assert!(extracted(&large, &[("a", "a"), ("b", "b")], 10).is_ok());
        let up = [blob(Tar::new().content("../a", b"x"))];
        assert!(extracted(&up, &[("a", "a")], 100).is_err());
    }

    #[test]
    fn a_layer_that_is_another_by_now_is_refused() {
        let mut changed = blob(Tar::new().content("a", b"x"));
        changed.descriptor = Descriptor::of(OCI_LAYER, b"promised");
        let error = extracted(&[changed], &[("a", "a")], 100).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
    }
}
