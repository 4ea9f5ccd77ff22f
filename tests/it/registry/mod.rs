//! The registry client against registries that misbehave, and against a real one.

mod auth;
mod chunks;
mod faults;
mod lab;
mod mirror;
mod protocol;
mod referrers;
mod tls;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use containerize_core::event::{Event, Events, Reporter};
use containerize_core::http;
use containerize_core::oci::{Descriptor, Digest, Repository, media_type};
use containerize_core::registry::{AuthSources, Client, Credentials};
use containerize_core::store::{Blob, Source, Store};
use containerize_tests::registry::TestRegistry;

/// Options for tests: quick repetitions, and no waiting for what does not come.
fn options() -> http::Options {
    http::Options {
        retries: 2,
        first_delay: Duration::from_millis(1),
        timeout: Duration::from_secs(20),
        ..http::Options::default()
    }
}

fn client(options: impl Into<containerize_core::registry::Options>, credentials: Credentials) -> Client {
    Client::new(options, credentials, Events::silent()).expect("client")
}

fn anonymous() -> Client {
    client(options(), Credentials::none())
}

/// Credentials `user:password` for one registry, and none for others.
fn credentials(address: &str, pair: &str) -> Credentials {
    let name = containerize_core::registry::variable_name(address);
    Credentials::new(AuthSources::from_variables([(name.into(), pair.into())]))
}

fn as_me(registry: &TestRegistry) -> Client {
    client(options(), credentials(&registry.address(), "me:secret"))
}

fn repository(registry: &TestRegistry, name: &str) -> Repository {
    registry.repository(name).parse().expect("repository")
}

/// Bytes that differ with the seed.
fn data(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn blob(bytes: Vec<u8>) -> Blob {
    Blob::of(media_type::OCI_LAYER_GZIP, bytes)
}

/// The same blob, in a file.
fn file_blob(folder: &Path, bytes: &[u8]) -> Blob {
    let descriptor = Descriptor::of(media_type::OCI_LAYER_GZIP, bytes);
    let path = folder.join(descriptor.digest.hex());
    std::fs::write(&path, bytes).expect("file");
    Blob { descriptor, source: Source::File(path) }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("folder");
    let store = Store::open(folder.path()).expect("store");
    (folder, store)
}

fn absent() -> Digest {
    Digest::of(b"nobody has this")
}

/// Remembers what was reported, each event as a word.
#[derive(Default)]
struct Record(Mutex<Vec<String>>);

impl Record {
    fn words(&self) -> Vec<String> {
        self.0.lock().expect("lock").clone()
    }
}

impl Reporter for Record {
    fn report(&self, event: Event) {
        let word = match event {
            Event::Started { motion, label, total, .. } => format!("{motion:?} {label} {total:?}"),
            Event::Advanced { .. } => return,
            Event::Restarted { .. } => "Restarted".into(),
            Event::Ended { outcome, .. } => format!("{outcome:?}"),
            other => format!("{other:?}"),
        };
        self.0.lock().expect("lock").push(word);
    }
}

fn recorded(credentials: Credentials) -> (Client, Arc<Record>) {
    let record = Arc::new(Record::default());
    (Client::new(options(), credentials, Events::new(record.clone())).expect("client"), record)
}
