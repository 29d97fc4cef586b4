package nn

// Normalise is a normalisation by the value's own statistics: (x-mean)/sqrt(variance+Eps), times
// Gamma plus Beta, both per channel, nil for none.
type Normalise struct {
	Gamma, Beta []float32
	Eps         float64
}

// LayerNorm appends a normalisation of every pixel over its channels.
func (g *Graph) LayerNorm(name string, x *Node, n Normalise) *Node {
	return g.append(name, &unmade{}, x)
}

// GroupNorm appends a normalisation over groups of channels and the map. InstanceNorm is one
// with as many groups as channels; one group normalises everything together.
func (g *Graph) GroupNorm(name string, x *Node, groups int, n Normalise) *Node {
	return g.append(name, &unmade{}, x)
}

// Softmax appends exp(x_c) / sum over channels of exp(x), for every pixel.
func (g *Graph) Softmax(name string, x *Node) *Node { return g.append(name, &unmade{}, x) }

// LogSoftmax appends the logarithm of Softmax.
func (g *Graph) LogSoftmax(name string, x *Node) *Node { return g.append(name, &unmade{}, x) }

// MatMul appends the matrix product over rows and columns, channel by channel: [C][M][N] of a
// [C][M][K] and b [C][K][N]. Either may have one channel.
func (g *Graph) MatMul(name string, a, b *Node) *Node { return g.append(name, &unmade{}, a, b) }
