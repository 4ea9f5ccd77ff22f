//! What is done with wheels while others are still on their way.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use containerize_tests::python::Wheel;

use super::project;

/// How long the last wheel is held back at most.
const PATIENCE: Duration = Duration::from_secs(60);
const LATE: &str = "late-1.0-py3-none-any.whl";

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

/// Whether a layer of a large wheel is in the cache: such a blob is gzip, and a wheel is not.
fn has_layer(cache: &Path) -> bool {
    let blobs = fs::read_dir(cache.join("blobs/sha256")).into_iter().flatten().flatten();
    blobs.filter_map(|blob| fs::read(blob.path()).ok()).any(|blob| blob.len() > 1_000_000 && blob[0] == 0x1f)
}

/// Serves the wheels in a folder, the late one when there is a layer of the other, or at the end of all patience; and
/// whether there was.
fn serve(folder: PathBuf, cache: PathBuf) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let met = Arc::new(AtomicBool::new(false));
    let seen = met.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, folder, cache, seen) =
                (stream.expect("a connection"), folder.clone(), cache.clone(), seen.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("text");
                let name =
                    head.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
                let begin = Instant::now();
                while name == LATE && !seen.load(Ordering::SeqCst) && begin.elapsed() < PATIENCE {
                    seen.store(has_layer(&cache), Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                }
                let body = fs::read(folder.join(name)).unwrap_or_default();
                let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                // Who has what it wants is gone.
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&body));
            });
        }
    });
    (port, met)
}

#[test]
fn a_large_wheel_is_a_layer_before_the_others_have_come() {
    let project = project();
    let folder = project.at("wheels");
    let cache = project.cache("cold");
    let (port, met) = serve(folder.clone(), cache.clone());
    let lines = ["early", "late"].map(|name| {
        let hash = large(name).write(&folder);
        format!("{name} @ http://127.0.0.1:{port}/{name}-1.0-py3-none-any.whl --hash=sha256:{hash}\n")
    });
    project.write(&[
        ("requirements.txt", &lines.concat()),
        ("main.py", "if __name__ == '__main__':\n    print()\n"),
    ]);
    let base = ["--base", "oci:base:py", "--platform", "linux/amd64", "-o", "oci:out"];
    let cold = project.call_with(&cache, base).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    assert!(met.load(Ordering::SeqCst), "the late wheel was held back until all patience was at its end");
    let uncached = [&base[..], &["--no-cache"]].concat();
    let again = project.call_with(&cache, uncached).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    assert_eq!(cold.digest(), again.digest(), "in whichever order they came");
}
