//! Logins by host, as `.netrc` files list them.

use super::login::Login;
use crate::http::Secret;

/// The entries of a `.netrc` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Netrc {
    machines: Vec<(String, Login)>,
    default: Option<Login>,
}

impl Netrc {
    /// Reads the file's text. What is not understood is passed over, as by the programs that
    /// the file is for.
    pub fn parse(text: &str) -> Self {
        let mut netrc = Self::default();
        let mut words = words(text).into_iter().peekable();
        while let Some(word) = words.next() {
            let machine = match word.as_str() {
                "machine" => words.next(),
                "default" => None,
                _ => continue,
            };
            if machine.is_none() && word == "machine" {
                break;
            }
            let mut login = Login { username: String::new(), password: None };
            while let Some(key) = words.next_if(|word| word != "machine" && word != "default") {
                match key.as_str() {
                    "login" | "user" => login.username = words.next().unwrap_or_default(),
                    "password" => login.password = words.next().map(Secret::new),
                    "account" => _ = words.next(),
                    _ => {}
                }
            }
            match machine {
                Some(machine) => netrc.machines.push((machine, login)),
                None => netrc.default = Some(login),
            }
        }
        netrc
    }

    /// The login for a host.
    pub fn find(&self, host: &str) -> Option<&Login> {
        let machine = self.machines.iter().find(|(machine, _)| machine.eq_ignore_ascii_case(host));
        machine.map(|(_, login)| login).or(self.default.as_ref())
    }
}

/// The words, without comments and macro definitions (which end with an empty line).
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            if rest.starts_with('#') && follows_no_value(&words) {
                break;
            }
            let (word, after) = word(rest);
            in_macro = word == "macdef";
            if in_macro {
                break;
            }
            words.push(word);
            rest = after.trim_start();
        }
    }
    words
}

/// A password may begin with `#`, a comment stands where a key would.
fn follows_no_value(words: &[String]) -> bool {
    !matches!(words.last().map(String::as_str), Some("login" | "user" | "password" | "account" | "machine"))
}

/// The first word, which may be in quotes, and the rest.
fn word(text: &str) -> (String, &str) {
    let quoted = text.strip_prefix('"');
    let mut word = String::new();
    let mut characters = quoted.unwrap_or(text).char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => word.extend(characters.next().map(|(_, c)| c)),
            '"' if quoted.is_some() => {
                return (word, quoted.and_then(|text| text.get(at + 1..)).unwrap_or(""));
            }
            c if quoted.is_none() && c.is_whitespace() => return (word, text.get(at..).unwrap_or("")),
            c => word.push(c),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str) -> Option<(String, String)> {
        let netrc = Netrc::parse(text);
        let login = netrc.find(host)?;
        let password = login.password.as_ref().map(|password| password.expose().to_owned());
        Some((login.username.clone(), password.unwrap_or_default()))
    }

    #[test]
    fn entries_may_be_on_one_line_or_many() {
        let text = "# mine\nmachine a.example login me password pw\nmachine b.example\n  login \"you \\\" x\"\n  account 7\n  password #p\\ w # a comment\n";
        assert_eq!(login(text, "A.example"), Some(("me".into(), "pw".into())));
        assert_eq!(login(text, "b.example"), Some(("you \" x".into(), "#p w".into())));
        assert_eq!(login(text, "c.example"), None);
    }

    #[test]
    fn the_default_is_for_all_others_and_macros_are_no_entries() {
        let text = "macdef init\nmachine evil login x password y\n\nmachine a login me\ndefault login any password all";
        assert_eq!(login(text, "a"), Some(("me".into(), String::new())));
        assert_eq!(login(text, "evil"), Some(("any".into(), "all".into())));
    }

    #[test]
    fn a_file_that_ends_too_early_is_read_as_far_as_it_goes() {
        for text in
            ["machine", "machine a", "machine a login", "machine a password", "x", "\"", "machine a login \""]
        {
            assert!(login(text, "b").is_none(), "{text}");
        }
        assert!(!format!("{:?}", Netrc::parse("default login a password hunter2")).contains("hunter2"));
    }
}
