//! A *section* is a table of the settings: its fields stand once, with meaning and default beside each other,
//! so that struct, defaults and reference cannot differ.

/// One key of a section, for the reference.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it means, in which unit.
    pub meaning: &'static str,
}

/// What the reference asks of a section.
pub(crate) trait Section {
    /// The table's name.
    const KEY: &'static str;
    /// What it is about.
    const ABOUT: &'static str;
    /// Its keys, in order.
    const FIELDS: &'static [Field];
}

/// A key as it is written: a field whose name is a word of Rust begins with `r#`.
pub(crate) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _plain => field,
    }
}

/// Whether what a field holds is for nobody's eyes.
pub(crate) fn is_secret(field: &str) -> bool {
    ["secret", "password", "signing_key"].iter().any(|end| field.ends_with(end))
}

/// Declares a section. A field whose name ends in `secret`, `password` or `signing_key` is never shown by `Debug`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $key:literal => $name:ident {
            $($(#[doc = $meaning:literal])+ $field:ident: $type:ty = $default:expr;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $meaning])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct(stringify!($name));
                $(if $crate::section::is_secret(stringify!($field)) {
                    shown.field($crate::section::key(stringify!($field)), &"…");
                } else {
                    shown.field($crate::section::key(stringify!($field)), &self.$field);
                })+
                shown.finish()
            }
        }

        impl $crate::section::Section for $name {
            const KEY: &'static str = $key;
            const ABOUT: &'static str = concat!($($about),+);
            const FIELDS: &'static [$crate::section::Field] = &[$($crate::section::Field {
                name: $crate::section::key(stringify!($field)),
                meaning: concat!($($meaning),+),
            },)+];
        }
    };
}

pub(crate) use section;
