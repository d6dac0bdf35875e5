//! What somebody who mistyped a name may have meant.

/// The known name closest to one that is not known, if any is close: a letter more or less for every four.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(name, known), known))
        .filter(|&(distance, _)| distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, known)| known)
}

/// ` (did you mean "KNOWN"?)`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |known| format!(" (did you mean \"{known}\"?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_names_are_suggested() {
        let known = ["lr", "mol_hidden", "mixer_hidden", "gamma_t0", "gamma_t1"];
        assert_eq!(closest("mol_hiden", known), Some("mol_hidden"));
        assert_eq!(closest("hidden_mol", known), None);
        assert_eq!(closest("rl", known), Some("lr"));
        assert_eq!(closest("gamma", known), None);
        assert_eq!(did_you_mean("gamma_0", known), " (did you mean \"gamma_t0\"?)");
    }
}
