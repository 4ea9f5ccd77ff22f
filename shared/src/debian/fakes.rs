//! Made-up keys, packages and archives.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Password, SignedUser, Tag, Timestamp};

use super::Keyring;
use super::index::Indexes;
use crate::oci::Digest;

const DAY: u64 = 24 * 60 * 60;

/// A day of the made-up time.
pub(super) fn day(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((20_000 + number) * DAY)
}

fn stamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).expect("a time")
}

/// A key that signs.
pub(super) struct Signer(SignedSecretKey);

impl Signer {
    /// A key of that age, which may expire after some days.
    pub(super) fn new(created: SystemTime, days: Option<u64>) -> Self {
        let params = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .created_at(stamp(created))
            .primary_user_id("Tests <tests@example.org>".into())
            .build()
            .expect("parameters");
        let mut key = params.generate(rand::thread_rng()).expect("a key");
        let id = key.details.users[0].id.clone();
        let mut config = config(&key, SignatureType::CertPositive, created);
        if let Some(days) = days {
            let lifetime = Duration::from_secs(days * DAY).try_into().expect("a lifetime");
            let expires = SubpacketData::KeyExpirationTime(lifetime);
            config.hashed_subpackets.push(Subpacket::regular(expires).expect("a subpacket"));
        }
        let public = key.primary_key.public_key();
        let signed = config
            .sign_certification(&key.primary_key, &public, &Password::empty(), Tag::UserId, &id)
            .expect("a signature");
        key.details.users = vec![SignedUser::new(id, vec![signed])];
        Self(key)
    }

    pub(super) fn keyring(&self) -> Keyring {
        Keyring::read(&self.0.to_public_key().to_bytes().expect("bytes")).expect("a keyring")
    }

    pub(super) fn armored(&self) -> String {
        self.0.to_public_key().to_armored_string(ArmorOptions::default()).expect("text")
    }

    /// The text, clearsigned.
    pub(super) fn sign(&self, text: &str, at: SystemTime) -> String {
        let config = config(&self.0, SignatureType::Text, at);
        let signed = CleartextSignedMessage::new(text, config, &self.0.primary_key, &Password::empty());
        signed.expect("signed").to_armored_string(ArmorOptions::default()).expect("text")
    }
}

fn config(key: &SignedSecretKey, kind: SignatureType, at: SystemTime) -> SignatureConfig {
    let mut config =
        SignatureConfig::from_key(rand::thread_rng(), &key.primary_key, kind).expect("a configuration");
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(stamp(at))).expect("a subpacket"),
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).expect("a subpacket"),
    ];
    let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
    config.unhashed_subpackets = vec![Subpacket::regular(id).expect("a subpacket")];
    config
}

/// Indexes of these texts, which need say no more of a package than a test is about.
pub(super) fn indexes(texts: &[&str]) -> Indexes {
    let mut indexes = Indexes::default();
    for text in texts {
        let full: Vec<String> = text
            .split("\n\n")
            .map(|paragraph| {
                let sum = "0".repeat(64);
                format!(
                    "{}\nArchitecture: all\nFilename: pool/x.deb\nSize: 1\nSHA256: {sum}\n",
                    paragraph.trim()
                )
            })
            .collect();
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(full.join("\n").as_bytes()).expect("written");
        indexes.add(file.path(), "http://archive", false).expect("an index");
    }
    indexes
}

/// A package's file.
pub(super) struct Deb {
    control: tar::Builder<Vec<u8>>,
    data: tar::Builder<Vec<u8>>,
}

impl Deb {
    pub(super) fn new(fields: &str) -> Self {
        let mut deb = Self { control: tar::Builder::new(Vec::new()), data: tar::Builder::new(Vec::new()) };
        deb = deb.control("control", fields);
        deb
    }

    pub(super) fn control(mut self, name: &str, text: &str) -> Self {
        add(&mut self.control, name, tar::EntryType::Regular, text.as_bytes(), "");
        self
    }

    pub(super) fn file(mut self, path: &str, content: &[u8]) -> Self {
        add(&mut self.data, path, tar::EntryType::Regular, content, "");
        self
    }

    pub(super) fn link(mut self, path: &str, kind: tar::EntryType, target: &str) -> Self {
        add(&mut self.data, path, kind, b"", target);
        self
    }

    /// Compressed with zstd, which can be written here.
    pub(super) fn bytes(self) -> Vec<u8> {
        let compressed = |tar: tar::Builder<Vec<u8>>| {
            let tar = tar.into_inner().expect("a tar");
            zstd::encode_all(&tar[..], 1).expect("compressed")
        };
        let mut archive = ar::Builder::new(Vec::new());
        let parts = [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.zst", compressed(self.control)),
            ("data.tar.zst", compressed(self.data)),
        ];
        for (name, bytes) in parts {
            let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
            archive.append(&header, &bytes[..]).expect("a part");
        }
        archive.into_inner().expect("a package")
    }
}

/// Names are written as they are: no builder would write hostile ones.
fn add(tar: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, content: &[u8], target: &str) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content).expect("an entry");
}

/// An archive with one suite, whose files can be changed.
#[derive(Clone, Default)]
pub(super) struct Archive {
    pub(super) files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Archive {
    /// Puts packages into the suite `suite` of component main for amd64, and signs it.
    pub(super) fn publish(
        &self,
        suite: &str,
        packages: &[Vec<u8>],
        fields: &[&str],
        extra: &str,
        signer: &Signer,
        at: SystemTime,
    ) {
        let mut index = String::new();
        let mut files = self.files.lock().expect("files");
        for (package, fields) in packages.iter().zip(fields) {
            let digest = Digest::of(package).hex();
            let path = format!("pool/{digest}.deb");
            index.push_str(&format!(
                "{}\nFilename: {path}\nSize: {}\nSHA256: {digest}\n\n",
                fields.trim_end(),
                package.len()
            ));
            files.insert(format!("/debian/{path}"), package.clone());
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(index.as_bytes()).expect("compressed");
        let gz = gz.finish().expect("compressed");
        let seconds = at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let date = jiff::Timestamp::from_second(i64::try_from(seconds).expect("small")).expect("a time");
        let date = date.strftime("%a, %d %b %Y %H:%M:%S UTC");
        let text = format!(
            "Origin: Tests\nSuite: {suite}\nCodename: {suite}\nDate: {date}\nAcquire-By-Hash: yes\nComponents: main\n{extra}SHA256:\n {} {} main/binary-amd64/Packages\n {} {} main/binary-amd64/Packages.gz\n",
            Digest::of(index.as_bytes()).hex(),
            index.len(),
            Digest::of(&gz).hex(),
            gz.len(),
        );
        let folder = format!("/debian/dists/{suite}");
        files.insert(format!("{folder}/InRelease"), signer.sign(&text, at).into_bytes());
        files.insert(format!("{folder}/main/binary-amd64/by-hash/SHA256/{}", Digest::of(&gz).hex()), gz);
    }

    /// Changes the files whose paths end so.
    pub(super) fn change(&self, ending: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut files = self.files.lock().expect("files");
        let mut changed = 0;
        for (_, bytes) in files.iter_mut().filter(|(path, _)| path.ends_with(ending)) {
            change(bytes);
            changed += 1;
        }
        assert!(changed > 0, "no file ends with {ending}");
    }

    /// Serves the files until the test ends; gives the URL.
    pub(super) fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/debian", listener.local_addr().expect("an address"));
        let files = Arc::clone(&self.files);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let found = files.lock().expect("files").get(path).cloned();
                let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        url
    }
}
