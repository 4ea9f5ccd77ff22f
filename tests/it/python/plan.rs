use snapbox::{assert_data_eq, str};

use super::{call, project};

#[test]
fn the_plan_names_what_was_found_and_why() {
    let done = call(&project(), &["--dry-run", "--platform", "linux/amd64"]).succeed();
    assert_data_eq!(
        done.shown(),
        str![[r#"
exit code 0
--- stdout
image shop 2.0
  tag           2.0                                               default
  platform      linux/amd64                                       --platform
    base        oci:base:py                                       --base
    python      /usr/local/bin/python3.13 3.13.5 on glibc 2.36    from the base
    with        greeting-1.0-py3-none-any.whl
  lock          requirements.txt
  install       source                                            default
  application   script main.py; stopped by SIGINT, since Python as process 1 ignores SIGTERM
  image-format  oci                                               default
  compression   gzip                                              default
  labels        org.opencontainers.image.created=1970-01-01T00:00:00Z  default
  labels        org.opencontainers.image.title=shop               from pyproject.toml
  labels        org.opencontainers.image.version=2.0              from pyproject.toml
  user          65532:65532                                       default
  workdir       /app                                              default
  entrypoint    python -m main                                    found in the source
  stop-signal   SIGINT                                            found in the source
  created       1970-01-01T00:00:00Z
  layer         wheels
                one layer for each large wheel, one for the rest
  layer         environment
                /app/.venv/pyvenv.cfg and the interpreter's names
  layer         shop
                the project itself
--- stderr
    Detected script main.py; stopped by SIGINT, since Python as process 1 ignores SIGTERM

"#]]
    );
}

#[test]
fn the_plan_for_programs_names_the_distributions() {
    let done = call(&project(), &["--dry-run", "--format", "json", "--platform", "linux/amd64"]).succeed();
    let plan: serde_json::Value = serde_json::from_str(done.stdout()).expect("json");
    assert_eq!(plan["plan"]["images"][0]["platforms"][0]["distributions"][0]["name"], "greeting");
}

/// Members of a workspace with one lock; `last` is what the last of them requires.
fn workspace(last: &str) -> containerize_tests::program::Project {
    let project = super::project();
    let hash = super::greeting().write(&project.at("wheels"));
    let wheel = "greeting-1.0-py3-none-any.whl";
    let source = format!("{{ path = 'wheels/{wheel}' }}");
    let entry = |name: &str| {
        format!(
            "[[package]]\nname = '{name}'\nversion = '1.0'\nsource = {{ virtual = 'services/{name}' }}\n\
             dependencies = [{{ name = 'greeting' }}]\n[package.metadata]\n\
             requires-dist = [{{ name = 'greeting', path = 'wheels/{wheel}' }}]\n"
        )
    };
    let names = ["a", "b", "c"];
    let lock = format!(
        "version = 1\nrequires-python = '>=3.11'\n[manifest]\nmembers = ['a', 'b', 'c']\n\
         [[package]]\nname = 'greeting'\nversion = '1.0'\nsource = {source}\n\
         wheels = [{{ filename = '{wheel}', hash = 'sha256:{hash}' }}]\n{}",
        names.map(entry).concat()
    );
    let root =
        format!("[tool.uv.workspace]\nmembers = ['services/*']\n[tool.uv.sources]\ngreeting = {source}\n");
    project.write(&[("uv.lock", &lock), ("pyproject.toml", &root)]);
    for name in names {
        let needs = if name == "c" { last } else { "'greeting'" };
        let table = format!(
            "[project]\nname = '{name}'\nversion = '1.0'\nrequires-python = '>=3.11'\ndependencies = [{needs}]\n"
        );
        project.write(&[
            (&format!("services/{name}/pyproject.toml"), &table),
            (&format!("services/{name}/main.py"), super::MAIN),
        ]);
    }
    std::fs::remove_file(project.at("requirements.txt")).expect("removed");
    project
}

#[test]
fn members_that_share_a_lock_are_all_held_to_it() {
    let arguments = ["--workspace", "--dry-run", "--platform", "linux/amd64"];
    let done = super::call(&workspace("'greeting'"), &arguments).succeed();
    for name in ["a", "b", "c"] {
        assert!(done.stdout().contains(&format!("image {name} 1.0\n")), "{}", done.shown());
    }
    let refused = super::call(&workspace("'greeting', 'colour'"), &arguments).fail();
    assert!(refused.stderr().contains("uv.lock no longer matches"), "{}", refused.shown());
    // One that tolerates it does not speak for the others.
    let stale = workspace("'greeting', 'colour'");
    let tolerant = "\n[tool.containerize]\nstale-lock = 'warn'\n";
    let text = std::fs::read_to_string(stale.at("services/a/pyproject.toml")).expect("text");
    stale.write(&[("services/a/pyproject.toml", &format!("{text}{tolerant}"))]);
    let refused = super::call(&stale, &arguments).fail();
    assert!(refused.stderr().contains("error: uv.lock no longer matches"), "{}", refused.shown());
}
