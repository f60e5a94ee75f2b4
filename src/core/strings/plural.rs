//! Which of a message's forms a number takes, by the rules of Unicode's CLDR for whole numbers.

/// A class of numbers that a language may tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plural {
    /// In Arabic, 0.
    Zero,
    /// In English, 1.
    One,
    /// In Arabic, 2.
    Two,
    /// In Polish, 2, 3, 4, 22, …
    Few,
    /// In Polish, 5, 6, …
    Many,
    /// Every other number; every language has it.
    Other,
}

impl Plural {
    /// Every class with the name that CLDR, browsers and the files give it.
    pub const ALL: [(&'static str, Plural); 6] = [
        ("zero", Plural::Zero),
        ("one", Plural::One),
        ("two", Plural::Two),
        ("few", Plural::Few),
        ("many", Plural::Many),
        ("other", Plural::Other),
    ];

    /// The class that this name stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Plural> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, plural)| *plural)
    }

    /// The name of the class.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, plural)| *plural == self).map_or("other", |(name, _)| name)
    }

    /// The class of a whole number in a language.
    #[must_use]
    pub fn of(tag: &str, n: i64) -> Plural {
        let n = n.unsigned_abs();
        let (tens, hundreds) = (n % 10, n % 100);
        match tag.split('-').next().unwrap_or(tag) {
            "id" | "ja" | "ko" | "lo" | "ms" | "my" | "th" | "vi" | "yue" | "zh" => Plural::Other,
            "fa" | "fr" | "hi" | "hy" | "pt" if n == 0 => Plural::One,
            "be" | "bs" | "hr" | "ru" | "sr" | "uk" => match (tens, hundreds) {
                (1, teens) if teens != 11 => Plural::One,
                (2..=4, teens) if !(12..=14).contains(&teens) => Plural::Few,
                // The southern ones have no third form of whole numbers.
                _ if matches!(tag, "bs" | "hr" | "sr") => Plural::Other,
                _ => Plural::Many,
            },
            "pl" => match (n, tens, hundreds) {
                (1, _, _) => Plural::One,
                (_, 2..=4, teens) if !(12..=14).contains(&teens) => Plural::Few,
                _ => Plural::Many,
            },
            "cs" | "sk" => match n {
                1 => Plural::One,
                2..=4 => Plural::Few,
                _ => Plural::Other,
            },
            "lt" => match (tens, hundreds) {
                (1, teens) if teens != 11 => Plural::One,
                (2..=9, teens) if !(11..=19).contains(&teens) => Plural::Few,
                _ => Plural::Other,
            },
            "ro" => match (n, hundreds) {
                (1, _) => Plural::One,
                (0, _) | (_, 1..=19) => Plural::Few,
                _ => Plural::Other,
            },
            "he" if n == 2 => Plural::Two,
            "sl" => match hundreds {
                1 => Plural::One,
                2 => Plural::Two,
                3 | 4 => Plural::Few,
                _ => Plural::Other,
            },
            "ar" => match (n, hundreds) {
                (0, _) => Plural::Zero,
                (1, _) => Plural::One,
                (2, _) => Plural::Two,
                (_, 3..=10) => Plural::Few,
                (_, 11..=99) => Plural::Many,
                _ => Plural::Other,
            },
            _ if n == 1 => Plural::One,
            _ => Plural::Other,
        }
    }

    /// The classes that a language tells apart.
    #[must_use]
    pub fn of_language(tag: &str) -> Vec<Plural> {
        // Every rule above shows all of its classes within the first hundred.
        let mut classes: Vec<Plural> = (0..=100).map(|n| Plural::of(tag, n)).chain([Plural::Other]).collect();
        classes.sort();
        classes.dedup();
        classes
    }
}
