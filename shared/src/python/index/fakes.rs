//! An index on this machine that does what a test wants, also what none should do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http::Url;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// With its query.
    pub(super) path: String,
    /// By lower-case names.
    pub(super) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the made-up index answers to one path.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// After how many bytes of the body the connection breaks.
    pub(super) cut: Option<usize>,
}

impl Answer {
    pub(super) fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn html(body: impl Into<String>) -> Self {
        Self::of(200, body.into()).header("content-type", "text/html")
    }

    pub(super) fn json(files: &serde_json::Value) -> Self {
        let page = serde_json::json!({"meta": {"api-version": "1.1"}, "name": "demo", "files": files});
        Self::of(200, page.to_string()).header("content-type", "application/vnd.pypi.simple.v1+json")
    }

    /// The part that was asked for, of a file with this entity tag.
    pub(super) fn ranged(asked: &Asked, body: &[u8], etag: &str) -> Self {
        let range = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let same = asked.header("if-range").is_none_or(|tag| tag == etag);
        let start = range.and_then(|(start, _)| start.parse::<usize>().ok()).filter(|_| same);
        let last =
            range.and_then(|(_, last)| last.parse::<usize>().ok()).unwrap_or(usize::MAX).min(body.len() - 1);
        match start {
            Some(start) => Self::of(206, &body[start..=last])
                .header("content-range", format!("bytes {start}-{last}/{}", body.len())),
            None => Self::of(200, body),
        }
        .header("etag", etag)
    }

    pub(super) fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }
}

type Handler = Arc<dyn Fn(&Asked, usize) -> Answer + Send + Sync>;

/// A server that ends with the test's runtime.
pub(super) struct Server {
    pub(super) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Each request is answered by `handler`, which is told how many there were for the same
    /// path before.
    pub(super) async fn start(handler: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let url = format!("http://{}/", listener.local_addr().expect("address")).parse().expect("url");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, handler): (_, Handler) = (asked.clone(), Arc::new(handler));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, handler.clone(), seen.clone()));
            }
        });
        Self { url, asked }
    }

    pub(super) fn join(&self, path: &str) -> String {
        self.url.join(path).expect("url").into()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("lock").clone()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

async fn serve(mut stream: TcpStream, handler: Handler, seen: Arc<Mutex<Vec<Asked>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let asked = Asked { path, headers };
    let before = {
        let mut seen = seen.lock().expect("lock");
        let before = seen.iter().filter(|other| other.path == asked.path).count();
        seen.push(asked.clone());
        before
    };
    let answer = handler(&asked, before);
    let mut text = format!(
        "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&answer.body[..answer.cut.unwrap_or(answer.body.len())]);
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}
