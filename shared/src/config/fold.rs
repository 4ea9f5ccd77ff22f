//! One fold over all places that configure, keeping for each value where it came from.

use super::origin::{Origin, Origins};
use super::partial::Partial;

/// The values of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Which place it is.
    pub origin: Origin,
    /// What it sets; keys that it leaves alone are `None`.
    pub values: Partial,
}

/// What all places together say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    /// For each key what counts in the end.
    pub values: Partial,
    /// Which places each of them came from.
    pub origins: Origins,
}

/// Lays the places over each other, the lowest precedence first. `image` names the image that
/// is configured: its overrides in a place come directly above that place's own values.
pub fn fold(places: &[Place], image: &str) -> Folded {
    let mut folded = Folded::default();
    for place in places {
        let mut values = place.values.clone();
        let own = std::mem::take(&mut values.image).remove(image);
        folded.values.lay_over(values, &place.origin, &mut folded.origins);
        if let Some(own) = own {
            let origin = Origin::Image { place: Box::new(place.origin.clone()), image: image.to_owned() };
            folded.values.lay_over(own, &origin, &mut folded.origins);
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_toml;

    fn place(origin: Origin, text: &str) -> Place {
        Place { values: from_toml(text, &origin).expect("valid"), origin }
    }

    #[test]
    fn keys_replace_append_or_merge() {
        let low = place(Origin::Default, "user = '1'\nports = [1]\nenv = { A = '1', B = '1' }");
        let high = place(Origin::Flag, "user = '2'\nports = [2]\nenv = { B = '2' }");
        let folded = fold(&[low, high], "x");
        assert_eq!(folded.values.user.as_deref(), Some("2"));
        assert_eq!(folded.values.ports.as_ref().map(Vec::len), Some(2));
        assert_eq!(folded.origins.describe("user"), "--user");
        assert_eq!(folded.origins.describe("ports"), "default + --port");
        let ports = folded.values.shown(&folded.origins);
        let ports: Vec<_> = ports.iter().filter(|row| row.key == "ports").collect();
        assert_eq!((&ports[0].value, ports[0].origin.as_str()), (&"1/tcp".into(), "default"));
        assert_eq!((&ports[1].value, ports[1].origin.as_str()), (&"2/tcp".into(), "--port"));
        assert_eq!(folded.origins.describe("env.A"), "default");
        assert_eq!(folded.origins.describe("env.B"), "--env");
    }

    #[test]
    fn debian_packages_add_up_and_their_place_is_replaced() {
        let low =
            place(Origin::Default, "debian = { packages = ['a', 'b'], mirror = 'http://x', docs = true }");
        let high = place(Origin::Flag, "debian = ['b', 'c']");
        let folded = fold(&[low, high], "x");
        let debian = folded.values.debian.as_ref().expect("packages");
        assert_eq!(debian.packages, ["a", "b", "c"]);
        assert_eq!((debian.mirror.as_deref(), debian.docs), (Some("http://x"), Some(true)));
        assert_eq!(folded.origins.describe("debian"), "default + --debian");
        let rows = folded.values.shown(&folded.origins);
        let rows: Vec<(Option<&str>, String, &str)> = rows
            .iter()
            .filter(|row| row.key == "debian")
            .map(|row| (row.name.as_deref(), row.value.to_string(), row.origin.as_str()))
            .collect();
        let package = |name: &str, origin| (Some("packages"), format!("\"{name}\""), origin);
        assert_eq!(
            rows[1..],
            [
                (Some("mirror"), "\"http://x\"".to_owned(), "default"),
                package("a", "default"),
                package("b", "default"),
                package("c", "--debian"),
            ]
        );
    }

    #[test]
    fn an_image_overrides_its_own_place_only() {
        let table = Origin::Table("package.metadata.containerize".into());
        let project = place(table, "user = '1'\n[image.web]\nuser = '2'\nworkdir = '/w'");
        let env = place(Origin::Environment, "user = '3'");
        let web = fold(&[project.clone(), env.clone()], "web");
        assert_eq!(web.values.user.as_deref(), Some("3"));
        assert_eq!(web.origins.describe("workdir"), "[package.metadata.containerize.image.web]");
        assert_eq!(web.origins.describe("user"), "CONTAINERIZE_USER");
        assert_eq!(fold(&[project], "other").values.user.as_deref(), Some("1"));
    }
}
