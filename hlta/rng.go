package hlta

// stream is a sequence of random numbers that its key determines (SplitMix64,
// Steele, Lea, Flood 2014), so that no result depends on what was drawn before.
type stream uint64

// The first element of every key, one per use.
const (
	keyEM uint64 = iota + 1
	keySample
	keyShuffle
	keyLink
)

func newStream(key ...uint64) stream {
	h := uint64(0x6a09e667f3bcc908)
	for _, k := range key {
		h = mix64(h+golden) ^ mix64(k)
	}
	return stream(mix64(h))
}

const golden = 0x9e3779b97f4a7c15

func (s *stream) uint64() uint64 {
	*s += golden
	return mix64(uint64(*s))
}

// float64 is uniform in (0, 1), never 0 or 1.
func (s *stream) float64() float64 {
	return float64((float64(s.uint64()>>12) + 0.5) * 0x1p-52)
}

// intn is uniform in [0, n) to within n 2^-52.
func (s *stream) intn(n int) int { return int(s.float64() * float64(n)) }

func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
