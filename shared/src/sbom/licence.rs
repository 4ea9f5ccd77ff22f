//! What makers say about licences: SPDX expressions, or nothing. What is said in other words is not
//! guessed at.

/// What is known of a licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Licence {
    /// An expression in the words of SPDX, as the maker wrote it.
    Expression(String),
    /// Nothing that could be told without a guess.
    Unknown,
}

impl Licence {
    /// Reads an expression (SPDX 2.3 annex D); anything else is unknown.
    pub fn read(text: &str) -> Self {
        let words = words(text);
        let mut reader = Reader { words: &words, at: 0 };
        match reader.expression(0) && reader.at == words.len() {
            true => Self::Expression(text.trim().to_owned()),
            false => Self::Unknown,
        }
    }

    /// Reads the `license` of a crate, in which an older form writes `/` for OR.
    pub fn of_crate(text: &str) -> Self {
        match text.contains('/') {
            true => Self::read(&text.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")),
            false => Self::read(text),
        }
    }

    /// The expression, if there is one.
    pub fn expression(&self) -> Option<&str> {
        match self {
            Self::Expression(text) => Some(text),
            Self::Unknown => None,
        }
    }

    /// Whether nobody can take it without a licence that is denied: one of those joined by AND, or all of those joined
    /// by OR. An identifier counts with what follows WITH, and without it.
    pub fn is_denied(&self, is_denied: &impl Fn(&str) -> bool) -> bool {
        let Self::Expression(text) = self else { return false };
        let words = words(text);
        Denied { words: &words, at: 0, is_denied }.any_way()
    }
}

/// Evaluates an expression that was read: AND binds more tightly than OR.
struct Denied<'t, F> {
    words: &'t [String],
    at: usize,
    is_denied: &'t F,
}

impl<F: Fn(&str) -> bool> Denied<'_, F> {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn any_way(&mut self) -> bool {
        let mut denied = self.together();
        while self.take("OR") {
            denied &= self.together();
        }
        denied
    }

    fn together(&mut self) -> bool {
        let mut denied = self.one();
        while self.take("AND") {
            denied |= self.one();
        }
        denied
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let denied = self.any_way();
            self.take(")");
            return denied;
        }
        let mut next = || {
            self.at += 1;
            self.words.get(self.at - 1).cloned().unwrap_or_default()
        };
        let name = next();
        let exception = if self.take("WITH") { self.words.get(self.at).cloned() } else { None };
        match exception {
            Some(exception) => {
                self.at += 1;
                (self.is_denied)(&name) || (self.is_denied)(&format!("{name} WITH {exception}"))
            }
            None => (self.is_denied)(&name),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.replace('(', " ( ").replace(')', " ) ").split_whitespace().map(str::to_owned).collect()
}

/// No expression nests deeper.
const DEEPEST: usize = 32;

struct Reader<'t> {
    words: &'t [String],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn expression(&mut self, depth: usize) -> bool {
        loop {
            if !self.one(depth) {
                return false;
            }
            if !self.take("AND") && !self.take("OR") {
                return true;
            }
        }
    }

    fn one(&mut self, depth: usize) -> bool {
        if self.take("(") {
            return depth < DEEPEST && self.expression(depth + 1) && self.take(")");
        }
        self.name() && (!self.take("WITH") || self.name())
    }

    fn name(&mut self) -> bool {
        let is_name = self.words.get(self.at).is_some_and(|word| {
            let plain = word.strip_suffix('+').unwrap_or(word);
            let letters = plain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':'));
            letters && !plain.is_empty() && !matches!(word.as_str(), "AND" | "OR" | "WITH")
        });
        self.at += usize::from(is_name);
        is_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_denied_where_no_way_leads_around_it() {
        let denied = |text: &str| Licence::read(text).is_denied(&|name: &str| name.starts_with("GPL"));
        for text in ["GPL-3.0-only", "MIT AND GPL-2.0+", "GPL-2.0 OR GPL-3.0", "(GPL-2.0 OR MIT) AND GPL-3.0"]
        {
            assert!(denied(text), "{text}");
        }
        for text in ["MIT", "MIT OR GPL-2.0", "MIT OR Apache-2.0 AND GPL-2.0", "LGPL-3.0", "no expression"] {
            assert!(!denied(text), "{text}");
        }
        assert!(denied("GPL-2.0 WITH Classpath-exception-2.0"));
    }

    #[test]
    fn expressions_are_kept_and_nothing_else_is() {
        for text in
            ["MIT", "Apache-2.0 WITH LLVM-exception", "(MIT OR Apache-2.0) AND BSD-3-Clause", "GPL-2.0+"]
        {
            assert_eq!(Licence::read(text).expression(), Some(text));
        }
        let deep = format!("{}MIT{}", "(".repeat(1000), ")".repeat(1000));
        for text in
            ["", "BSD License", "MIT OR", "MIT/Apache-2.0", "(MIT", "MIT)", "WITH", "MIT, see LICENSE", &deep]
        {
            assert_eq!(Licence::read(text), Licence::Unknown, "{text}");
        }
        assert_eq!(Licence::of_crate("MIT/Apache-2.0").expression(), Some("MIT OR Apache-2.0"));
        assert_eq!(Licence::of_crate("MIT / Apache-2.0").expression(), Some("MIT OR Apache-2.0"));
        assert_eq!(Licence::of_crate("see LICENSE"), Licence::Unknown);
    }
}
