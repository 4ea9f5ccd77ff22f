//! Logins and tokens found in any text, by their form.

use std::borrow::Cow;

use super::BLANK;

/// Names of query parameters whose values let whoever has them in.
const SECRET_PARAMETERS: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "awsaccesskeyid",
    "client_secret",
    "job_token",
    "key",
    "passwd",
    "password",
    "private_token",
    "secret",
    "sig",
    "signature",
    "tok",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
];

/// The text without user and password in its URLs and references, and with secret parts of queries and
/// `Authorization` values blanked. The user `git`, a user name alone at another scheme than HTTP, and
/// variables (`${TOKEN}`) are no secrets, and stay.
pub fn clean(text: &str) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(text);
    if clean.contains('@') {
        replace(&mut clean, without_logins);
        replace(&mut clean, without_bare_logins);
    }
    if clean.contains('=') && clean.contains("://") {
        replace(&mut clean, without_secret_queries);
    }
    if clean.contains("asic ") || clean.contains("earer ") {
        replace(&mut clean, without_authorizations);
    }
    clean
}

/// As [`clean`], for what repeats the words of a call: there `x:y@z` is taken for a login whatever `z` is.
pub fn clean_call(text: &str) -> Cow<'_, str> {
    let text = clean(text);
    if !text.contains('@') {
        return text;
    }
    let word = |word: &str| {
        let login = word.rfind('@').filter(|at| word.get(..*at).is_some_and(|before| before.contains(':')));
        let Some(at) = login.filter(|_| !word.contains("@sha256:")) else { return word.to_owned() };
        let start = word.find(|c: char| !matches!(c, '"' | '\'' | '`')).unwrap_or_default();
        format!("{}{BLANK}{}", word.get(..start).unwrap_or_default(), word.get(at..).unwrap_or_default())
    };
    text.split_inclusive(char::is_whitespace).map(word).collect::<String>().into()
}

/// The beginning of a text that others wrote, at most `most` characters of it. What is cut first may
/// leave half of a login, whose form nobody knows again.
pub fn excerpt(text: &str, most: usize) -> String {
    let clean = clean(text);
    match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", clean.get(..end).unwrap_or_default()),
        None => clean.into_owned(),
    }
}

/// Whether a URL in the text holds what lets somebody in: user and password, or a token in the place
/// of the user. Variables and placeholders are none.
pub fn holds_login(text: &str) -> bool {
    // A user name alone is no secret, and a token is longer than names are.
    const TOKEN: usize = 20;
    let secret = |part: &str| !part.is_empty() && !is_placeholder(part);
    authorities(text).any(|found| match found.user(text).split_once(':') {
        Some((_, password)) => secret(password),
        None => found.is_http(text) && found.user(text).len() >= TOKEN && secret(found.user(text)),
    })
}

/// `${NAME}`, `$NAME`, `{name}`, `<name>`, `****`, and what documentation writes.
fn is_placeholder(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    part.starts_with(['$', '{', '<', '%', '*', '[']) && !part.starts_with("%4")
        || matches!(lower.as_str(), "pass" | "passwd" | "password" | "pw" | "secret" | "token" | "changeme")
        || lower.contains("your") && lower.contains(['-', '_'])
        || lower.bytes().all(|byte| byte == b'x')
}

fn replace(text: &mut Cow<'_, str>, with: impl Fn(&str) -> Option<String>) {
    if let Some(new) = with(text) {
        *text = Cow::Owned(new);
    }
}

/// User and password of one URL in a text.
struct Authority {
    /// Where the scheme begins.
    scheme: usize,
    /// Where user and password begin.
    start: usize,
    /// The place of the `@` behind them.
    at: usize,
}

impl Authority {
    fn user<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.at).unwrap_or_default()
    }

    fn is_http(&self, text: &str) -> bool {
        text.get(self.scheme..self.start).is_some_and(|scheme| scheme.contains("http"))
    }

    /// Whether what it holds may be shown.
    fn is_harmless(&self, text: &str) -> bool {
        let user = self.user(text);
        let variable = |part: &str| part.starts_with("${") && part.ends_with('}') || part == BLANK;
        user == "git"
            || user.split(':').all(variable)
            || (!user.contains(':') && !self.is_http(text) && user.len() < 20)
    }
}

/// What ends a URL in a text.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')
}

fn authorities(text: &str) -> impl Iterator<Item = Authority> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let found = from + text.get(from..)?.find("://")?;
            let start = found + 3;
            from = start;
            let rest = text.get(start..)?;
            let rest = rest.get(..rest.find(ends_url).unwrap_or(rest.len()))?;
            let Some(length) = login_length(rest) else { continue };
            let before = text.get(..found)?;
            let scheme = before.rfind(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
            let scheme = scheme.map_or(0, |at| at + before.get(at..).map_or(1, first_length));
            from = start + length;
            return Some(Authority { scheme, start, at: start + length });
        }
    })
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// How long user and password are at the beginning of what follows `://`.
fn login_length(rest: &str) -> Option<usize> {
    let authority = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password that was not encoded may hold a slash: then what stands for the port is no number.
    let port = authority.split_once(':').map(|(_, port)| port).filter(|_| !authority.starts_with('['))?;
    (!port.is_empty() && !port.bytes().all(|b| b.is_ascii_digit())).then(|| rest.rfind('@'))?
}

fn without_logins(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for found in authorities(text).filter(|found| !found.is_harmless(text)) {
        clean.push_str(text.get(done..found.start)?);
        done = found.at + 1;
    }
    (done > 0).then(|| clean + text.get(done..).unwrap_or_default())
}

/// `user:password@host` without a scheme, as references and mirrors are written.
fn without_bare_logins(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let mut changed = false;
    for word in text.split_inclusive(|c: char| ends_url(c) || matches!(c, '=' | ',' | '(' | ')')) {
        match bare_login(word) {
            Some(at) => {
                changed = true;
                clean.push_str(BLANK);
                clean.push_str(word.get(at..)?);
            }
            None => clean.push_str(word),
        }
    }
    changed.then_some(clean)
}

/// Where the `@` behind a login is, if the word begins with one.
fn bare_login(word: &str) -> Option<usize> {
    let at = word.rfind('@')?;
    let (user, password) = word.get(..at)?.split_once(':')?;
    let host = word.get(at + 1..)?;
    let host = host
        .get(..host.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c)).unwrap_or(host.len()))?;
    let after = word.get(at + 1 + host.len()..)?;
    // The digest of a reference follows an `@` too.
    let digest = after.starts_with(':') && matches!(host, "sha256" | "sha384" | "sha512");
    let is_host = host == "localhost" || host.contains('.') || after.starts_with([':', '/']);
    let plain = !user.is_empty()
        && user != "mailto"
        && !user.contains(['/', '@', '['])
        && !password.starts_with("//");
    (plain && is_host && !digest && !password.is_empty()).then_some(at)
}

fn without_secret_queries(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let mut changed = false;
    for word in text.split_inclusive(ends_url) {
        let Some(query) = word.find("://").and_then(|at| Some(at + word.get(at..)?.find('?')? + 1)) else {
            clean.push_str(word);
            continue;
        };
        clean.push_str(word.get(..query)?);
        for pair in word.get(query..)?.split_inclusive(['&', '#', ';']) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if value.is_empty() || !SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
                clean.push_str(pair);
                continue;
            }
            changed = true;
            let end =
                value.find(|c: char| ends_url(c) || matches!(c, '&' | '#' | ';')).unwrap_or(value.len());
            clean.push_str(&format!("{name}={BLANK}{}", value.get(end..)?));
        }
    }
    changed.then_some(clean)
}

/// The values of `Basic` and `Bearer`, wherever they are.
fn without_authorizations(text: &str) -> Option<String> {
    // Words that follow in plain sentences are shorter, or have no digit.
    const SHORTEST: usize = 8;
    let mut clean = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while let Some(at) =
        rest.find("asic ").map(|at| at + 5).into_iter().chain(rest.find("earer ").map(|at| at + 6)).min()
    {
        let (before, after) = rest.split_at(at);
        clean.push_str(before);
        let length =
            after.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=-_.~".contains(c)).unwrap_or(after.len());
        let (value, further) = after.split_at(length);
        let mixed = value.bytes().any(|b| b.is_ascii_digit() || b == b'=')
            || value.bytes().skip(1).any(|b| b.is_ascii_uppercase());
        if value.len() >= SHORTEST && mixed {
            changed = true;
            clean.push_str(BLANK);
        } else {
            clean.push_str(value);
        }
        rest = further;
    }
    clean.push_str(rest);
    changed.then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_call_are_judged_more_strictly() {
        for (text, expected) in [
            (
                "value 'oci:u:pw@x' for '--output <OUTPUT>': the output \"oci:u:pw@x\" has",
                "value '****@x' for '--output <OUTPUT>': the output \"****@x\" has",
            ),
            ("'docker.io user:hunter2@h'", "'docker.io ****@h'"),
            ("a@b c:d x/y:1@sha256:0", "a@b c:d x/y:1@sha256:0"),
        ] {
            assert_eq!(clean_call(text), expected);
        }
    }

    #[test]
    fn logins_are_never_shown() {
        for (text, expected) in [
            ("at https://me:p@w@i.example/simple/ and", "at https://i.example/simple/ and"),
            ("https://tokentoken@h", "https://h"),
            ("https://a@b:c@h/x", "https://h/x"),
            ("x https://u:p/w@h/y z", "x https://h/y z"),
            ("git+https://u:p@h/r.git@main and http://a:b@c", "git+https://h/r.git@main and http://c"),
            ("\"u:PW@127.0.0.1:5130/x/img\" cannot", "\"****@127.0.0.1:5130/x/img\" cannot"),
            ("ghcr.io=u:PW@host:5000", "ghcr.io=****@host:5000"),
            ("ssh://me:pw@h/x", "ssh://h/x"),
            ("{\"url\":\"https://u:p@h\"}", "{\"url\":\"https://h\"}"),
        ] {
            assert_eq!(clean(text), expected, "{text}");
        }
    }

    #[test]
    fn an_excerpt_does_not_cut_a_login_in_half() {
        assert_eq!(excerpt("a @ https://user:secret@h/x", 20), "a @ https://h/x");
        assert_eq!(excerpt("a @ https://user:secret@h/x", 13), "a @ https://h...");
    }

    #[test]
    fn what_is_no_login_stays() {
        for text in [
            "none",
            "'git+ssh://git@h/x'",
            "git@github.com:a/b.git",
            "https://h/a@b://c",
            "https://h/x?a@b",
            "https://h:8080/a@b",
            "http://[::1]:80/a@b",
            "https://${USER}:${PASS}@h/x",
            "ghcr.io/you/app:1.0@sha256:0f0f",
            "python:3.13@sha256:0f0f",
            "Jane Doe <jane@example.org>, mailto:jane@example.org>",
            "name @ file:///x/y@z",
            "note: write a@b.example",
            "https://h/x?version=1&keys=2",
            "Basic authentication and Bearer tokens",
        ] {
            assert_eq!(clean(text), text);
        }
        assert_eq!(clean("https://${USER}:pass@h/x"), "https://h/x");
    }

    #[test]
    fn secret_parts_of_queries_are_blanked() {
        let text = "GET https://h/x?a=1&X-Amz-Signature=0f&token=t#f 'http://h?sig=s' x?token=stays";
        let expected =
            "GET https://h/x?a=1&X-Amz-Signature=****&token=****#f 'http://h?sig=****' x?token=stays";
        assert_eq!(clean(text), expected);
    }

    #[test]
    fn authorizations_are_blanked_wherever_they_are_repeated() {
        let text = "your auth Basic ZHU6Q0FOQVJZ, \"authorization: bearer eyJhbGciOi.x-y\" and Basic x";
        assert_eq!(clean(text), "your auth Basic ****, \"authorization: bearer ****\" and Basic x");
    }

    #[test]
    fn a_login_is_told_from_a_placeholder() {
        for text in ["--index-url https://user:pypi9@h/simple", "url = \"https://0123456789abcdef0123@h\""] {
            assert!(holds_login(text), "{text}");
        }
        for text in [
            "https://${USER}:${TOKEN}@h",
            "https://user:password@h",
            "https://user:<token>@h",
            "https://me@bitbucket.org/x",
            "git+ssh://git@h/x",
            "https://h/x",
            "https://user:your-token@h",
        ] {
            assert!(!holds_login(text), "{text}");
        }
    }
}
