use super::*;
use crate::event::{Events, Motion};
use crate::oci::Digest;

/// Streams made by zlib, each of one sort of block, and their contents' CRCs.
const DYNAMIC: &str = "8d934b0e83301043f79c620ec002423e136e53a920210582085df4f6a817e8bcbd35b6c776d98e4506a9abbc64af\
    ef4f5966d9f6b35eb7b46feba5b6aefc20a30df1362403a268635cb03113b8e3819e086c29f8ce046c012a9f6c4c72800b2806ae22b893495\
    ae03d89d414e809802b93f690c293dd103d802b80ff288814c4e5400b15700560cb8148950c998c14781fc11d05f589ff310f";
const FIXED: &str = "cb48cdc9c9d751c840a200";
const STORED: &str = "010c00f3ff73746f726564206279746573";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |d: u8| char::from(d).to_digit(16).expect("a digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn text() -> Vec<u8> {
    let line = |i: u32| format!("line {} of a module: import sys, os\n", i * i % 97);
    (0..40).map(line).collect::<String>().into_bytes()
}

/// What a zipped file came out as: content, the stream's bytes, and the bits after them.
#[derive(Default, Debug, PartialEq)]
struct Got {
    room: Vec<u8>,
    content: Vec<u8>,
    stream: Vec<u8>,
    end: Option<(u8, u32)>,
}

impl Sink for Got {
    fn room(&mut self) -> Result<&mut [u8]> {
        Ok(&mut self.room)
    }

    fn made(&mut self, bytes: usize) -> Result<()> {
        self.content.extend_from_slice(&self.room[..bytes]);
        Ok(())
    }

    fn stream(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.extend_from_slice(bytes);
        Ok(())
    }

    fn stream_end(&mut self, byte: u8, bits: u32) -> Result<()> {
        assert_eq!(self.end.replace((byte, bits)), None);
        Ok(())
    }
}

/// An archive that holds `stream` behind eleven other bytes and before more.
fn archive(stream: &[u8], content: &[u8], method: ZipMethod) -> (tempfile::TempDir, Zipped) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.whl");
    let all = [&[0xaa; 11][..], stream, &[0x55; 9]].concat();
    std::fs::write(&path, &all).expect("written");
    let zipped = Zipped {
        archive: path,
        archive_digest: Digest::of(&all),
        offset: 11,
        method,
        compressed: stream.len() as u64,
        size: content.len() as u64,
        crc32: crc32fast::hash(content),
        digest: Some(Digest::of(content)),
    };
    (folder, zipped)
}

fn task() -> Task {
    Events::silent().start(Motion::Layer, "t", None)
}

fn inflate(zipped: &Zipped, chunk: usize, room: usize) -> Result<Got> {
    let mut got = Got { room: vec![0; room], ..Got::default() };
    Unzipper::new(chunk)?.inflate(zipped, "pkg/a.py", &mut got, &task())?;
    got.room.clear();
    Ok(got)
}

#[test]
fn content_and_stream_do_not_depend_on_how_they_are_cut() {
    for (hex, content) in [
        (DYNAMIC, text()),
        (FIXED, b"hello, hello, hello".to_vec()),
        (STORED, b"stored bytes".to_vec()),
        ("0300", vec![]),
    ] {
        let stream = bytes(hex);
        let (_folder, zipped) = archive(&stream, &content, ZipMethod::Deflated);
        let whole = inflate(&zipped, CHUNK, CHUNK).expect("inflated");
        assert_eq!(whole.content, content);
        let mut expected = stream.clone();
        // Each has one block, the first bit of which says that it is the last.
        expected[0] &= 0xfe;
        let bits = whole.end.map_or(0, |(_, bits)| bits);
        expected.truncate(stream.len() - usize::from(bits > 0));
        assert_eq!(whole.stream, expected);
        for (chunk, room) in [(1, 1), (1, 300), (2, 7), (3, CHUNK), (5, 2), (16, 258), (17, 1)] {
            assert_eq!(inflate(&zipped, chunk, room).expect("inflated"), whole, "{chunk} {room}");
        }
    }
}

#[test]
fn only_the_content_counts_where_no_stream_is_wanted() {
    for (stream, content, method) in [
        (bytes(DYNAMIC), text(), ZipMethod::Deflated),
        (text(), text(), ZipMethod::Stored),
        (vec![], vec![], ZipMethod::Stored),
    ] {
        let (_folder, zipped) = archive(&stream, &content, method);
        let mut read = Vec::new();
        Unzipper::new(100).expect("made").copy(&zipped, "x", &mut read, &task()).expect("copied");
        assert!(read == content);
    }
}

/// Lies of an archive, and the words for them.
fn lies() -> Vec<(&'static str, Zipped, tempfile::TempDir)> {
    let mut lies = Vec::new();
    let mut lie = |words, stream: &[u8], method, change: &dyn Fn(&mut Zipped)| {
        let (folder, mut zipped) = archive(stream, &text(), method);
        change(&mut zipped);
        lies.push((words, zipped, folder));
    };
    let (honest, nothing) = (bytes(DYNAMIC), |_: &mut Zipped| {});
    for (stream, method) in [(&honest, ZipMethod::Deflated), (&text(), ZipMethod::Stored)] {
        lie("does not match its CRC", stream, method, &|zipped| zipped.crc32 ^= 1);
        lie("does not match its digest", stream, method, &|zipped| zipped.digest = Some(Digest::of(b"x")));
        lie("is longer than", stream, method, &|zipped| zipped.size -= 1);
        lie("is longer than", stream, method, &|zipped| zipped.size = 0);
        lie("is shorter than", stream, method, &|zipped| zipped.size += 1);
        lie("is shorter than", stream, method, &|zipped| zipped.size = u64::MAX);
        lie("behind the end of the archive", stream, method, &|zipped| {
            let file = File::options().write(true).open(&zipped.archive).expect("open");
            file.set_len(31).expect("cut");
        });
        lie("behind the end of the archive", stream, method, &|zipped| zipped.offset = 1 << 62);
    }
    let (deflated, cut) = (ZipMethod::Deflated, &honest[..honest.len() - 1]);
    lie("is cut short", cut, deflated, &nothing);
    lie("is cut short", &[], deflated, &nothing);
    lie("ends before its place", &[&honest[..], &[0]].concat(), deflated, &nothing);
    lie("ends before its place", &[&honest[..], &[0; 300]].concat(), deflated, &nothing);
    lie("is longer than", &text(), ZipMethod::Stored, &|zipped| zipped.compressed += 1);
    lie("is shorter than", &text(), ZipMethod::Stored, &|zipped| zipped.compressed -= 1);
    lie("cannot be inflated", b"\xff\xff\xff\xff", deflated, &nothing);
    lie("cannot be inflated", &[0b0000_0011, 0b0000_0010, 0, 0], deflated, &nothing);
    // A stored block whose length and its complement disagree.
    lie("cannot be inflated", &[1, 1, 0, 0, 0, 7], deflated, &nothing);
    lies
}

#[test]
fn what_an_archive_lies_about_is_found_and_named() {
    for (words, zipped, _folder) in lies() {
        for (chunk, room) in [(CHUNK, CHUNK), (1, 300), (7, 7)] {
            let mut unzipper = Unzipper::new(chunk).expect("made");
            let copied = unzipper.copy(&zipped, "pkg/a.py", &mut io::sink(), &task());
            let inflated = match zipped.method {
                ZipMethod::Stored => copied,
                ZipMethod::Deflated => {
                    let error = copied.expect_err(words);
                    assert!(error.to_string().contains(words), "{error}: {words}");
                    inflate(&zipped, chunk, room).map(drop)
                }
            };
            let error = inflated.expect_err(words);
            assert_eq!(error.kind(), crate::Kind::Integrity, "{error}");
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("pkg/a.py in "), "{text}: {words}");
        }
    }
}

#[test]
fn a_bomb_stops_at_its_promised_size() {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 20 << 20]).expect("encoded");
    let bomb = encoder.finish().expect("encoded");
    let (_folder, zipped) = archive(&bomb, &[0; 1000], ZipMethod::Deflated);
    let mut got = Got { room: vec![0; 4096], ..Got::default() };
    let result = Unzipper::new(CHUNK).expect("made").inflate(&zipped, "x", &mut got, &task());
    assert!(result.expect_err("a bomb").to_string().contains("is longer than"));
    assert!(got.content.is_empty());
}

#[test]
fn an_archive_that_is_gone_is_no_lie() {
    let (folder, zipped) = archive(&bytes(FIXED), b"hello, hello, hello", ZipMethod::Deflated);
    drop(folder);
    assert_eq!(inflate(&zipped, 9, 9).expect_err("gone").kind(), crate::Kind::Build);
}
