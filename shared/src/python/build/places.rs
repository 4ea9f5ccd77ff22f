//! What a wheel that was built tells of the folder that it was built in.
//!
//! The bills of materials in wheels (PEP 770) name the crates of this machine by the addresses of their folders, as
//! cargo does. So the same source in another folder would make another image, and each would tell where it was built.
//! The folders are taken out of the addresses; what is left still tells the crates apart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::error::{Context, Result};
use crate::oci::Digest;
use crate::read;
use crate::store::replace::{self, Over};

/// How the address of a file of this machine begins.
const ADDRESS: &str = "file:///";

/// No larger document is looked at, in bytes.
const LARGEST: u64 = 16 << 20;

/// The entries of a wheel that have another content now.
type Changed = BTreeMap<String, String>;

/// Takes folders of this machine out of the bills in `wheel`.
///
/// # Errors
/// When the wheel cannot be read or written.
pub(super) fn forget(wheel: &Path) -> Result<()> {
    let changed = changed(wheel).context(|| format!("cannot read the wheel {}", wheel.display()))?;
    if changed.is_empty() {
        return Ok(());
    }
    let what = || format!("cannot write the wheel {}", wheel.display());
    let made = wheel.with_extension("rewritten");
    rewrite(wheel, &made, &changed).context(what)?;
    replace::rename(&made, wheel, Over::Anything).context(what)
}

/// The bills that tell of folders, as they must be, and the list of files that fits them. Nothing if that list does not
/// name them as installers write it.
fn changed(wheel: &Path) -> io::Result<Changed> {
    let mut archive = ZipArchive::new(io::BufReader::new(read::file(wheel)?))?;
    let (mut changed, mut record) = (Changed::new(), None);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        let Some((folder, path)) = name.split_once('/') else { continue };
        let is_bill = path.starts_with("sboms/");
        if !folder.ends_with(".dist-info") || entry.size() > LARGEST || !(is_bill || path == "RECORD") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.by_ref().take(LARGEST).read_to_end(&mut bytes)?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if !is_bill {
            record = Some((name, text));
        } else if let placeless = without_folders(&text)
            && placeless != text
        {
            changed.insert(name, placeless);
        }
    }
    let Some((name, text)) = record.filter(|_| !changed.is_empty()) else { return Ok(Changed::new()) };
    let Some(text) = listing(&text, &changed) else { return Ok(Changed::new()) };
    changed.insert(name, text);
    Ok(changed)
}

/// RECORD with the digests of these files.
fn listing(record: &str, changed: &Changed) -> Option<String> {
    let mut found = 0;
    let lines = record.split_inclusive('\n').map(|line| {
        let name = line.split(',').next().unwrap_or_default();
        let Some(text) = changed.get(name) else { return line.to_owned() };
        found += 1;
        let end = &line[line.trim_end().len()..];
        let digest = BASE64.encode(Digest::of(text.as_bytes()).as_bytes());
        format!("{name},sha256={digest},{}{end}", text.len())
    });
    let listing = lines.collect();
    (found == changed.len()).then_some(listing)
}

/// A wheel like this one but for these entries.
fn rewrite(wheel: &Path, made: &Path, changed: &Changed) -> io::Result<()> {
    let mut archive = ZipArchive::new(io::BufReader::new(read::file(wheel)?))?;
    let mut writer = ZipWriter::new(io::BufWriter::new(File::create(made)?));
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let name = entry.name()?.into_owned();
        let Some(text) = changed.get(&name) else {
            writer.raw_copy_file(entry)?;
            continue;
        };
        let mut options = SimpleFileOptions::default().unix_permissions(entry.unix_mode().unwrap_or(0o644));
        if let Some(time) = entry.last_modified() {
            options = options.last_modified_time(time);
        }
        writer.start_file(name, options)?;
        writer.write_all(text.as_bytes())?;
    }
    writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()
}

/// A document in which addresses of files have no folders: `file:///a/b#c@1` is `file:///#c@1`, and so is
/// `file:///a/c#1`, which is how cargo writes it where the folder has the crate's name.
fn without_folders(text: &str) -> String {
    let mut parts = text.split(ADDRESS);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['"', '\\', ' ', '#', '?', '&']).unwrap_or(part.len());
        let (folders, rest) = part.split_at(end);
        let last = folders.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        all.push_str(ADDRESS);
        match rest.strip_prefix('#') {
            Some(named) => {
                let end = named.find(['"', '\\', ' ']).unwrap_or(named.len());
                let has_name = named[..end].contains('@') || !named.starts_with(|c: char| c.is_ascii_digit());
                all.push('#');
                if !has_name {
                    all.push_str(last);
                    all.push('@');
                }
                all.push_str(named);
            }
            None => {
                all.push_str(last);
                all.push_str(rest);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: &str = "demo-1.dist-info/sboms/demo.cyclonedx.json";

    /// A wheel that was built in this folder.
    fn wheel(at: &Path, place: &str, listed: &str) {
        let bill =
            format!(r#"{{"bom-ref":"path+file://{place}#demo@1","needs":["path+file://{place}/core#2"]}}"#);
        let digest = BASE64.encode(Digest::of(bill.as_bytes()).as_bytes());
        let record = format!("demo.py,,\r\n{listed},sha256={digest},{}\r\n", bill.len());
        let mut archive = ZipWriter::new(File::create(at).expect("file"));
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        for (name, text) in
            [("demo.py", place), (BILL, bill.as_str()), ("demo-1.dist-info/RECORD", record.as_str())]
        {
            archive.start_file(name, options).expect("an entry");
            archive.write_all(text.as_bytes()).expect("content");
        }
        archive.finish().expect("a wheel");
    }

    fn content(wheel: &Path, name: &str) -> String {
        let mut archive = ZipArchive::new(File::open(wheel).expect("file")).expect("a wheel");
        let mut entry = archive.by_name(name).expect("an entry");
        assert_eq!(entry.unix_mode().expect("a mode") & 0o777, 0o755);
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        text
    }

    #[test]
    fn the_same_source_elsewhere_is_the_same_wheel() {
        let folder = tempfile::tempdir().expect("folder");
        let of = |place: &str| {
            let path = folder.path().join("demo-1-py3-none-any.whl");
            wheel(&path, place, BILL);
            forget(&path).expect("rewritten");
            assert_eq!(content(&path, "demo.py"), place, "other files are what they were");
            (content(&path, BILL), content(&path, "demo-1.dist-info/RECORD"))
        };
        let (bill, record) = of("/home/me/demo");
        assert_eq!(bill, r#"{"bom-ref":"path+file:///#demo@1","needs":["path+file:///#core@2"]}"#);
        let digest = BASE64.encode(Digest::of(bill.as_bytes()).as_bytes());
        assert_eq!(record, format!("demo.py,,\r\n{BILL},sha256={digest},{}\r\n", bill.len()));
        assert_eq!(of("/build/x y/demo".replace(' ', "%20").as_str()), (bill, record));
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn what_tells_nothing_or_is_not_listed_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("demo-1-py3-none-any.whl");
        wheel(&path, "/home/me/demo", "other.json");
        let before = read::bytes(&path, LARGEST).expect("bytes");
        forget(&path).expect("left alone");
        assert_eq!(read::bytes(&path, LARGEST).expect("bytes"), before);
        for text in ["", "{}", r#"{"purl":"pkg:cargo/a@1?download_url=file://."}"#] {
            assert_eq!(without_folders(text), text);
        }
        let purl = r#""pkg:cargo/a@1?download_url=file:///C:/src/a&x=1""#;
        assert_eq!(without_folders(purl), r#""pkg:cargo/a@1?download_url=file:///a&x=1""#);
        let target = r#""path+file:///a/b#demo@1.0.0 bin-target-0""#;
        assert_eq!(without_folders(target), r#""path+file:///#demo@1.0.0 bin-target-0""#);
        assert_eq!(without_folders(r#""file:///a/b#src/lib.rs""#), r#""file:///#src/lib.rs""#);
    }
}
