//! What was typed, before it is parsed.

use std::ffi::OsString;

/// Long options with hyphens for underscores: `--feat2d_scaled` is `--feat2d-scaled`, as with the earlier system.
///
/// Values stay as they are, those after `=` and those of their own.
pub(super) fn with_hyphens(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut options = true;
    let hyphenated = |argument: OsString| {
        options &= argument != "--";
        match argument.to_str() {
            Some(text) if options && text.starts_with("--") => {
                let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
                (name.replace('_', "-") + value).into()
            }
            _ => argument,
        }
    };
    arguments.into_iter().map(hyphenated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_are_hyphens_in_names_of_options_only() {
        let typed = ["optimil", "--feat2d_scaled", "a_b.csv", "--max_epochs=1_0", "-o", "x_y", "--", "--a_b"];
        let expected =
            ["optimil", "--feat2d-scaled", "a_b.csv", "--max-epochs=1_0", "-o", "x_y", "--", "--a_b"];
        assert_eq!(with_hyphens(typed.map(OsString::from)), expected.map(OsString::from));
    }
}
