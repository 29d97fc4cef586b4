package drawnworld

// rng is a counter-based generator: the n-th number of a key is a hash of both, so a
// scene's stages draw from streams that do not disturb each other.
type rng struct{ key, n uint64 }

func newRNG(seed, stage uint64) *rng {
	return &rng{key: hash(hash(seed) ^ (stage+1)*0x9e3779b97f4a7c15)}
}

// hash is the finaliser of splitmix64 (Steele, Lea and Flood, 2014).
func hash(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (r *rng) next() uint64 {
	r.n++
	return hash(r.key + r.n*0xd1342543de82ef95)
}

// unit is uniform in [0, 1), a multiple of 2^-24.
func (r *rng) unit() float64 { return float64(float64(r.next()>>40) / (1 << 24)) }

func (r *rng) between(a, b float64) float64 { return mad(float64(b)-float64(a), r.unit(), a) }

func (r *rng) intn(n int) int { return int(r.next() >> 33 % uint64(n)) }

func (r *rng) chance(p float64) bool { return r.unit() < p }
