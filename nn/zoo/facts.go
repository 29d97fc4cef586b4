package zoo

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
)

// Facts are what the tensors of a file, its configuration and a Spec say of a network.
type Facts struct {
	Family   string // "resnet", "googlenet", "googlenet-caffe", or one of kinds: "vgg", "efficientnet"
	Classes  int
	Channels int    // of the input
	Prefix   string // of the names of the network's tensors in the file
	Spelling string // of the names behind it: "torchvision", "Hugging Face", ...
	Head     string // in words: "fc.0: Linear, ReLU, fc.3: Linear"
	HeadName string // of the last linear layer in the file, without Prefix: "fc.3"
	Taken    int    // tensors of the file that are the network's, counters of batches among them
	Ignored  []string
	Assumed  []Assumption

	// Of an ONNX model: whether a sigmoid at the end makes every logit a probability of its own,
	// the range of pixels that it normalises itself (255 or 1; 0 where it does not), and its
	// maps of more than one pixel, the last first.
	Sigmoid      bool
	Range        int
	Layers       []Layer
	ChannelsLast bool // the input is [height][width][channels] in the file
	FixedSize    bool // no input but of the Transform's size is taken

	// Measures of a ResNet.
	Block        string // "basic" or "bottleneck"
	Depth        []int  // blocks of each stage
	Width        int    // of the first stage: what a basic block gives, a quarter of what a bottleneck gives
	StemChannels int
	Stem         string // "7x7/2 + max-pool"
	Groups       int
	InnerFactor  float64 // inner width of the first bottleneck by Width: 2 in a wide ResNet
}

// Layer is a map of a network, by its name.
type Layer struct {
	Name  string
	Shape nn.Shape
}

// Assumption is a fact that the file does not decide, and what was taken for it.
type Assumption struct {
	What  string // "transform_input", "stride", "activation of the head"
	Taken string // in words: "on, as in torchvision's pretrained models"
	// Setting of a Spec chooses otherwise: "transform_input=off"; "" where none does.
	Setting string
	// Warn says that the alternative is common, so that a user must be told; otherwise it
	// is for whoever inspects the file.
	Warn bool
}

// String is a sentence.
func (a Assumption) String() string {
	s := fmt.Sprintf("%s is not in the file: assumed %s", a.What, a.Taken)
	if a.Setting != "" {
		s += "; --model :" + a.Setting + " chooses otherwise"
	}
	return s
}

// Warnings are the assumptions that a user must be told of.
func (f *Facts) Warnings() []Assumption {
	return slices.DeleteFunc(slices.Clone(f.Assumed), func(a Assumption) bool { return !a.Warn })
}

// facts fills in what is to be said.
func (m *matcher) facts(a *Arch, at *place) {
	f := &a.Facts
	f.Family, f.Prefix, f.Spelling = at.family, m.prefix, at.spelling
	f.Channels, _ = a.body.channels()
	h := a.head
	h.layers = slices.Clone(h.layers)
	for i := range h.layers {
		l := &h.layers[i]
		l.path = strings.TrimPrefix(l.path, m.prefix)
		if l.name == h.last {
			f.Classes, f.HeadName = l.out, l.path
		}
	}
	f.Head = h.String()
	taken := map[string]bool{}
	for _, p := range m.names {
		for _, part := range p.parts {
			taken[part] = true
		}
	}
	for _, name := range m.file.Names() {
		if base, counter := strings.CutSuffix(name, ".num_batches_tracked"); taken[name] || counter && m.used[base+".running_mean"] {
			f.Taken++
		} else {
			f.Ignored = append(f.Ignored, name)
		}
	}
	f.Assumed = m.assumed
	if r, ok := a.body.(*resnet); ok {
		f.Block, f.Depth, f.Stem = r.kind(), r.depth(), r.stemText()
		f.Width, f.InnerFactor, f.Groups = r.width()
		f.StemChannels = r.stem[len(r.stem)-1].out
	}
}

// Describe says in a line what Match took:
//
//	resnet50 (10 classes), keys "model.*" (161 of 163 tensors), head fc.1; criterion.weight ignored
func (a *Arch) Describe() string {
	if a.imported != nil {
		return a.imported.describe()
	}
	f := &a.Facts
	s := fmt.Sprintf("%s (%s)", a.Name, plural(f.Classes, "class", "classes"))
	if f.Channels != 3 {
		s = fmt.Sprintf("%s (%s, %s)", a.Name, plural(f.Classes, "class", "classes"), plural(f.Channels, "input channel", "input channels"))
	}
	if f.Prefix != "" {
		s += fmt.Sprintf(", keys %q", f.Prefix+"*")
	} else if len(f.Ignored) > 0 {
		s += ","
	}
	if f.Prefix != "" || len(f.Ignored) > 0 {
		s += fmt.Sprintf(" (%d of %d tensors)", f.Taken, f.Taken+len(f.Ignored))
	}
	if f.HeadName != "fc" {
		s += ", head " + f.HeadName
	}
	if len(f.Ignored) > 0 {
		s += "; " + list(f.Ignored, 3) + " ignored"
	}
	return s
}

// plural counts things.
func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// list names some things and counts the others.
func list(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// OfPaper says that the network is one of those that the paper explains, or the demo's, which
// was trained for the same input: pictures stretched to it.
func (a *Arch) OfPaper() bool {
	switch a.Name {
	case "resnet50", "googlenet", "googlenet-caffe":
		return a.Facts.Classes == 1000
	}
	return a.Name == Demo
}
