package nn

// operator is what the engine knows of an operator: its row in the table of operators, which
// doc.go lists. Its fields are the operator's parameters. Nothing else in the package tells
// operators apart, but for what fused takes into a convolution's epilogue.
type operator interface {
	// shape is that of the output for operands of these shapes, or says what does not fit. It
	// completes parameters that were left out.
	shape(in []Shape) (Shape, error)
	// nonNegative says that no element of n's value can be below zero; see Node.positive.
	nonNegative(n *Node) bool
	// border is the width of the zeros that forward's steps read around the operands.
	border(n *Node) int
	// half says that forward's steps can read bfloat16.
	half(n *Node) bool
	// readsImage says that forward's step reads the network's input as it lies there,
	// interleaved, not in blocks.
	readsImage(n *Node) bool
	// remembers says that what backward passes to one operand depends on the others.
	remembers() bool
	// forward makes the steps that compute a job.
	forward(l *layout, j *job) []step
	// signalBorder is the width of the zeros that backward's steps read around n's signal.
	signalBorder(b *descent, n *Node) int
	// backward adds the steps that pass the signal sig of g's value on to its operands, by
	// the rule b.rule.
	backward(b *descent, g *fused, sig view)
}

// plain is what most operators have in common.
type plain struct{}

func (plain) nonNegative(*Node) bool           { return false }
func (plain) border(*Node) int                 { return 0 }
func (plain) half(*Node) bool                  { return false }
func (plain) readsImage(*Node) bool            { return false }
func (plain) remembers() bool                  { return false }
func (plain) signalBorder(*descent, *Node) int { return 0 }

// job is a group of fused nodes to compute.
type job struct {
	fused
	i             int // the group's number
	half, natural bool
	src           func(*Node) view // where an operand lies
	dst           view
}

// allNonNegative says that no operand can have elements below zero.
func allNonNegative(n *Node) bool {
	for _, in := range n.in {
		if !in.positive {
			return false
		}
	}
	return true
}
