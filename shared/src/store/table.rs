//! The tables of what is remembered, all of them.

/// One row for each table: its variant, the name of its folder, and what it holds in words.
macro_rules! tables {
    ($($(#[$comment:meta])* $table:ident = $name:literal, $holds:literal;)*) => {
        /// A memo table. A number in a folder's name is the version of what it holds: a new one forgets what an
        /// older program remembered, and the old folder goes when it was not used for long.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($(#[$comment])* $table,)*
        }

        impl Table {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$table),*];

            /// The name of its folder.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$table => $name,)*
                }
            }

            /// What it holds, in words.
            pub const fn holds(self) -> &'static str {
                match self {
                    $(Self::$table => $holds,)*
                }
            }
        }
    };
}

tables! {
    /// By the entries that a layer is made of.
    Layers = "layers", "layers by their entries";
    /// By what the entries depend on.
    KeyedLayers = "keyed-layers", "layers by what they are made of";
    /// What each file in a layer is.
    Facts = "facts-v3", "contents of layers";
    /// What only a check asks about the files in a layer.
    Details = "details-v6", "programs and modules in layers";
    /// How large each file in a layer is, and whose: asked only where an image is looked at.
    Files = "files-v2", "sizes of files in layers";
    /// What tags led to when they were last looked at: the last word only for those who cannot ask again.
    Tags = "tags", "tags of base images";
    /// By the digest that is signed and by the signer, with his services.
    BaseSigners = "base-signers-v1", "signatures of base images";
    /// By the digest of the file, its name, and who must have published it, with the services.
    WheelPublishers = "wheel-publishers-v1", "attestations of Python packages";
    /// The layers of images whose id is the digest of their configuration.
    EngineLayers = "engine-layers", "layers of images in engines";
    /// Accounts of bases.
    Users = "users-v1", "users of base images";
    /// By the configuration that says all about an image.
    Verdicts = "verdicts", "results of checks";
    /// What was chosen for an image, by its configuration without it.
    NativeChoices = "native-choices", "native libraries of images";
    /// Documents about images, by the images and what they were made of.
    Bills = "bills-v1", "bills of materials of images";
    /// Signatures with certificates in either form, by what is signed, who signs, and the services that took part.
    Bundles = "bundles-v1", "signatures with certificates";
    /// Repositories by registry and digest.
    Homes = "homes", "repositories that have a blob";
    /// Repositories that took a push.
    PushedTo = "pushed-to", "repositories that took a push";
    /// What was kept for other machines, by the repositories where it is.
    KeptIn = "kept-in", "remote caches that were written";
    /// Engines that took an image.
    LoadedInto = "loaded-into", "engines that took an image";
    /// Archives that were written, which are no change of the project.
    Written = "written", "archives that were written";
    /// When the releases were made that were seen: none may be older than the one before.
    DebianReleases = "debian-releases", "releases of Debian";
    /// What was chosen before, for those who cannot ask again.
    DebianChosen = "debian-chosen", "sets of Debian packages";
    /// The scripts of packages that do something, by the digests of their files.
    DebianScripts = "debian-scripts", "scripts of Debian packages";
    /// Wheels, by all that their build depends on.
    Wheels = "wheels-5", "wheels that were built";
    /// Versions that build backends gave.
    Versions = "versions-1", "versions of Python projects";
    /// Which digest a file of another hash has.
    PythonFiles = "python-files", "hashes of Python packages";
    /// Lists of files.
    PythonIndex = "python-index", "pages of Python indexes";
    /// What wheels say of themselves, by their digests.
    Papers = "papers-v1", "metadata of wheels";
    /// Which tests wheels have and use, by their digests.
    WheelTests = "wheel-tests-v2", "tests in wheels";
    /// Those whose papers are known.
    WheelSizes = "wheel-sizes", "sizes of wheels";
    /// What sets of wheels lack.
    Closed = "closed-v1", "dependencies of sets of wheels";
    /// What cargo has found in order.
    Settled = "settled-v2", "complete Cargo.lock files";
    /// Programs, by the digest of all that they are built from.
    Programs = "programs-v1", "programs by their inputs";
    /// What programs were built from last.
    ProgramInputs = "program-inputs-v1", "inputs of programs";
    /// Paths of this machine in programs.
    Traces = "traces", "paths left in programs";
    /// What compilers say about themselves.
    Rustc = "rustc", "Rust toolchains";
}

impl Table {
    /// The table whose folder has that name; none for one of another version of the program.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|table| table.name() == name)
    }

    /// Whether what it holds means the same on every machine, and may be lent to others.
    pub const fn travels(self) -> bool {
        let is_of_bytes = self.is_of_bytes();
        is_of_bytes || self.is_of_builds() || self.is_concluded() && !matches!(self, Self::NativeChoices)
    }

    /// Whether it holds what builds have come to whose inputs its keys name.
    const fn is_of_builds(self) -> bool {
        matches!(self, Self::Programs | Self::ProgramInputs | Self::Settled)
    }

    /// Whether it holds what was read in the bytes that its keys name.
    const fn is_of_bytes(self) -> bool {
        matches!(
            self,
            Self::Facts
                | Self::Details
                | Self::DebianScripts
                | Self::Papers
                | Self::WheelTests
                | Self::WheelSizes
        )
    }

    /// Whether it holds what follows from other entries, or was made with what they say.
    pub(super) const fn is_concluded(self) -> bool {
        matches!(
            self,
            Self::Layers
                | Self::KeyedLayers
                | Self::NativeChoices
                | Self::Users
                | Self::Verdicts
                | Self::Bills
                | Self::Closed
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_tables_share_a_folder_or_words() {
        let names: BTreeSet<_> = Table::ALL.iter().map(|table| table.name()).collect();
        let words: BTreeSet<_> = Table::ALL.iter().map(|table| table.holds()).collect();
        assert_eq!((names.len(), words.len()), (Table::ALL.len(), Table::ALL.len()));
    }

    #[test]
    fn a_table_is_found_by_the_name_of_its_folder() {
        for table in Table::ALL {
            assert_eq!(Table::named(table.name()), Some(*table));
        }
        assert_eq!(Table::named("facts-v0"), None, "an older version is not this one");
    }
}
