/// splitmix64 (Steele, Lea, Flood 2014): the same few integer operations on both sides give
/// the same data, and no floating point is involved.
pub struct Prng {
    state: u64,
}

impl Prng {
    /// The stream with this number; each part of the data has its own.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self {
            state: seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95),
        }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `n - 1`; the bias of the remainder does not matter here.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// The lesser of two draws, so that small numbers are preferred.
    pub fn skewed(&mut self, n: usize) -> usize {
        let first = self.below(n);
        first.min(self.below(n))
    }

    pub fn pick<'a, T: ?Sized>(&mut self, words: &[&'a T]) -> &'a T {
        words[self.below(words.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_vector() {
        let mut prng = Prng::new(1_234_567, 0);
        let drawn: Vec<u64> = (0..3).map(|_| prng.next()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn streams_differ() {
        assert_ne!(Prng::new(42, 1).next(), Prng::new(42, 2).next());
    }
}
