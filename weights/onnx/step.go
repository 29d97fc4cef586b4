package onnx

import (
	"fmt"
	"slices"
)

// Step is a node with what its operands are: for evaluation here, and for whoever makes another
// network of the graph.
type Step struct {
	*Node
	Opset int64
	In    []*Value // nil where an optional operand is left out
	Out   []*Value

	budget *budget
}

// budget bounds what folding makes and does.
type budget struct {
	bytes int   // of values
	work  int64 // multiplications and the like
}

// Bounds on folding: constants that are made of constants take at most foldedFree bytes and
// foldedRatio times the file, all together, and foldedWork operations and as many times the file.
const (
	foldedFree  = 48 << 20
	foldedRatio = 16
	foldedWork  = 1 << 28
)

// Error describes what is wrong with a node: its operator and name, its attributes and the opset.
func (s *Step) Error(format string, args ...any) error {
	text := fmt.Errorf(format, args...)
	details := s.Details()
	if details != "" {
		details += ", "
	}
	return fmt.Errorf("%v, %sopset %d: %w", s.Node, details, s.Opset, text)
}

// Operand is the i-th operand, nil where it is left out.
func (s *Step) Operand(i int) *Value {
	if i >= len(s.In) {
		return nil
	}
	return s.In[i]
}

// Attribute finds an attribute by name; nil where the node has none.
func (s *Step) Attribute(name string) *Attribute {
	for _, a := range s.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Int is an attribute's integer.
func (s *Step) Int(name string, otherwise int64) int64 {
	if a := s.Attribute(name); a != nil {
		return a.I
	}
	return otherwise
}

// Float is an attribute's number.
func (s *Step) Float(name string, otherwise float64) float64 {
	if a := s.Attribute(name); a != nil {
		return float64(a.F)
	}
	return otherwise
}

// Text is an attribute's string.
func (s *Step) Text(name, otherwise string) string {
	if a := s.Attribute(name); a != nil {
		return a.S
	}
	return otherwise
}

// IntsOr is a list of integers that is an attribute in old opsets and the i-th operand in newer
// ones; nil where the node has neither. The operand must be a constant.
func (s *Step) IntsOr(name string, i int) ([]int64, error) {
	if v := s.Operand(i); v != nil {
		return v.Int64s()
	}
	if a := s.Attribute(name); a != nil {
		return a.Ints, nil
	}
	return nil, nil
}

// FloatOr is a number that is an attribute in old opsets and the i-th operand, a constant, in
// newer ones.
func (s *Step) FloatOr(name string, i int, otherwise float64) (float64, error) {
	v := s.Operand(i)
	if v == nil {
		return s.Float(name, otherwise), nil
	}
	x, err := v.Float64s()
	if err == nil && len(x) != 1 {
		err = fmt.Errorf("%s has %d elements, want one", name, len(x))
	}
	if err != nil {
		return 0, err
	}
	return x[0], nil
}

// operands wants so many, none left out.
func (s *Step) operands(n int) error {
	for i := range n {
		if s.Operand(i) == nil {
			return fmt.Errorf("operand %d is missing, want %d", i, n)
		}
	}
	return nil
}

// axis is an attribute's axis, counted from the end where it is negative.
func axis(a int64, rank int) (int, error) {
	if a < int64(-rank) || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d of %d", a, rank)
	}
	if a < 0 {
		a += int64(rank)
	}
	return int(a), nil
}

// axes are several, sorted, each once.
func axes(list []int64, rank int) ([]int, error) {
	var out []int
	for _, a := range list {
		d, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, d) {
			return nil, fmt.Errorf("axis %d twice", d)
		}
		out = append(out, d)
	}
	slices.Sort(out)
	return out, nil
}

// known says that no operand depends on the network's input, and reads them all.
func (s *Step) known() (bool, error) {
	for _, v := range s.In {
		if v != nil && !v.isKnown {
			return false, nil
		}
	}
	for _, v := range s.In {
		if v != nil {
			if err := v.read(); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// result starts a value. fill says that all operands are known, so that its elements must be
// made; there is room for them.
func (s *Step) result(t Type, shape []int) (out *Value, fill bool, err error) {
	n, err := elements(shape)
	if err != nil {
		return nil, false, err
	}
	if !t.known() {
		return nil, false, fmt.Errorf("a result of %v, which is not read", t)
	}
	if fill, err = s.known(); fill && err == nil {
		err = s.made(n)
	}
	return blank(t, shape), fill, err
}

// made counts elements that are made and kept.
func (s *Step) made(n int) error {
	if err := s.room(n); err != nil {
		return err
	}
	s.budget.bytes -= 8 * n
	return nil
}

// room looks whether there is room for elements that are needed for a while, and counts the effort.
func (s *Step) room(n int) error {
	if n > s.budget.bytes/8 {
		return fmt.Errorf("constants that are too large for a file of this size: %d elements more", n)
	}
	return s.effort(int64(n))
}

// effort counts operations.
func (s *Step) effort(n int64) error {
	if n > s.budget.work {
		return fmt.Errorf("constants that are too much to compute for a file of this size")
	}
	s.budget.work -= n
	return nil
}
