//! Adding a section to a finished ELF file: readers find it by its name, and no loader sees it.
//!
//! The section, the names with its own added and the table of sections are written behind what there
//! is; nothing else moves, so the file runs as before.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// More than the names of any file's sections, in bytes.
const MOST_NAMES: u64 = 16 << 20;
/// `SHN_LORESERVE`: numbers from here on have other meanings.
const RESERVED: u16 = 0xff00;
/// `SHT_PROGBITS`.
const PROGBITS: u64 = 1;

/// How the file writes numbers.
#[derive(Clone, Copy)]
struct Form {
    wide: bool,
    little: bool,
}

/// Where a number is, and how many bytes it has.
type Field = (usize, usize);

impl Form {
    fn of(ident: &[u8]) -> Option<Self> {
        let wide = match ident.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let little = match ident.get(5)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        ident.starts_with(&super::MAGIC).then_some(Self { wide, little })
    }

    /// The field of a structure, at one place in 32 bits and at another in 64.
    fn field(self, narrow: Field, wide: Field) -> Field {
        if self.wide { wide } else { narrow }
    }

    fn get(self, bytes: &[u8], (at, size): Field) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }

    /// Writes a number, if it fits.
    fn set(self, bytes: &mut [u8], (at, size): Field, number: u64) -> Option<()> {
        if size < 8 && number >> (8 * size) != 0 {
            return None;
        }
        let place = bytes.get_mut(at..at.checked_add(size)?)?;
        for (i, byte) in place.iter_mut().enumerate() {
            let shift = if self.little { i } else { size - 1 - i };
            *byte = (number >> (8 * shift)) as u8;
        }
        Some(())
    }

    // ELF header.
    fn header_size(self) -> usize {
        if self.wide { 64 } else { 52 }
    }
    fn table(self) -> Field {
        self.field((32, 4), (40, 8))
    }
    fn entry_size(self) -> Field {
        self.field((46, 2), (58, 2))
    }
    fn count(self) -> Field {
        self.field((48, 2), (60, 2))
    }
    fn names(self) -> Field {
        self.field((50, 2), (62, 2))
    }

    // Header of a section.
    fn section_size(self) -> usize {
        if self.wide { 64 } else { 40 }
    }
    fn offset(self) -> Field {
        self.field((16, 4), (24, 8))
    }
    fn size(self) -> Field {
        self.field((20, 4), (32, 8))
    }
    fn alignment(self) -> Field {
        self.field((32, 4), (48, 8))
    }
}

/// The name of a section is the first number of its header, its type the second.
const NAME: Field = (0, 4);
const TYPE: Field = (4, 4);

/// What is known of a file's sections.
struct Sections {
    form: Form,
    header: Vec<u8>,
    table: Vec<u8>,
    table_at: u64,
    names: Vec<u8>,
    /// Which of them holds the names.
    names_index: usize,
    file_size: u64,
}

impl Sections {
    /// `None` for what is no ELF file, or has no sections that can be added to.
    fn read(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let file_size = file.seek(SeekFrom::End(0))?;
        let Some(ident) = bytes(file, 0, 16, file_size)? else { return Ok(None) };
        let Some(form) = Form::of(&ident) else { return Ok(None) };
        let Some(header) = bytes(file, 0, form.header_size() as u64, file_size)? else { return Ok(None) };
        let number = |field| form.get(&header, field).unwrap_or_default();
        let (table_at, count, names_index) =
            (number(form.table()), number(form.count()), number(form.names()));
        let usual = number(form.entry_size()) == form.section_size() as u64;
        if table_at == 0 || !usual || names_index >= count || count + 1 >= u64::from(RESERVED) {
            return Ok(None);
        }
        let Some(table) = bytes(file, table_at, count * form.section_size() as u64, file_size)? else {
            return Ok(None);
        };
        let names_index = names_index as usize;
        let entry = &table[names_index * form.section_size()..];
        let (at, size) = (form.get(entry, form.offset()), form.get(entry, form.size()));
        let (at, size) = (at.unwrap_or_default(), size.unwrap_or_default());
        if size > MOST_NAMES {
            return Ok(None);
        }
        let Some(names) = bytes(file, at, size, file_size)? else { return Ok(None) };
        Ok(Some(Self { form, header, table, table_at, names, names_index, file_size }))
    }

    fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.table.chunks_exact(self.form.section_size())
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        self.entries().find(|entry| {
            let at = self.form.get(entry, NAME).and_then(|at| usize::try_from(at).ok());
            let rest = at.and_then(|at| self.names.get(at..)).unwrap_or_default();
            rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
        })
    }

    /// What comes behind the old content, which ends at `end`: the section, the names, the table.
    /// The header is made to say so. `None` when a number does not fit.
    fn extend(&mut self, end: u64, name: &str, content: &[u8]) -> Option<Vec<u8>> {
        let form = self.form;
        let name_at = self.names.len() as u64;
        let mut names = std::mem::take(&mut self.names);
        names.extend(name.as_bytes());
        names.push(0);
        let mut added = content.to_vec();
        let names_at = end + added.len() as u64;
        added.extend(&names);
        let padding = (8 - (end + added.len() as u64) % 8) % 8;
        added.resize(added.len() + padding as usize, 0);
        let table_at = end + added.len() as u64;

        let own = &mut self.table[self.names_index * form.section_size()..];
        form.set(own, form.offset(), names_at)?;
        form.set(own, form.size(), names.len() as u64)?;
        let mut section = vec![0; form.section_size()];
        form.set(&mut section, NAME, name_at)?;
        form.set(&mut section, TYPE, PROGBITS)?;
        form.set(&mut section, form.offset(), end)?;
        form.set(&mut section, form.size(), content.len() as u64)?;
        form.set(&mut section, form.alignment(), 1)?;
        self.table.extend(section);
        added.extend(&self.table);

        let count = (self.table.len() / form.section_size()) as u64;
        form.set(&mut self.header, form.table(), table_at)?;
        form.set(&mut self.header, form.count(), count)?;
        Some(added)
    }
}

/// Copies the ELF file `from`, with a section more, to `to`, which is empty. `false`, and nothing is written, when
/// it has one of the name already, or no table of sections that can be added to.
///
/// # Errors
/// When one of them cannot be read or written.
pub fn add_section(
    from: &mut (impl Read + Seek),
    to: &mut (impl Write + Seek),
    name: &str,
    content: &[u8],
) -> io::Result<bool> {
    let Some(mut sections) = Sections::read(from)? else { return Ok(false) };
    if sections.find(name).is_some() {
        return Ok(false);
    }
    // Linkers write the table last: there, the old one need not stay.
    let table_end = sections.table_at + sections.table.len() as u64;
    let end = if table_end == sections.file_size { sections.table_at } else { sections.file_size };
    let Some(added) = sections.extend(end, name, content) else { return Ok(false) };
    from.seek(SeekFrom::Start(0))?;
    io::copy(&mut from.take(end), to)?;
    to.write_all(&added)?;
    to.seek(SeekFrom::Start(0))?;
    to.write_all(&sections.header)?;
    to.flush()?;
    Ok(true)
}

/// Whether the file has a section of this name, however large it is.
///
/// # Errors
/// When the file cannot be read.
pub fn has_section(file: &mut (impl Read + Seek), name: &str) -> io::Result<bool> {
    Ok(Sections::read(file)?.is_some_and(|sections| sections.find(name).is_some()))
}

/// The content of the section of this name, of at most `most` bytes.
///
/// # Errors
/// When the file cannot be read.
pub fn section(file: &mut (impl Read + Seek), name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(sections) = Sections::read(file)? else { return Ok(None) };
    let Some(entry) = sections.find(name) else { return Ok(None) };
    let number = |field| sections.form.get(entry, field).unwrap_or_default();
    let (at, size) = (number(sections.form.offset()), number(sections.form.size()));
    if size > most { Ok(None) } else { bytes(file, at, size, sections.file_size) }
}

/// Bytes of a file, or `None` where it does not have them.
fn bytes(file: &mut (impl Read + Seek), at: u64, size: u64, file_size: u64) -> io::Result<Option<Vec<u8>>> {
    if at.checked_add(size).is_none_or(|end| end > file_size) {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// An ELF file with an empty first section and the names; `gap` bytes stand behind the table.
    fn file(wide: bool, little: bool, gap: usize) -> Vec<u8> {
        let form = Form { wide, little };
        let mut header = vec![0; form.header_size()];
        header[..4].copy_from_slice(&super::super::MAGIC);
        header[4] = if wide { 2 } else { 1 };
        header[5] = if little { 1 } else { 2 };
        let names = b"\0.names\0";
        let names_at = header.len() as u64 + 5;
        let table_at = names_at + names.len() as u64;
        let mut set = |field, number| form.set(&mut header, field, number).expect("fits");
        set(form.table(), table_at);
        set(form.entry_size(), form.section_size() as u64);
        set(form.count(), 2);
        set(form.names(), 1);
        let mut section = vec![0; form.section_size()];
        for (field, number) in
            [(NAME, 1), (TYPE, 3), (form.offset(), names_at), (form.size(), names.len() as u64)]
        {
            form.set(&mut section, field, number).expect("fits");
        }
        [header, b"code!".to_vec(), names.to_vec(), vec![0; form.section_size()], section, vec![7; gap]]
            .concat()
    }

    fn added(file: &[u8], name: &str, content: &[u8]) -> Option<Vec<u8>> {
        let mut to = Cursor::new(Vec::new());
        let done = add_section(&mut Cursor::new(file), &mut to, name, content).expect("memory");
        let to = to.into_inner();
        assert_eq!(done, !to.is_empty());
        done.then_some(to)
    }

    fn read(file: &[u8], name: &str) -> Option<Vec<u8>> {
        section(&mut Cursor::new(file), name, 1000).expect("memory")
    }

    #[test]
    fn sections_are_added_in_all_forms_and_nothing_before_them_moves() {
        for (wide, little, gap) in
            [(true, true, 0), (true, false, 0), (false, true, 3), (false, false, 0), (true, true, 9)]
        {
            let before = file(wide, little, gap);
            let one = added(&before, ".dep-v0", b"what is in it").expect("added");
            let kept = before.len() - gap;
            let form = Form { wide, little };
            let old_table = 2 * form.section_size();
            assert_eq!(
                one[form.header_size()..kept - old_table],
                before[form.header_size()..kept - old_table]
            );
            assert_eq!(read(&one, ".dep-v0").as_deref(), Some(&b"what is in it"[..]));
            let two = added(&one, ".more", b"").expect("added");
            assert_eq!(read(&two, ".dep-v0").as_deref(), Some(&b"what is in it"[..]));
            assert_eq!(read(&two, ".more").as_deref(), Some(&b""[..]));
            assert_eq!(added(&two, ".more", b"again"), None, "it is there");
            assert_eq!(added(&before, ".dep-v0", b"what is in it"), Some(one), "the same every time");
        }
    }

    #[test]
    fn what_cannot_be_added_to_is_left_alone() {
        let form = Form { wide: true, little: true };
        let broken = |field: Field, number: u64| {
            let mut bytes = file(true, true, 0);
            form.set(&mut bytes, field, number).expect("fits");
            bytes
        };
        let names_entry = file(true, true, 0).len() - form.section_size();
        let in_names = |(at, size): Field| (names_entry + at, size);
        for bytes in [
            Vec::new(),
            b"#!/bin/sh".to_vec(),
            file(true, true, 0)[..40].to_vec(),
            broken((4, 1), 3),
            broken(form.table(), 0),
            broken(form.table(), u64::MAX),
            broken(form.count(), 0),
            broken(form.count(), 0xffff),
            broken(form.names(), 2),
            broken(form.entry_size(), 8),
            broken(in_names(form.size()), u64::MAX),
            broken(in_names(form.offset()), u64::MAX - 3),
            broken(in_names(form.size()), MOST_NAMES + 1),
        ] {
            assert_eq!(added(&bytes, ".dep-v0", b"x"), None, "{} bytes", bytes.len());
            assert_eq!(read(&bytes, ".dep-v0"), None);
        }
        let mut lost = file(true, true, 0);
        form.set(&mut lost, (names_entry, 4), u64::from(u32::MAX)).expect("fits");
        assert!(added(&lost, ".dep-v0", b"x").is_some(), "a name that is nowhere is no name");
    }

    #[test]
    fn this_very_program_runs_with_a_section_more() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let (own, path) = (std::env::current_exe().expect("this program"), folder.path().join("with"));
        let mut to = std::fs::File::create(&path).expect("file");
        let mut from = std::fs::File::open(&own).expect("this program");
        assert!(add_section(&mut from, &mut to, ".dep-v0", b"x").expect("written"));
        drop(to);
        std::fs::set_permissions(&path, own.metadata().expect("metadata").permissions()).expect("executable");
        let mut command = std::process::Command::new(&path);
        let output = crate::process::Program::new({
            command.args(["--list", "--exact", "nothing"]);
            command
        })
        .output()
        .expect("it runs");
        assert!(output.status.success(), "{output:?}");
    }
}
