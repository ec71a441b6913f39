//! The words that names and texts are made of.

/// The lists of words.txt: a name, a colon, then words; an underscore stands for a space.
pub struct Words {
    pub categories: Vec<&'static str>,
    pub adjectives: Vec<&'static str>,
    pub materials: Vec<&'static str>,
    pub nouns: Vec<&'static str>,
    pub pairs: Vec<String>,
    pub colours: Vec<&'static str>,
    pub fillers: Vec<&'static str>,
    /// Every word a text may hold, common ones first.
    pub vocabulary: Vec<String>,
}

impl Words {
    pub fn load() -> Self {
        let nouns = list("nouns");
        let materials = list("materials");
        let adjectives = list("adjectives");
        let fillers = list("fillers");
        let vocabulary = [&nouns, &materials, &adjectives, &fillers]
            .into_iter()
            .flatten()
            .map(|word| word.to_lowercase())
            .collect();
        Self {
            categories: list("categories"),
            adjectives,
            materials,
            nouns,
            pairs: list("pairs")
                .iter()
                .map(|pair| pair.replace('_', " "))
                .collect(),
            colours: list("colours"),
            fillers,
            vocabulary,
        }
    }
}

fn list(name: &str) -> Vec<&'static str> {
    include_str!("../words.txt")
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| *found == name)
        .flat_map(|(_, words)| words.split_whitespace())
        .collect()
}
