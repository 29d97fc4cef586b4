package zoo

import (
	"fmt"
	"strings"

	"cwox/nn"
	"cwox/weights"
)

// Spec is what a user says of the network: a name, and settings that tensors cannot tell,
// "resnet50:stride=conv1,eps=1e-3". Its zero value leaves everything to the file.
type Spec struct {
	Name     string
	Settings map[string]string
}

// ParseSpec reads NAME, NAME:key=value,... or :key=value,...
func ParseSpec(text string) (Spec, error) {
	name, rest, more := strings.Cut(text, ":")
	s := Spec{Name: name}
	if more {
		s.Settings = map[string]string{}
		for _, part := range strings.Split(rest, ",") {
			key, value, ok := strings.Cut(part, "=")
			if !ok || key == "" || value == "" {
				return s, fmt.Errorf("zoo: %q: want NAME:key=value,...", text)
			}
			s.Settings[key] = value
		}
	}
	return s, nil
}

// Facts are what the tensors of a file, its configuration and a Spec say of a network.
type Facts struct {
	Family   string // "resnet", "googlenet", "googlenet-caffe"
	Classes  int
	Channels int    // of the input
	Prefix   string // of the names of the network's tensors in the file
	Head     string // in words: "fc.1: Linear"
	Taken    int    // tensors of the file that the network uses
	Ignored  []string
	Assumed  []Assumption
}

// Assumption is a fact that the file does not decide, and what was taken for it.
type Assumption struct {
	What  string // "transform_input", "stride", "activation of the head"
	Taken string // in words: "on, as in torchvision's pretrained models"
	Other string // how to choose otherwise: "--model googlenet:transform_input=off"
	// Warn says that the alternative is common, so that a user must be told; otherwise it
	// is for whoever inspects the file.
	Warn bool
}

// LoadOptions steer Load. The zero value is the good default.
type LoadOptions struct {
	nn.CompileOptions
	// Width and Height are those of the network's input; 0 means Transform's.
	Width, Height int
}

// Match finds the network whose tensors a file holds. An error says what is in the file
// instead, and what to do.
func Match(f *weights.File, s Spec) (*Arch, error) {
	if s.Name != "" {
		return Lookup(s.Name)
	}
	for _, a := range archs {
		if a.Fits(f) == nil {
			classes, err := a.Classes(f)
			if err != nil {
				return nil, err
			}
			b := *a
			b.Facts = Facts{Classes: classes, Channels: 3, Taken: len(f.Names())}
			return &b, nil
		}
	}
	return nil, fmt.Errorf("%s: none of %s", f.Name(), strings.Join(Names(), ", "))
}
