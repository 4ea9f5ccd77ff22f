//! Which images a call makes, and what they are called, however many one call makes.

use containerize_tests::fixture::manifest;
use containerize_tests::program::Project;

const MAIN: &str = "fn main() {}";

/// A workspace of `api`, which has two binaries, and `cli`; with lines for each manifest.
fn workspace(root: &str, api: &str, cli: &str) -> Project {
    Project::new(&[
        ("Cargo.toml", &format!("[workspace]\nmembers = ['api', 'cli']\nresolver = '2'\n{root}\n")),
        ("api/Cargo.toml", &manifest("api", &format!("default-run = 'api'\n{api}\n"))),
        ("api/src/main.rs", MAIN),
        ("api/src/bin/worker.rs", MAIN),
        ("cli/Cargo.toml", &manifest("cli", &format!("{cli}\n"))),
        ("cli/src/main.rs", MAIN),
    ])
}

/// The names of what a call would push, or of its images.
fn rows(project: &Project, word: &str, arguments: &[&str]) -> Vec<String> {
    let done = project.call([&["--dry-run"], arguments].concat()).succeed();
    let rows = done.stdout().lines().filter_map(|line| line.trim().strip_prefix(word));
    rows.filter_map(|row| row.split_whitespace().next()).map(str::to_owned).collect()
}

fn pushed(project: &Project, arguments: &[&str]) -> Vec<String> {
    rows(project, "push to ", &[&["--push"], arguments].concat())
}

fn images(project: &Project, arguments: &[&str]) -> Vec<String> {
    rows(project, "image ", arguments)
}

fn refusal(project: &Project, arguments: &[&str]) -> String {
    project.call([&["--dry-run"], arguments].concat()).fail().stderr()
}

#[test]
fn a_repository_is_spread_however_many_images_a_call_makes() {
    let project = workspace("[workspace.metadata.containerize]\nrepository = 'r.io/w'", "", "");
    assert_eq!(pushed(&project, &["--workspace"]), ["r.io/w/api:1.0.0", "r.io/w/cli:1.0.0"]);
    assert_eq!(pushed(&project, &["-p", "api"]), ["r.io/w/api:1.0.0"]);
    assert_eq!(pushed(&project, &["-p", "cli"]), ["r.io/w/cli:1.0.0"]);
    assert_eq!(pushed(&project, &["--bin", "worker"]), ["r.io/w/worker:1.0.0"]);
    // A flag is for all images of the project too; a full name is what it says.
    assert_eq!(pushed(&project, &["-p", "cli", "--repository", "r.io/x"]), ["r.io/x/cli:1.0.0"]);
    assert_eq!(pushed(&project, &["-p", "cli", "--repository", "r.io/x-{name}"]), ["r.io/x-cli:1.0.0"]);
    assert_eq!(pushed(&project, &["-p", "cli", "--tag", "r.io/x"]), ["r.io/x:1.0.0"]);
}

#[test]
fn a_packages_own_repository_is_its_own_images() {
    let own = "[package.metadata.containerize]\nrepository = 'r.io/mine'";
    let project = workspace("", own, own);
    assert_eq!(pushed(&project, &["-p", "cli"]), ["r.io/mine:1.0.0"]);
    // The default binary is the package's one image; any other one goes below.
    assert_eq!(pushed(&project, &["-p", "api"]), ["r.io/mine:1.0.0"]);
    assert_eq!(pushed(&project, &["--bin", "worker"]), ["r.io/mine/worker:1.0.0"]);
}

#[test]
fn an_image_tables_repository_is_that_images_alone() {
    let tables = "[package.metadata.containerize]\nrepository = 'r.io/a'\n[package.metadata.containerize.image.api]\n\
                  [package.metadata.containerize.image.worker]\nrepository = 'r.io/special'";
    let project = workspace("", tables, "");
    assert_eq!(pushed(&project, &["-p", "api"]), ["r.io/a/api:1.0.0", "r.io/special:1.0.0"]);
}

#[test]
fn an_image_may_have_another_name_and_version_than_its_binary() {
    let tables = "[package.metadata.containerize]\nrepository = 'r.io/a'\nversion = 7\n[package.metadata.containerize.image.api]\n\
                  name = 'acme-api'\nversion = '2.5'\n[package.metadata.containerize.image.worker]\nname = 'acme-worker'";
    let project = workspace("", tables, "");
    assert_eq!(pushed(&project, &["-p", "api"]), ["r.io/a/acme-api:2.5", "r.io/a/acme-worker:7"]);
    assert_eq!(images(&project, &["-p", "api"]), ["acme-api", "acme-worker"]);
    // Hooks are given variables of these names, which are no settings of a call in them.
    let call = project.call(["--dry-run", "-p", "api"]);
    let done = call.env("CONTAINERIZE_NAME", "other").env("CONTAINERIZE_VERSION", "9").succeed();
    assert!(!done.shown().contains("other") && !done.shown().contains(":9"), "{}", done.shown());
}

#[test]
fn two_images_of_a_call_cannot_have_one_name() {
    let tables = "[package.metadata.containerize]\nname = 'same'\n[package.metadata.containerize.image.api]\n\
                  [package.metadata.containerize.image.worker]";
    let said = refusal(&workspace("", tables, ""), &["-p", "api"]);
    assert!(said.contains("two images are named same") && said.contains("key `name`"), "{said}");
    for (table, why) in
        [("name = 'a/b'", "cannot be the name of an image"), ("version = ' '", "is not a valid version")]
    {
        let project = Project::app(&format!("[package.metadata.containerize]\n{table}\n"));
        let said = refusal(&project, &[]);
        assert!(said.contains(why) && said.contains("hint: "), "{said}");
    }
}

#[test]
fn a_single_image_keeps_the_repository_as_it_is() {
    let project = Project::app("[package.metadata.containerize]\nrepository = 'r.io/app'\n");
    assert_eq!(pushed(&project, &[]), ["r.io/app:1.0.0"]);
    assert_eq!(pushed(&project, &["--repository", "r.io/other"]), ["r.io/other:1.0.0"]);
}

#[test]
fn tags_are_made_from_placeholders() {
    let project =
        Project::app("[package.metadata.containerize]\ntags = ['{version}', 'latest', '{name}-x']\n");
    let names = pushed(&project, &["--repository", "r.io/app"]);
    assert_eq!(names, ["r.io/app:1.0.0", "r.io/app:latest", "r.io/app:app-x"]);
    let refused = refusal(&project, &["-t", "{revision}"]);
    assert!(refused.contains("there is no git commit here"), "{refused}");
    let refused = refusal(&project, &["-t", "{branch}"]);
    assert!(refused.contains("no branch is checked out"), "{refused}");
    let call = project.call(["--dry-run", "-t", "{branch}"]).env("CI_COMMIT_REF_NAME", "feature/x");
    assert!(call.succeed().stdout().contains("tag           feature-x"));
}

#[test]
fn nothing_is_said_to_be_pushed_that_is_not() {
    let project = Project::app("");
    let done = project.call(["--dry-run", "--repository", "r.io/app"]).succeed();
    assert!(!done.stdout().contains("push to"), "{}", done.shown());
    assert!(
        done.stderr().contains("--repository has no effect without --push: nothing is pushed"),
        "{}",
        done.shown()
    );
}

#[test]
fn a_table_for_a_binary_that_is_not_there_is_an_error_with_the_nearest_name() {
    let own = "[package.metadata.containerize.image.front]\nbin = 'api'\n[package.metadata.containerize.image.back]\nbin = 'wroker'";
    let project = workspace("", own, "");
    for arguments in [&["-p", "api"][..], &["--workspace"], &["--bin", "cli"]] {
        let refused = refusal(&project, arguments);
        assert!(
            refused.contains(
                "[package.metadata.containerize.image.back] is for the binary wroker, which does not exist"
            ) && refused.contains("did you mean the binary worker?"),
            "{refused}"
        );
    }
    let shared = workspace("[workspace.metadata.containerize.image.clii]\nuser = '1:1'", "", "");
    let refused = refusal(&shared, &["-p", "api"]);
    assert!(refused.contains("[workspace.metadata.containerize.image.clii]"), "{refused}");
    assert!(refused.contains("did you mean the binary cli?"), "{refused}");
}

#[test]
fn shared_tables_declare_images_of_several_members() {
    let tables = "[workspace.metadata.containerize.image.worker]\n[workspace.metadata.containerize.image.tool]\nbin = 'cli'";
    let project = workspace(tables, "", "");
    assert_eq!(images(&project, &[]), ["worker", "tool"]);
    assert_eq!(images(&project, &["-p", "cli"]), ["tool"]);
}

#[test]
fn a_member_without_tables_is_not_forgotten() {
    let project = workspace("", "[package.metadata.containerize.image.front]\nbin = 'api'", "");
    assert_eq!(images(&project, &["--workspace"]), ["front", "cli"]);
    let done = project.call(["--dry-run"]).succeed();
    assert!(done.stderr().contains("package cli gets no image"), "{}", done.shown());
}

#[test]
fn the_binary_of_a_members_own_table_is_about_that_member() {
    let project = workspace("", "[package.metadata.containerize]\nbin = 'worker'", "");
    assert_eq!(images(&project, &["--workspace"]), ["worker", "cli"]);
    assert_eq!(images(&project, &["-p", "cli"]), ["cli"]);
    let other = workspace("", "[package.metadata.containerize]\nbin = 'cli'", "");
    let refused = refusal(&other, &["-p", "api"]);
    assert!(refused.contains("the package api has no binary cli"), "{refused}");
}

#[test]
fn bins_are_images_of_all_binaries() {
    let project = workspace("", "", "");
    assert_eq!(images(&project, &["--workspace", "--bins"]), ["api", "worker", "cli"]);
    assert_eq!(images(&project, &["-p", "api", "--bins"]), ["api", "worker"]);
}

#[test]
fn packages_are_chosen_in_the_project_too() {
    let project = workspace("[workspace.metadata.containerize]\npackages = ['cl*']", "", "");
    assert_eq!(images(&project, &[]), ["cli"]);
    assert_eq!(images(&project, &["-p", "api"]), ["api"]);
}

#[test]
fn binaries_whose_features_are_off_are_no_candidates() {
    let gated = "[features]\nadmin = []\n[[bin]]\nname = 'app'\npath = 'src/main.rs'\n[[bin]]\nname = 'admin'\n\
                 path = 'src/main.rs'\nrequired-features = ['admin']\n";
    let project = Project::app(gated);
    assert_eq!(images(&project, &[]), ["app"]);
    assert_eq!(images(&project, &["--bins", "--features", "admin"]), ["admin", "app"]);
    let refused = refusal(&project, &["--bin", "admin"]);
    assert!(refused.contains("the binary admin needs the feature admin"), "{refused}");
    assert!(refused.contains("--features admin"), "{refused}");
    let table = "[package.metadata.containerize.image.admin]\nfeatures = ['admin']";
    assert_eq!(images(&Project::app(&format!("{gated}{table}")), &[]), ["admin"]);
}
