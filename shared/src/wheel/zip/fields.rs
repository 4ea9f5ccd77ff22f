//! Little-endian fields of a header, one after the other.

use std::io::Read;

use crate::error::{Error, Result};

/// A header that is being read from its beginning.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `count` bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| Error::integrity("a header of the archive ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut number = [0; N];
        number.copy_from_slice(self.bytes(N)?);
        Ok(number)
    }

    /// The next two bytes.
    pub(super) fn u16(&mut self) -> Result<u16> {
        self.number().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Result<u32> {
        self.number().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    pub(super) fn u64(&mut self) -> Result<u64> {
        self.number().map(u64::from_le_bytes)
    }

    /// Takes a signature, which must be `expected`.
    pub(super) fn signature(&mut self, expected: u32, what: &str) -> Result<()> {
        if self.u32()? == expected {
            return Ok(());
        }
        Err(Error::integrity(format!("there is no {what} where the archive says there is one")))
    }
}

/// Exactly `count` bytes from a reader.
pub(super) fn exactly(from: &mut impl Read, count: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).map_err(|e| Error::integrity("the archive ends too early").because(e))?;
    Ok(bytes)
}

/// The 64-bit fields of an extra field list (APPNOTE 4.5.3), if it has them. Each list may have
/// them once.
///
/// # Errors
/// Integrity: the list is malformed, has them twice, or gives `name` an other spelling
/// (Info-ZIP's Unicode path, APPNOTE 4.6.9), which some readers would prefer.
pub(super) fn zip64<'a>(extra: &'a [u8], name: &[u8]) -> Result<Option<Fields<'a>>> {
    const ZIP64: u16 = 0x0001;
    const UNICODE_PATH: u16 = 0x7075;
    let mut rest = Fields(extra);
    let mut found = None;
    // Fewer bytes than a header are padding, as alignment tools leave it.
    while rest.0.len() >= 4 {
        let id = rest.u16()?;
        let length = usize::from(rest.u16()?);
        let data = rest.bytes(length)?;
        match id {
            ZIP64 if found.is_some() => {
                return Err(Error::integrity(format!("{} states its 64-bit sizes twice", lossy(name))));
            }
            ZIP64 => found = Some(Fields(data)),
            UNICODE_PATH if data.get(5..) != Some(name) => {
                return Err(Error::integrity(format!("{} has a second name", lossy(name))));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// A 32-bit field, or the 64-bit one that stands for it.
pub(super) fn wide(narrow: u32, wide: &mut Option<Fields<'_>>) -> Result<u64> {
    if narrow != u32::MAX {
        return Ok(narrow.into());
    }
    let fields = wide.as_mut().ok_or_else(|| Error::integrity("a 64-bit size is announced, but missing"))?;
    fields.u64()
}

/// A name for a message.
pub(super) fn lossy(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}
