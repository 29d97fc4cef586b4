package nn

import "fmt"

// Padding says what lies around a padded map.
type Padding int

// The paddings.
const (
	PadConstant Padding = iota // Pad.Value, 0 if it is left out
	PadReflect                 // the map mirrored, its edge once
	PadEdge                    // its edge repeated
)

// Pad is how many rows and columns (and channels) are put around a value; negative numbers
// take off.
type Pad struct {
	Top, Left, Bottom, Right int
	Front, Back              int // channels; only PadConstant
	Mode                     Padding
	Value                    float32
}

// Range is every Step-th of From, From+Step, ... before To. The zero value is the whole axis; To of 0 means
// its end, negative From and To count from it, Step of 0 means 1 and a negative one walks
// backwards, from the end where From is 0, to the beginning where To is 0.
type Range struct{ From, To, Step int }

// Resize is interpolation to another size: that of PyTorch's interpolate and ONNX's Resize.
type Resize struct {
	H, W           int
	ScaleH, ScaleW float64 // of positions; 0 means size out by size in
	Mode           ResizeMode
	Coordinates    Coordinates
	Rounding       Rounding // of Nearest
}

// ResizeMode is how a Resize takes a value between pixels.
type ResizeMode int

// The modes.
const (
	Nearest ResizeMode = iota
	Bilinear
)

// Coordinates is where, on the map of n pixels, pixel i of m lies, scale being m/n or what is
// given.
type Coordinates int

// The coordinates, by ONNX's names.
const (
	HalfPixel        Coordinates = iota // (i+0.5)/scale - 0.5
	Asymmetric                          // i/scale
	AlignCorners                        // i*(n-1)/(m-1)
	PyTorchHalfPixel                    // HalfPixel, and 0 where m is 1
)

// Rounding is which pixel is nearest.
type Rounding int

// The roundings, by ONNX's names.
const (
	RoundPreferFloor Rounding = iota
	RoundPreferCeil
	RoundFloor
	RoundCeil
)

// Pad appends a padding.
func (g *Graph) Pad(name string, x *Node, p Pad) *Node { return g.append(name, &unmade{}, x) }

// Slice appends a part of a value: ranges of its channels, rows and columns.
func (g *Graph) Slice(name string, x *Node, c, h, w Range) *Node {
	return g.append(name, &unmade{}, x)
}

// Shuffle appends ShuffleNet's channel shuffle: channel i of n in groups goes to place
// i%(n/groups)*groups + i/(n/groups).
func (g *Graph) Shuffle(name string, x *Node, groups int) *Node {
	return g.append(name, &unmade{}, x)
}

// Resize appends an interpolation.
func (g *Graph) Resize(name string, x *Node, r Resize) *Node { return g.append(name, &unmade{}, x) }

// Mean appends the mean over some of channels, rows and columns, of which one is left.
func (g *Graph) Mean(name string, x *Node, c, h, w bool) *Node {
	return g.append(name, &unmade{}, x)
}

// Reshape appends a value with the same elements in the order [C][H][W].
func (g *Graph) Reshape(name string, x *Node, s Shape) *Node { return g.append(name, &unmade{}, x) }

// Flatten appends the elements in the order [C][H][W] as channels: [C*H*W][1][1].
func (g *Graph) Flatten(name string, x *Node) *Node {
	return g.Reshape(name, x, Shape{g.operand(name, x).shape.Size(), 1, 1})
}

// Transpose appends a value with its axes (0 channels, 1 rows, 2 columns) permuted: axis i is
// axis perm[i] of x.
func (g *Graph) Transpose(name string, x *Node, perm [3]int) *Node {
	return g.append(name, &unmade{}, x)
}

// unmade stands in for an operator that is still to be written.
type unmade struct{ plain }

func (*unmade) shape(in []Shape) (Shape, error) { return in[0], fmt.Errorf("not implemented yet") }

func (*unmade) forward(*layout, *job) []step    { return nil }
func (*unmade) backward(*descent, *fused, view) {}
