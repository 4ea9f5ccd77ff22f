//! The one door for files that others wrote: regular files of a bounded size.
//!
//! A project, a base or a home folder may hold a pipe, a device, or a file of any size under any
//! name. Nothing here waits for a writer, and no more is read than a file of this sort can have.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// As large as settings, credentials, projects and the like may be, in bytes.
pub const DOCUMENT: u64 = 16 << 20;
/// As large as a lock may be, in bytes: the largest known have a tenth of it.
pub const LOCK: u64 = 64 << 20;

/// Opens a file, following links.
///
/// # Errors
/// As for [`File::open`]; and when it is a folder, a pipe, a socket or a device.
pub fn file(path: &Path) -> io::Result<File> {
    // Before it is opened: opening a pipe waits, and some devices act.
    regular(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// The content of a file of no more than `most` bytes.
///
/// # Errors
/// As for [`file()`]; and when it has more bytes.
pub fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    rest(&file(path)?, most)
}

/// What a file that is open already holds from where it stands, no more than `most` bytes.
///
/// # Errors
/// As for [`bytes()`].
pub fn rest(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let about = file.metadata()?;
    regular(&about)?;
    let length = about.len();
    if length > most {
        return Err(too_large(most));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // Some files of the kernel have no length, and others grow.
    match file.take(most + 1).read_to_end(&mut bytes)? as u64 > most {
        true => Err(too_large(most)),
        false => Ok(bytes),
    }
}

/// The text of a file of no more than `most` bytes, without a byte order mark.
///
/// # Errors
/// As for [`bytes()`]; and when it is not UTF-8 (of kind [`ErrorKind::InvalidData`]).
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(bytes(path, most)?)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, NotText(error.utf8_error())))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A text that the user named in the call: it may come from wherever he likes, through a pipe as `<(...)` of
/// a shell makes one, or from `/dev/stdin`.
///
/// # Errors
/// As for [`text`], but for pipes and devices.
pub fn given(path: &Path, most: u64) -> io::Result<String> {
    let about = std::fs::metadata(path)?;
    if about.is_file() || about.is_dir() {
        return text(path, most);
    }
    stream(File::open(path)?, most)
}

/// The text of a stream that the user led here, such as standard input.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or has more than `most` bytes.
pub fn stream(stream: impl Read, most: u64) -> io::Result<String> {
    let mut text = String::new();
    match stream.take(most + 1).read_to_string(&mut text)? as u64 > most {
        true => Err(too_large(most)),
        false => Ok(text),
    }
}

/// The end of a file, from the byte `from` on: its last `most` bytes if there are more.
///
/// # Errors
/// As for [`file()`].
pub fn end(path: &Path, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = file(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(most))))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the error says that there is no such file.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether what a file holds may be shown to whoever reads messages: it really lies in `folder`.
/// A link or a path that leads out may end at what is nobody's business.
pub fn may_be_quoted(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(path).zip(real(folder)).is_some_and(|(path, folder)| path.starts_with(folder))
}

/// What a TOML parser says of the file at `path`: with the line itself where it may be shown.
pub fn toml_words(path: &Path, error: &toml::de::Error) -> String {
    let folder = path.parent().unwrap_or(path);
    if may_be_quoted(path, folder) { error.to_string() } else { error.message().to_owned() }
}

/// Text that is not UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("it is not text in UTF-8: {0}")]
struct NotText(std::str::Utf8Error);

fn regular(about: &Metadata) -> io::Result<()> {
    let what = match about {
        about if about.is_file() => return Ok(()),
        about if about.is_dir() => return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder")),
        about if is_pipe(about) => "it is a pipe",
        _ => "it is a device or a socket",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("{what}, not a file")))
}

fn too_large(most: u64) -> io::Error {
    let most = if most < 1 << 20 { format!("{most} bytes") } else { format!("{} MiB", most >> 20) };
    io::Error::new(
        ErrorKind::FileTooLarge,
        format!("it is larger than {most}, which is too large for such a file"),
    )
}

#[cfg(unix)]
fn is_pipe(about: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    about.file_type().is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_not_beyond() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "\u{feff}text").expect("file");
        assert_eq!(text(&path, 7).expect("text"), "text");
        let error = text(&path, 6).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        // A file with holes: nothing of it is read.
        File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("large");
        assert!(bytes(&path, DOCUMENT).is_err());
        std::fs::write(&path, b"\xff\xfe").expect("file");
        assert_eq!(text(&path, 7).expect_err("no text").kind(), ErrorKind::InvalidData);
        assert!(is_absent(&bytes(&folder.path().join("none"), 1).expect_err("absent")));
        assert_eq!(bytes(folder.path(), 1).expect_err("a folder").to_string(), "it is a folder");
    }

    #[test]
    fn of_a_long_file_the_end_is_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "0123456789").expect("file");
        for (from, most, expected) in [(7, 9, "789"), (2, 4, "6789"), (20, 4, "")] {
            assert_eq!(end(&path, from, most).expect("read"), expected.as_bytes());
        }
    }

    #[cfg(unix)]
    #[test]
    fn neither_pipes_nor_devices_are_waited_for() {
        let folder = tempfile::tempdir().expect("folder");
        let link = folder.path().join("zero");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("link");
        let error = bytes(&link, DOCUMENT).expect_err("a device");
        assert_eq!(error.to_string(), "it is a device or a socket, not a file");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        assert_eq!(bytes(&pipe, 1).expect_err("a pipe").to_string(), "it is a pipe, not a file");
        let writer = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(writer, "said"));
        assert_eq!(given(&pipe, 4).expect("the user's own word"), "said");
        writer.join().expect("thread").expect("written");
        // The kernel's own files have no length.
        #[cfg(target_os = "linux")]
        assert!(!text(Path::new("/proc/self/status"), DOCUMENT).expect("text").is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn what_lies_elsewhere_is_not_quoted() {
        let (folder, other) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("other"));
        let secret = other.path().join("secret");
        std::fs::write(&secret, "root:*:20228").expect("file");
        let (own, link) = (folder.path().join("own"), folder.path().join("link"));
        std::fs::copy(&secret, &own).expect("copied");
        std::os::unix::fs::symlink(&secret, &link).expect("link");
        let error = "root:*:20228".parse::<toml::Table>().expect_err("no TOML");
        assert!(toml_words(&own, &error).contains("20228"));
        assert!(!toml_words(&link, &error).contains("20228"));
        assert!(!may_be_quoted(&secret, folder.path()));
    }
}
