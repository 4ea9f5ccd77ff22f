//! Enumerations of which each value is a word.

/// An enumeration whose values are written as their names in lower case, and read so. What follows `or` says what
/// is wrong with any other text.
macro_rules! choice {
    ($(#[$comment:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* } or $wrong:expr) => {
        $(#[$comment])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$each])* $variant,)*
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let wrong: fn(&str) -> String = $wrong;
                match text {
                    $($word => Ok(Self::$variant),)*
                    text => Err(wrong(text)),
                }
            }
        }
    };
}

pub(super) use choice;
