package main

// prng is splitmix64 (Steele, Lea, Flood 2014): the same few integer operations on both
// sides give the same data, and no floating point is involved.
type prng struct{ state uint64 }

// newPRNG returns the stream with this number; each part of the data has its own.
func newPRNG(seed, stream uint64) *prng {
	return &prng{state: seed ^ stream*0xd1342543de82ef95}
}

func (r *prng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1; the bias of the remainder does not matter here.
func (r *prng) below(n int) int {
	return int(r.next() % uint64(n))
}

// skewed prefers small numbers: the lesser of two draws.
func (r *prng) skewed(n int) int {
	a, b := r.below(n), r.below(n)
	return min(a, b)
}

func (r *prng) pick(words []string) string {
	return words[r.below(len(words))]
}
