package zoo

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strconv"

	"cwox/weights"
)

// MetadataKey is the key of a weight file's metadata under which the settings of a Spec stand
// that its tensors do not tell: what Kept found when the file was converted.
const MetadataKey = "cwox.model"

// withKept adds the settings in the file's metadata that the user has not given.
func (s Spec) withKept(f *weights.File) (Spec, error) {
	text, ok := f.Metadata()[MetadataKey]
	if !ok {
		return s, nil
	}
	kept, err := ParseSpec(text)
	if err != nil {
		return s, fmt.Errorf("%s: metadata %s: %w", f.Name(), MetadataKey, err)
	}
	for key, value := range s.Settings {
		kept.Settings[key] = value
	}
	return Spec{s.Name, kept.Settings}, nil
}

// Kept is the Spec by which the tensors alone, in a file without layers or a configuration, are
// matched to this very network: what those and the user's Spec decided, as settings. The zero
// Spec says that tensors are enough; it is an error that no settings are.
func (a *Arch) Kept(tensors *weights.File, user Spec) (Spec, error) {
	var choices [][2]string
	for _, s := range settings {
		if _, given := user.Settings[s.key]; given || s.families != nil && !slices.Contains(s.families, a.Facts.Family) {
			continue
		}
		for _, v := range s.values {
			choices = append(choices, [2]string{s.key, v})
		}
		if eps, ok := a.eps(); ok && s.key == "eps" {
			choices = append(choices, [2]string{"eps", strconv.FormatFloat(eps, 'g', -1, 64)})
		}
	}
	// The fewest settings that do.
	for most := range 4 {
	subsets:
		for set := range uint64(1) << len(choices) {
			if bits.OnesCount64(set) != most {
				continue
			}
			s := Spec{Settings: map[string]string{}}
			for k, v := range user.Settings {
				s.Settings[k] = v
			}
			for i, c := range choices {
				if set>>i&1 == 0 {
					continue
				}
				if _, twice := s.Settings[c[0]]; twice {
					continue subsets
				}
				s.Settings[c[0]] = c[1]
			}
			if b, err := Match(tensors, s); err == nil && reflect.DeepEqual(a.body, b.body) && reflect.DeepEqual(a.head, b.head) {
				return s, nil
			}
		}
	}
	return Spec{}, fmt.Errorf("%s: what the file says of the layers of %s is not in its tensors, and no setting keeps it: use the file as it is", tensors.Name(), a.Name)
}

// eps is that of the first batch normalisation.
func (a *Arch) eps() (eps float64, ok bool) {
	switch b := a.body.(type) {
	case *resnet:
		return b.stem[0].eps, true
	case *googlenet:
		return b.convs["conv1"].eps, true
	case *net:
		for c := range b.convs() {
			return c.eps, true
		}
	}
	return 0, false
}
