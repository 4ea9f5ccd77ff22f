//! Secrets that only the content of a file tells: private keys, service accounts, tokens, logins.
//!
//! Programs and documentation are not judged: they show what secrets look like, and are broken without
//! the file. Everything else is, by its beginning. What is looked for has a form of its own, so that
//! other text is not taken for it.

#[cfg(test)]
mod tests;

use std::io::Read;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use crate::redact;

/// How much of a file is looked at, in bytes.
const HEAD: u64 = 64 << 10;

/// The same for files that are lists of certificates and keys, or of requirements.
const LONG_HEAD: u64 = 4 << 20;

/// Endings of files that hold keys or other things: in these a key's first line is enough.
const PERHAPS_KEYS: &[&str] = &[".asc", ".cer", ".crt", ".gpg", ".p8", ".pem"];

/// Endings of programs, documentation, and data that no text is in.
const NOT_JUDGED: &[&str] = &[
    "adoc",
    "avi",
    "bat",
    "bin",
    "bz2",
    "c",
    "cc",
    "cpp",
    "cs",
    "css",
    "csv",
    "dll",
    "dylib",
    "eot",
    "exe",
    "gif",
    "go",
    "gz",
    "h",
    "h5",
    "hpp",
    "htm",
    "html",
    "ico",
    "ipynb",
    "java",
    "jpeg",
    "jpg",
    "js",
    "jsx",
    "kt",
    "less",
    "map",
    "md",
    "mdx",
    "mjs",
    "mo",
    "mov",
    "mp3",
    "mp4",
    "npy",
    "npz",
    "onnx",
    "otf",
    "parquet",
    "pdf",
    "php",
    "pickle",
    "pkl",
    "png",
    "po",
    "pot",
    "proto",
    "ps1",
    "pt",
    "pth",
    "pxd",
    "py",
    "pyc",
    "pyd",
    "pyi",
    "pyx",
    "r",
    "rb",
    "rs",
    "rst",
    "safetensors",
    "sass",
    "scss",
    "sh",
    "so",
    "sql",
    "sqlite",
    "svelte",
    "svg",
    "swift",
    "tar",
    "tgz",
    "ts",
    "tsv",
    "tsx",
    "ttf",
    "vue",
    "wasm",
    "wav",
    "webp",
    "whl",
    "woff",
    "woff2",
    "xz",
    "zip",
    "zst",
];

/// How documentation is called that has no ending of its own, descriptions of packages included.
const DOCUMENTS: &[&str] = &[
    "authors",
    "changelog",
    "changes",
    "copying",
    "history",
    "licen",
    "metadata",
    "news",
    "pkg-info",
    "readme",
];

/// The first lines of private keys, and what their files say of themselves.
const KEYS: &[&str] =
    &["PRIVATE KEY-----", "PGP PRIVATE KEY BLOCK-----", "PuTTY-User-Key-File-", "AGE-SECRET-KEY-1"];

/// The beginning of a token, what follows it, and how long that is at least.
struct Token {
    start: &'static str,
    least: usize,
    of: fn(u8) -> bool,
}

const fn token(start: &'static str, least: usize, of: fn(u8) -> bool) -> Token {
    Token { start, least, of }
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn hexadecimal(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'.')
}

/// Tokens whose forms their issuers have published, so that they can be found.
const TOKENS: &[Token] = &[
    token("ghp_", 36, alphanumeric),
    token("gho_", 36, alphanumeric),
    token("ghu_", 36, alphanumeric),
    token("ghs_", 36, alphanumeric),
    token("ghr_", 36, alphanumeric),
    token("github_pat_", 60, word),
    token("glpat-", 20, word),
    token("gldt-", 20, word),
    token("glrt-", 20, word),
    token("xoxb-", 24, word),
    token("xoxp-", 24, word),
    token("xoxa-", 24, word),
    token("xapp-", 40, word),
    token("hooks.slack.com/services/T", 30, base64),
    token("npm_", 36, alphanumeric),
    token("pypi-AgE", 50, word),
    token("sk_live_", 24, alphanumeric),
    token("rk_live_", 24, alphanumeric),
    token("sk-ant-api", 60, word),
    token("sk-proj-", 60, word),
    token("hf_", 34, alphanumeric),
    token("SG.", 60, base64),
    token("GOCSPX-", 28, word),
    token("dop_v1_", 64, hexadecimal),
    token("dckr_pat_", 27, word),
    token("hvs.", 60, word),
    token("shpat_", 32, hexadecimal),
    token("AccountKey=", 86, base64),
    token("SharedAccessKey=", 43, base64),
    token("_authToken=", 8, base64),
    token("_password=", 8, base64),
    token("npmAuthToken:", 8, base64),
];

/// The key that everybody's Azure Storage emulator has.
const EMULATOR: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq";

/// What stands before an AWS key id, and what its secret is called.
const AWS: &[&str] = &["AKIA", "ASIA", "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey"];

/// Whether a file holds a secret, by what is in it. `name` is its own name in lower case, `open` gives its
/// content and is called only where that may tell something.
pub(super) fn holds_secret<R: Read>(name: &str, open: impl FnOnce() -> Option<R>) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_text = matches!(ending, "" | "txt");
    if NOT_JUDGED.contains(&ending) || (is_text && DOCUMENTS.iter().any(|start| name.starts_with(start))) {
        return false;
    }
    let perhaps_key = PERHAPS_KEYS.iter().any(|end| name.ends_with(end));
    let requirements = lists_requirements(name);
    let most = if perhaps_key || requirements { LONG_HEAD } else { HEAD };
    let mut head = Vec::new();
    if open().is_none_or(|content| content.take(most).read_to_end(&mut head).is_err()) {
        return false;
    }
    if is_core(name, &head) {
        return true;
    }
    // What has such a byte is no text, and its tokens would be chance.
    if head.iter().take(1024).any(|byte| *byte == 0) {
        return false;
    }
    let text = String::from_utf8_lossy(&head);
    (requirements && redact::holds_login(&text)) || is_account(&text) || holds_mark(&text, perhaps_key)
}

/// Files that name indexes and URLs, in which people write logins.
fn lists_requirements(name: &str) -> bool {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let listed = ["requirements", "constraints"].iter().any(|word| name.contains(word));
    (listed && ends(&[".txt", ".in"]))
        || ends(&[".lock", ".npmrc", ".yarnrc", ".yarnrc.yml"])
        || (name.starts_with("pylock") && ends(&[".toml"]))
        || matches!(
            name,
            "pyproject.toml"
                | "setup.cfg"
                | "uv.toml"
                | "pdm.toml"
                | ".pdm.toml"
                | "poetry.toml"
                | "pip.conf"
                | "pip.ini"
                | "pipfile"
                | "package-lock.json"
                | ".gitmodules"
                | "tox.ini"
        )
}

/// The memory of a process that died.
fn is_core(name: &str, head: &[u8]) -> bool {
    const CORE: u8 = 4;
    let named = name == "core"
        || name.strip_prefix("core.").is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit()));
    // The type, in either order of bytes.
    let kind = head.get(16..18).is_some_and(|kind| kind.contains(&CORE) && kind.contains(&0));
    named && head.starts_with(b"\x7fELF") && kind
}

/// Accounts of clouds: JSON that says which sort it is, with what proves it.
fn is_account(text: &str) -> bool {
    let has = |word: &str| text.contains(word);
    text.trim_start().starts_with('{')
        && (has("\"service_account\"") && has("\"private_key\"")
            || has("\"authorized_user\"") && has("\"refresh_token\"")
            || has("\"clientSecret\"") && has("\"tenantId\"") && has("\"clientId\""))
}

/// Whether anything is in the text that one of the marks begins.
fn holds_mark(text: &str, perhaps_key: bool) -> bool {
    static MARKS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let all = || KEYS.iter().chain(TOKENS.iter().map(|token| &token.start)).chain(AWS);
    let Some(marks) = MARKS.get_or_init(|| AhoCorasick::new(all()).ok()) else { return false };
    marks.find_overlapping_iter(text).any(|found| {
        let (at, behind) = (found.start(), text.get(found.end()..).unwrap_or_default());
        let mark = found.pattern().as_usize();
        match mark.checked_sub(KEYS.len()) {
            None => perhaps_key || is_key(text, at, behind),
            Some(mark) => match TOKENS.get(mark) {
                Some(token) => is_token(token, text.get(..at).unwrap_or_default(), behind),
                None => holds_aws_secret(text, at),
            },
        }
    })
}

/// Whether a key follows its first line, and not only a placeholder or prose.
fn is_key(text: &str, at: usize, behind: &str) -> bool {
    const SHORTEST: usize = 40;
    let mark = text.get(at..).unwrap_or_default();
    if mark.starts_with("PuTTY") {
        return behind.contains("Private-Lines:");
    }
    let behind = if mark.starts_with("AGE") {
        behind.to_owned()
    } else {
        behind.replace("\\n", "\n").replace("\\r", "")
    };
    // Headers of encrypted keys and of PGP come before an empty line.
    let lines =
        behind.split(['\n', '"', '\'', ' ', ',', '|', '>']).map(str::trim).filter(|line| !line.is_empty());
    let longest = lines.take(24).take_while(|line| !line.starts_with("-----END")).map(base64_length).max();
    longest.unwrap_or(0) >= SHORTEST
}

fn base64_length(line: &str) -> usize {
    let length = line.bytes().take_while(|byte| base64(*byte)).count();
    let start = line.get(..length).unwrap_or_default();
    if is_varied(start) { length } else { 0 }
}

fn is_token(token: &Token, before: &str, behind: &str) -> bool {
    let part_of_word = before.chars().next_back().is_some_and(|c| c.is_alphanumeric());
    let behind = behind.trim_start_matches([' ', '"', '\'']);
    let length = behind.bytes().take_while(|byte| (token.of)(*byte)).count();
    let body = behind.get(..length).unwrap_or_default();
    !part_of_word && length >= token.least && is_varied(body) && !body.starts_with(EMULATOR)
}

/// The secret of an AWS key, 40 characters of base64, near a place that speaks of one.
fn holds_aws_secret(text: &str, at: usize) -> bool {
    const LENGTH: usize = 40;
    const NEAR: usize = 256;
    let start = text.floor_char_boundary(at.saturating_sub(NEAR));
    let end = text.floor_char_boundary(at.saturating_add(NEAR).min(text.len()));
    let text = text.get(start..end).unwrap_or_default();
    let of = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    text.split(|c| !of(c)).any(|part| {
        let any = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
        part.len() == LENGTH
            && any(u8::is_ascii_lowercase)
            && any(u8::is_ascii_uppercase)
            && any(u8::is_ascii_digit)
            && is_varied(part)
    })
}

/// Whether a text looks made by chance: examples repeat themselves, or say what they are.
fn is_varied(text: &str) -> bool {
    const KINDS: usize = 8;
    let mut seen = [false; 256];
    for byte in text.bytes() {
        seen[usize::from(byte)] = true;
    }
    let upper = text.to_ascii_uppercase();
    let example = ["EXAMPLE", "XXXXXX", "YOUR_", "YOUR-", "PLACEHOLDER", "0123456789AB", "ABCDEFGHIJ"];
    let kinds = seen.iter().filter(|seen| **seen).count();
    kinds >= KINDS.min(text.len()) && kinds > 4 && !example.iter().any(|word| upper.contains(word))
}
