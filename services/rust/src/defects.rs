//! Planted business bugs, for tests and demonstrations of what finds them. None by default.

use std::str::FromStr;

/// A realistic slip; `services/README.md` says where each shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    PageOffByOne,
    BankersRounding,
    LostField,
    UnstableSort,
    Errors1Pct,
    SlowTail,
    GarbageTimestamp,
    WrongCurrency,
    Race,
    NullNumber,
    Stuck,
    WrongAmount,
}

const NAMES: [(&str, Defect); 12] = [
    ("page-off-by-one", Defect::PageOffByOne),
    ("bankers-rounding", Defect::BankersRounding),
    ("lost-field", Defect::LostField),
    ("unstable-sort", Defect::UnstableSort),
    ("errors-1pct", Defect::Errors1Pct),
    ("slow-tail", Defect::SlowTail),
    ("garbage-timestamp", Defect::GarbageTimestamp),
    ("wrong-currency", Defect::WrongCurrency),
    ("race", Defect::Race),
    ("null-number", Defect::NullNumber),
    ("stuck", Defect::Stuck),
    ("wrong-amount", Defect::WrongAmount),
];

/// The defects that are switched on.
#[derive(Default)]
pub struct Defects(Vec<Defect>);

impl Defects {
    pub fn has(&self, defect: Defect) -> bool {
        self.0.contains(&defect)
    }
}

impl FromStr for Defects {
    type Err = String;

    /// Reads names separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let defects: Result<Vec<Defect>, String> = names.map(find).collect();
        defects.map(Self)
    }
}

fn find(name: &str) -> Result<Defect, String> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, defect)| *defect)
        .ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            format!("{name:?} is not known, there are {}", known.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names() {
        let defects: Defects = "stuck, race".parse().unwrap();
        assert!(defects.has(Defect::Stuck) && defects.has(Defect::Race));
        assert!(!defects.has(Defect::LostField));
        assert!(!Defects::default().has(Defect::Stuck));
    }

    #[test]
    fn refuses_unknown_names() {
        let refused = "stuck,stuckk".parse::<Defects>().err().unwrap();
        assert!(refused.starts_with("\"stuckk\" is not known"), "{refused}");
    }
}
