//! Zip archives as wheels are (APPNOTE.TXT 6.3), read with no doubt left about what is in them.
//!
//! A zip says most things twice: in the local header before each file, and in the central
//! directory at the end. Readers that trust different halves see different files, which is how a
//! scanner is shown one program and an installer another. So an archive is only taken if both
//! halves agree and if its files, the directory and the end record tile it without gap or overlap:
//! then there is one way to read it. Memory is bounded by limits on the directory.

mod central;
mod end;
mod fields;
mod local;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::DeflateDecoder;

use crate::error::{Context, Error, Result};
use crate::layer::ZipMethod;
use crate::read;

/// One file or folder of an archive, on which both of its headers agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The name, checked by [`super::names`]; folders without their slash.
    pub(super) name: String,
    /// Whether it is a folder.
    pub(super) directory: bool,
    /// Whether its owner may run it.
    pub(super) executable: bool,
    /// How it is stored.
    pub(super) method: ZipMethod,
    /// The CRC-32 of the content.
    pub(super) crc32: u32,
    /// Bytes of the stored data.
    pub(super) compressed: u64,
    /// Bytes of the content.
    pub(super) size: u64,
    /// The general purpose flags.
    flags: u16,
    /// The method as the headers spell it.
    method_number: u16,
    /// Where the local header is.
    header: u64,
    /// Where the data are.
    pub(super) offset: u64,
}

/// An archive whose headers were all read.
#[derive(Debug)]
pub(super) struct Archive {
    file: BufReader<File>,
    /// In the order of the archive.
    pub(super) members: Vec<Member>,
}

impl Archive {
    /// Opens and checks an archive. Contents are not read.
    ///
    /// # Errors
    /// Build: the file cannot be read. Integrity: it is no sound archive. Usage: it uses a feature that
    /// wheels do not.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = || format!("cannot read {}", path.display());
        let file = read::file(path).context(failed)?;
        let length = file.metadata().context(failed)?.len();
        let mut file = BufReader::new(file);
        let directory = end::find(&mut file, length)?;
        let mut members = central::read(&mut file, &directory)?;
        members.sort_by_key(|member| member.header);
        local::check(&mut file, &mut members, directory.offset)?;
        Ok(Self { file, members })
    }

    /// The first bytes of a member, `count` at most.
    pub(super) fn start_of(&mut self, member: &Member, count: u64) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        self.content(member)?.take(count).read_to_end(&mut start).map_err(|e| broken(member, e))?;
        Ok(start)
    }

    /// The content of a member of at most `limit` bytes.
    ///
    /// # Errors
    /// Integrity: it is longer, or not what its headers say.
    pub(super) fn read(&mut self, member: &Member, limit: u64) -> Result<Vec<u8>> {
        if member.size > limit {
            return Err(Error::integrity(format!(
                "{} has {} bytes; the limit is {limit}",
                member.name, member.size
            )));
        }
        let mut content = Vec::new();
        // One byte more than promised, to see whether there is more.
        let mut reader = self.content(member)?.take(member.size + 1);
        reader.read_to_end(&mut content).map_err(|e| broken(member, e))?;
        if content.len() as u64 != member.size {
            return Err(Error::integrity(format!(
                "{} has a different size than its headers say",
                member.name
            )));
        }
        if crc32fast::hash(&content) != member.crc32 {
            return Err(Error::integrity(format!("{} does not match its CRC", member.name)));
        }
        Ok(content)
    }

    fn content(&mut self, member: &Member) -> Result<Box<dyn Read + '_>> {
        self.file.seek(SeekFrom::Start(member.offset)).map_err(|e| broken(member, e))?;
        let data = (&mut self.file).take(member.compressed);
        Ok(match member.method {
            ZipMethod::Stored => Box::new(data),
            ZipMethod::Deflated => Box::new(DeflateDecoder::new(data)),
        })
    }
}

fn broken(member: &Member, error: std::io::Error) -> Error {
    Error::integrity(format!("{} cannot be unpacked", member.name)).because(error)
}
