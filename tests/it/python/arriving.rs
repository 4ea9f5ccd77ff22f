//! What is done with wheels while others, or the base, are still on their way.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use containerize_tests::program::Project;
use containerize_tests::python::Wheel;
use serde_json::Value;

use super::project;

/// How long something is held back at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a client that wants to speak TLS begins with.
const TLS: u8 = 0x16;
const LATE: &str = "late-1.0-py3-none-any.whl";

/// What is served under each path, and of which media type.
type Files = BTreeMap<String, (String, Vec<u8>)>;

/// A path that is not answered before so many layers are in the cache, or before all patience is at its end.
struct Held {
    path: String,
    cache: PathBuf,
    layers: usize,
}

/// A wheel that has a layer of its own.
fn large(name: &str) -> Wheel {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let noise: Vec<u8> = (0..2_000_000).map(|_| noise()).collect();
    Wheel::new(name, "1.0").file(&format!("{name}/data"), noise)
}

/// How many layers are in the cache: such a blob is gzip, and a wheel is not.
fn layers(cache: &Path) -> usize {
    let blobs = fs::read_dir(cache.join("blobs/sha256")).into_iter().flatten().flatten();
    blobs.filter_map(|blob| fs::read(blob.path()).ok()).filter(|blob| blob.starts_with(&[0x1f, 0x8b])).count()
}

/// Serves files, and tells whether what it held back it held back for long enough.
fn serve(listener: TcpListener, files: Files, held: Held) -> Arc<AtomicBool> {
    let met = Arc::new(AtomicBool::new(false));
    let shared = (Arc::new((files, held)), met.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, (of, seen)) = (stream.expect("a connection"), shared.clone());
            std::thread::spawn(move || {
                let (files, held) = &*of;
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                    if head == [TLS] {
                        break;
                    }
                }
                let head = String::from_utf8_lossy(&head);
                let path = head.split(' ').nth(1).unwrap_or_default();
                let begin = Instant::now();
                while path == held.path && !seen.load(Ordering::SeqCst) && begin.elapsed() < PATIENCE {
                    seen.store(layers(&held.cache) >= held.layers, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                }
                let none = (String::from("text/plain"), Vec::new());
                let (kind, body) = files.get(path).unwrap_or(&none);
                let status = if files.contains_key(path) { "200 OK" } else { "404 Not Found" };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                // Who has what it wants is gone.
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(body));
            });
        }
    });
    met
}

/// A server that is not yet there, and its address.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

/// The wheels in a folder.
fn wheels(folder: &Path) -> Files {
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let file = |file: fs::DirEntry| (format!("/{}", file.file_name().display()), fs::read(file.path()));
    files.map(file).map(|(path, bytes)| (path, (String::new(), bytes.expect("a wheel")))).collect()
}

/// The image of a layout as a registry has it, and the path of its layer.
fn registry(layout: &Path, tag: &str) -> (Files, String) {
    let read = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).expect("a blob");
    let of = |value: &Value, name: &str| value[name].as_str().expect("a text").to_owned();
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).expect("an index")).expect("JSON");
    let mut files = Files::from([("/v2/".to_owned(), (String::new(), Vec::new()))]);
    let mut layer = String::new();
    let mut open = vec![(index["manifests"][0].clone(), "manifests")];
    while let Some((descriptor, kind)) = open.pop() {
        let (digest, media_type) = (of(&descriptor, "digest"), of(&descriptor, "mediaType"));
        let bytes = read(&digest);
        let path = format!("/v2/python/{kind}/{digest}");
        if media_type.contains("layer") {
            layer.clone_from(&path);
        }
        if kind == "manifests" {
            let value: Value = serde_json::from_slice(&bytes).expect("JSON");
            let each = |name: &str| value[name].as_array().cloned().unwrap_or_default();
            open.extend(each("manifests").into_iter().map(|one| (one, "manifests")));
            let blobs = each("layers").into_iter().chain(value.get("config").cloned());
            open.extend(blobs.map(|one| (one, "blobs")));
        }
        let named = format!("/v2/python/manifests/{tag}");
        if kind == "manifests" && !files.contains_key(&named) {
            files.insert(named, (media_type.clone(), bytes.clone()));
        }
        files.insert(path, (media_type, bytes));
    }
    (files, layer)
}

/// The project with these wheels, which come from `index`.
fn with_wheels(project: &Project, index: &str, wheels: &[(&str, Wheel)]) {
    let lines = wheels.iter().map(|(name, wheel)| {
        let hash = wheel.write(&project.at("wheels"));
        format!("{name} @ http://{index}/{name}-1.0-py3-none-any.whl --hash=sha256:{hash}\n")
    });
    let (lines, main) = (lines.collect::<String>(), "if __name__ == '__main__':\n    print()\n");
    project.write(&[("requirements.txt", &lines), ("main.py", main)]);
}

#[test]
fn a_large_wheel_is_a_layer_before_the_others_have_come() {
    let project = project();
    let cache = project.cache("cold");
    let (index, address) = listener();
    with_wheels(&project, &address, &[("early", large("early")), ("late", large("late"))]);
    let held = Held { path: format!("/{LATE}"), cache: cache.clone(), layers: 1 };
    let met = serve(index, wheels(&project.at("wheels")), held);
    let base = ["--base", "oci:base:py", "--platform", "linux/amd64", "-o", "oci:out"];
    let cold = project.call_with(&cache, base).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    assert!(met.load(Ordering::SeqCst), "the late wheel was held back until all patience was at its end");
    let uncached = [&base[..], &["--no-cache"]].concat();
    let again = project.call_with(&cache, uncached).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    assert_eq!(cold.digest(), again.digest(), "in whichever order they came");
}

#[test]
fn wheels_are_layers_before_the_base_has_come() {
    let project = project();
    let cache = project.cache("cold");
    let small = |name: &str| Wheel::new(name, "1.0").file(&format!("{name}.py"), "1\n");
    let all = [("early", large("early")), ("one", small("one")), ("two", small("two"))];
    let (index, address) = listener();
    with_wheels(&project, &address, &all);
    let nothing = Held { path: String::new(), cache: cache.clone(), layers: 0 };
    serve(index, wheels(&project.at("wheels")), nothing);
    let (files, layer) = registry(&project.at("base"), "3.13-slim");
    let (bases, address) = listener();
    let met = serve(bases, files, Held { path: layer, cache: cache.clone(), layers: 2 });
    let base = format!("{address}/python:3.13-slim");
    let base = ["--base", &base, "--platform", "linux/amd64", "-o", "oci:out"];
    let cold = project.call_with(&cache, base).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    assert!(met.load(Ordering::SeqCst), "the base was held back until all patience was at its end");
    let uncached = [&base[..], &["--no-cache"]].concat();
    let again = project.call_with(&cache, uncached).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    assert_eq!(cold.digest(), again.digest(), "whatever came first");
}
