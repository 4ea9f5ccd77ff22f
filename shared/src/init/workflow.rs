//! Workflows that push the image.

use super::project::{Kind, Project};

/// Whose workflow it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the services")]
pub enum Workflow {
    Github,
    Gitlab,
}

impl Workflow {
    /// The file that the service reads.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Github => ".github/workflows/image.yml",
            Self::Gitlab => ".gitlab-ci.yml",
        }
    }

    /// Its text for a project; `version` is that of the program.
    pub(super) fn text(self, project: &Project, version: &str) -> String {
        let is_rust = matches!(project.kind, Kind::Rust(_));
        match self {
            Self::Github => {
                let target =
                    if is_rust { "      - run: rustup target add x86_64-unknown-linux-musl\n" } else { "" };
                format!(
                    "name: image\non:\n  push:\n    branches: [main]\njobs:\n  image:\n    runs-on: ubuntu-latest\n    permissions:\n      \
                     contents: read\n      packages: write\n    steps:\n      - uses: actions/checkout@v4\n{target}      - uses: \
                     containerize/containerize@v{version}\n        with:\n          push: true\n          tags: ghcr.io/${{{{ \
                     github.repository }}}}:${{{{ github.sha }}}}\n        env:\n          GITHUB_TOKEN: ${{{{ github.token }}}}\n"
                )
            }
            Self::Gitlab => {
                let (image, before) = match is_rust {
                    true => (
                        "rust:1",
                        "    - apt-get update -q && apt-get install -qy pipx && export PATH=$PATH:/root/.local/bin\n    - rustup target add \
                         x86_64-unknown-linux-musl\n",
                    ),
                    false => ("python:3.13", ""),
                };
                let install = if is_rust { "pipx" } else { "pip" };
                format!(
                    "image:\n  stage: deploy\n  image: {image}\n  variables:\n    CONTAINERIZE_USERNAME: $CI_REGISTRY_USER\n    \
                     CONTAINERIZE_PASSWORD: $CI_REGISTRY_PASSWORD\n  script:\n{before}    - {install} install \
                     cargo-containerize=={version}\n    - containerize --push --tag \"$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA\"\n"
                )
            }
        }
    }
}
