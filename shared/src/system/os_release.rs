//! os-release(5): what a Linux says of itself, on this machine and in images.

/// The value of a key, without the quotes around it; an empty one is none.
pub(crate) fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches(['"', '\''])).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_and_a_key_is_a_whole_word() {
        let text = "NAME=\"Debian GNU/Linux\"\nID_LIKE=x\n ID=debian\nVERSION_ID='12'\nVARIANT=\n";
        assert_eq!(value(text, "NAME"), Some("Debian GNU/Linux"));
        assert_eq!((value(text, "ID"), value(text, "VERSION_ID")), (Some("debian"), Some("12")));
        assert_eq!((value(text, "VARIANT"), value(text, "HOME_URL")), (None, None));
    }
}
