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
