//! `rebase`: an image is laid on another base in the registry, and is what a build on that base gives.

mod fleet;
mod refusals;
mod same;

use containerize_tests::program::{Call, Done, Project};
use containerize_tests::python::Base;
use containerize_tests::registry::TestRegistry;
use serde_json::Value;

use super::rebuild::{put_layout, registry};

/// A project, and a registry that holds bases and its images.
struct Bench {
    project: Project,
    registry: TestRegistry,
}

impl Bench {
    fn new(project: Project) -> Self {
        Self { project, registry: registry() }
    }

    /// Puts a base there; its name.
    fn lay(&self, tag: &str, base: &Base) -> String {
        let folder = tempfile::tempdir().expect("folder");
        base.write(folder.path());
        put_layout(&self.registry, "bases/py", tag, folder.path());
        format!("{}:{tag}", self.registry.repository("bases/py"))
    }

    fn image(&self, tag: &str) -> String {
        format!("{}:{tag}", self.registry.repository("me/app"))
    }

    /// Builds and pushes on a base.
    fn push(&self, machine: &str, base: &str, tag: &str, arguments: &[&str]) -> Call {
        let repository = self.registry.repository("me/app");
        let flags = ["--push", "--repository", &repository, "-t", tag, "--base", base];
        let call = self.project.call_on(machine, [&flags[..], arguments].concat());
        call.env("PIP_CONFIG_FILE", "/dev/null").env("SOURCE_DATE_EPOCH", "86400")
    }

    /// Rebases the image under the tag `1` on a machine that has seen nothing.
    fn rebase(&self, base: &str, arguments: &[&str]) -> Call {
        let image = self.image("1");
        self.project.call_on("elsewhere", [&["rebase", image.as_str(), "--base", base], arguments].concat())
    }

    /// What a tag leads to, and its platforms.
    fn subjects(&self, tag: &str) -> Vec<String> {
        let (_, bytes) = self.registry.manifest("me/app", tag).unwrap_or_else(|| panic!("no {tag}"));
        let root: Value = serde_json::from_slice(&bytes).expect("JSON");
        let platforms = root["manifests"].as_array().into_iter().flatten();
        let platforms = platforms.filter_map(|entry| entry["digest"].as_str().map(str::to_owned));
        std::iter::once(self.digest(tag)).chain(platforms).collect()
    }

    /// The bills of materials of what a tag leads to, and of its platforms.
    fn bills(&self, tag: &str) -> Vec<String> {
        let subjects = self.subjects(tag);
        let hanging = subjects.iter().flat_map(|subject| self.registry.hanging("me/app", subject));
        let bills = hanging.filter(|(kind, _)| kind.contains("spdx") || kind.contains("cyclonedx"));
        bills.map(|(_, text)| String::from_utf8(text.to_vec()).expect("text")).collect()
    }

    /// Drops all that hangs on what a tag leads to, and on its platforms: a push leaves what it finds there.
    fn drop_hanging(&self, tag: &str) {
        self.subjects(tag).iter().for_each(|subject| self.registry.drop_hanging("me/app", subject));
    }

    /// What a tag leads to.
    fn digest(&self, tag: &str) -> String {
        let (_, bytes) = self.registry.manifest("me/app", tag).unwrap_or_else(|| panic!("no {tag}"));
        containerize_tests::layout::sha256(&bytes)
    }
}

/// What a refusal says, as JSON.
fn refused(call: Call) -> (Value, Done) {
    let done = call.fail();
    assert_eq!(done.code(), 4, "{}", done.shown());
    let said = serde_json::from_str(done.stdout());
    (said.unwrap_or_else(|error| panic!("{error}: {}", done.shown())), done)
}
