//! Why an image differs from the same one rebuilt: what is likely, by the place and by the inputs that changed.

use std::fmt;

use serde::Serialize;

use super::changes::{Change, Input};
use super::difference::{Difference, LayerDifference, Place, Within};
use super::marks::Mark;

/// What is likely to be the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "cause")]
pub enum Cause {
    /// An input was another one.
    Input(Change),
    /// Something in the file says where it was built.
    Path {
        /// In the image.
        image: String,
        /// Here.
        rebuilt: String,
    },
    /// Something in the file says when it was built: a build backend writes times.
    Time {
        /// In the image.
        image: String,
        /// Here.
        rebuilt: String,
    },
    /// A base that is in no registry was another one.
    LooseBase {
        /// The bases, as they were named.
        bases: Vec<String>,
    },
    /// The interpreter that made bytecode was another one than the base's version says.
    Bytecode,
    /// Something compiled, by what is recorded and by something else: a linker, a C compiler, settings of the machine.
    Compiled,
    /// The file is not the one of the commit: it was changed, or git does not know it.
    Source,
    /// All recorded inputs are the same, and they give another image.
    NotFromTheseInputs {
        /// The remote cache that the build believed, where it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        remote_cache: Option<String>,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(change) => change.fmt(f),
            Self::Path { image, rebuilt } => {
                write!(f, "the file contains the path where it was built: {image} in the image, {rebuilt} here")
            }
            Self::Time { image, rebuilt } => {
                write!(f, "the file contains the time when it was built: {image} in the image, {rebuilt} here")
            }
            Self::LooseBase { bases } => {
                write!(f, "another base: the digest of {} is not recorded", bases.join(" and "))
            }
            Self::Bytecode => f.write_str("another CPython made the bytecode"),
            Self::Compiled => f.write_str(
                "another linker, C compiler or library of the building machine, or a setting outside of the repository",
            ),
            Self::Source => {
                f.write_str("the file was changed without a commit when the image was built, or git ignores it")
            }
            Self::NotFromTheseInputs { remote_cache: Some(cache) } => {
                write!(f, "the remote cache {cache} was wrong: the recorded inputs give another result")
            }
            Self::NotFromTheseInputs { remote_cache: None } => f.write_str(
                "the recorded inputs are the same but give another result, so the image was not made from them alone",
            ),
        }
    }
}

/// What is known of the two builds.
pub(super) struct Known<'a> {
    /// The inputs that changed.
    pub(super) changed: &'a [Change],
    /// What the layer with the project's own files is called.
    pub(super) project: &'a str,
    /// Bases whose digests are not recorded.
    pub(super) loose_bases: &'a [String],
    /// The remote cache that the build believed.
    pub(super) remote_cache: Option<&'a str>,
}

impl Known<'_> {
    /// The first changed input that is wanted.
    fn input(&self, is_wanted: impl Fn(&Input) -> bool) -> Option<Cause> {
        self.changed.iter().find(|change| is_wanted(&change.input)).cloned().map(Cause::Input)
    }

    fn base(&self) -> Option<Cause> {
        let loose = || Cause::LooseBase { bases: self.loose_bases.to_vec() };
        let is_base = |one: &Input| matches!(one, Input::Base(_));
        self.input(is_base).or_else(|| (!self.loose_bases.is_empty()).then(loose))
    }
}

/// What is likely to be the cause of a difference.
pub(super) fn likely(difference: &Difference, known: &Known<'_>) -> Cause {
    let input = |is_wanted: &dyn Fn(&Input) -> bool| known.input(is_wanted);
    let lie = || Cause::NotFromTheseInputs { remote_cache: known.remote_cache.map(str::to_owned) };
    let any = || known.input(|_| true).unwrap_or_else(lie);
    match &difference.place {
        Place::Configuration(field) if field.field.contains("created") => {
            input(&|one| *one == Input::Created).unwrap_or_else(any)
        }
        Place::Configuration(field) if field.field.contains("version") => {
            input(&|one| *one == Input::Version).unwrap_or_else(any)
        }
        Place::Configuration(_) | Place::Manifest(_) | Place::Index(_) | Place::Platforms(_) => {
            input(&|one| matches!(one, Input::Setting(_) | Input::Base(_))).unwrap_or_else(any)
        }
        Place::Layer(layer) => of_layer(difference, layer, known).unwrap_or_else(any),
    }
}

/// The cause of a difference in a layer, where its place tells more than what changed at all.
fn of_layer(difference: &Difference, layer: &LayerDifference, known: &Known<'_>) -> Option<Cause> {
    let input = |is_wanted: &dyn Fn(&Input) -> bool| known.input(is_wanted);
    let path = difference.path().unwrap_or_default();
    if path.ends_with(".pyc") {
        let python = input(&|one| *one == Input::Python);
        return python.or_else(|| input(&|one| *one == Input::Containerize)).or(Some(Cause::Bytecode));
    }
    if matches!(layer.within, Within::Compression(_) | Within::Archive) {
        return input(&|one| *one == Input::Containerize);
    }
    if !layer.is_ours {
        return known.base();
    }
    let own_name = |one: &Input| match one {
        Input::Package(name) => is_about(&layer.title, path, name),
        Input::Library(name) => path.ends_with(name.as_str()),
        _ => false,
    };
    let compiled = is_compiled(path);
    // Another compiler writes other paths of its own too.
    let near = input(&own_name).or_else(|| input(&|one| *one == Input::Compiler));
    let near = near.or_else(|| of_content(difference));
    let near = near.or_else(|| input(&|one| !matches!(one, Input::Created | Input::Version)));
    near.or(match (compiled, layer.title == known.project || layer.title == "files") {
        (true, _) => Some(Cause::Compiled),
        (false, true) if !path.is_empty() => Some(Cause::Source),
        (false, _) => None,
    })
}

/// Whether a package is what the layer is named for, or what is in the folder of the path.
fn is_about(title: &str, path: &str, package: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', '.'], "_");
    let package = plain(package);
    let is_it = |name: &str| {
        let version = name.strip_prefix(&package).and_then(|rest| rest.strip_prefix('_'));
        name == package || version.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let path = plain(path);
    let below = path.split_once("site_packages/").map_or("", |(_, below)| below);
    is_it(&plain(title)) || below.split('/').any(is_it)
}

fn is_compiled(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".so") || name.contains(".so.") || (path.contains("/bin/") && !name.contains('.'))
}

/// What the file in question says of itself.
fn of_content(difference: &Difference) -> Option<Cause> {
    Some(match difference.bytes()?.mark.clone()? {
        Mark::Path { image, rebuilt } => Cause::Path { image, rebuilt },
        Mark::Time { image, rebuilt } => Cause::Time { image, rebuilt },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::rebuild::difference::{Entry, Field, OnlyIn, Side};

    fn layer(title: &str, is_ours: bool, path: &str) -> Difference {
        let about = OnlyIn { side: Side::Image };
        let within = Within::Entry(Entry { path: path.to_owned(), about });
        let layer = LayerDifference { layer: 2, title: title.to_owned(), is_ours, within };
        Difference { platform: None, place: Place::Layer(layer) }
    }

    fn configuration(field: &str) -> Difference {
        let field = Field { field: field.to_owned(), image: "1".into(), rebuilt: "2".into() };
        Difference { platform: None, place: Place::Configuration(field) }
    }

    /// The likely cause where these inputs changed, in one word.
    fn cause(difference: &Difference, changed: &[Input]) -> String {
        let change = |input: &Input| Change { input: input.clone(), then: "1".into(), now: "2".into() };
        let changed: Vec<Change> = changed.iter().map(change).collect();
        let known = Known { changed: &changed, project: "shop", loose_bases: &[], remote_cache: None };
        match likely(difference, &known) {
            Cause::Input(Change { input, .. }) => format!("{input:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_place_chooses_among_the_inputs_that_changed() {
        let package = || Input::Package("greeting".into());
        let setting = || Input::Setting("user".into());
        let base = || Input::Base("debian for linux/amd64".into());
        let all = [
            Input::Containerize,
            Input::Compiler,
            Input::Python,
            base(),
            package(),
            Input::Created,
            Input::Version,
            setting(),
        ];
        let is =
            |difference: Difference, input: Input| assert_eq!(cause(&difference, &all), format!("{input:?}"));
        is(layer("bytecode by CPython 3.13.5", true, "app/x.pyc"), Input::Python);
        is(layer("debian", false, "etc/os-release"), base());
        is(layer("7 wheels", true, "app/.venv/lib/python3.13/site-packages/greeting/x.py"), package());
        is(layer("shop", true, "usr/local/bin/shop"), Input::Compiler);
        is(configuration("created"), Input::Created);
        is(configuration("config.Labels.org.opencontainers.image.version"), Input::Version);
        is(configuration("config.User"), base());
        assert_eq!(cause(&configuration("config.User"), &[setting()]), format!("{:?}", setting()));
    }

    #[test]
    fn the_place_tells_what_no_input_does() {
        let none = |difference: Difference| cause(&difference, &[]);
        assert_eq!(none(layer("bytecode of shop", true, "app/x.pyc")), "Bytecode");
        assert_eq!(
            none(layer("ext-1.0-cp313-cp313-linux_x86_64", true, "app/ext.cpython-313.so")),
            "Compiled"
        );
        assert_eq!(none(layer("shop", true, "app/main.py")), "Source");
        let unknown = "NotFromTheseInputs { remote_cache: None }";
        for difference in
            [layer("wheels", true, "app/x.py"), layer("debian", false, "x"), configuration("created")]
        {
            assert_eq!(none(difference), unknown);
        }
    }

    #[test]
    fn a_package_is_known_by_its_layer_or_folder() {
        assert!(is_about("typing_extensions-4.1-py3-none-any", "", "typing-extensions"));
        assert!(is_about(
            "7 wheels",
            "opt/venv/lib/python3.13/site-packages/Markup_Safe/x.py",
            "markup-safe"
        ));
        assert!(!is_about("7 wheels", "opt/venv/x.py", "markupsafe"));
        assert!(!is_about("typing_extensions-4.1-py3-none-any", "", "typing"));
        assert!(!is_about("shop", "app/main.py", "app"));
    }
}
