package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

func newWeights() *cobra.Command {
	c := &cobra.Command{
		Use:   "weights",
		Short: "List, fetch, verify, inspect and convert weight files",
		Long: `Weight files are .safetensors, PyTorch's .pth, or .onnx, told apart by content. A .pth file is read
by a machine that can build nothing but tensors: no code in it is ever run.`,
		Example: `  cwox weights list
  cwox weights fetch resnet50
  cwox weights verify resnet50-0676ba61.pth
  cwox weights inspect model.pth
  cwox weights convert model.pth -o model.safetensors`,
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
		RunE:                       helpOrSuggest,
	}
	c.AddCommand(newWeightsList(), newWeightsFetch(), newWeightsVerify(), newWeightsInspect(), newWeightsCheck(), newWeightsConvert())
	return c
}

// knownLine is one line of weights list --json.
type knownLine struct {
	Model  string  `json:"model"`
	Name   string  `json:"name"`
	MiB    float64 `json:"mib"` // about
	SHA256 string  `json:"sha256"`
	URL    string  `json:"url"`
	File   string  `json:"file,omitempty"` // in the cache directory, if it was fetched
}

func newWeightsList() *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "The official files that can be fetched, and which are here",
		Long: `List torchvision's official weight files (IMAGENET1K_V1) for the models known here with
their SHA-256, and where 'cwox weights fetch' put those that were fetched. The files' publisher
gives eight digits of each hash, in the name; the rest is as unrelated projects record it.`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, args []string) error {
			switch dir, err := weights.CacheDir(); {
			case f.json:
			case err != nil:
				stdout.Printf("None is here: %s\n", plain(err))
			default:
				stdout.Printf("In %s:\n", dir)
			}
			for _, k := range weights.Known() {
				line := knownLine{Model: k.Model, Name: k.Name, MiB: k.MiB, SHA256: k.SHA256, URL: k.URL()}
				state := "not fetched"
				if path, ok := weights.Cached(k.Model); ok {
					line.File, state = path, "here"
				}
				if f.json {
					if err := printJSON(line); err != nil {
						return err
					}
				} else {
					stdout.Printf("  %-18s %-38s %6.1f MiB  %s  %s\n", k.Model, k.Name, k.MiB, k.SHA256, state)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output, a line for each file")
	return c
}

// Variables for the tests' sake: nobody can make another file with the hash of an official one.
var lookupKnown, identify = weights.LookupKnown, weights.Identify

// mirrorEnv names the environment variable with the folder to fetch from.
const mirrorEnv = "CWOX_WEIGHTS_URL"

// fetchedLine is one line of weights fetch --json.
type fetchedLine struct {
	Model string `json:"model"`
	File  string `json:"file"`
}

func newWeightsFetch() *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   "fetch MODEL...",
		Short: "Download official weights into the cache directory",
		Long: `Download torchvision's official weights into the cache directory ($CWOX_CACHE, or cwox in
the user's cache directory), where the other commands find them. The whole SHA-256
('cwox weights list') is checked before a file gets its name. A download that was broken off is kept as NAME.part, and the
same command goes on where it stopped.

Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY); ` + mirrorEnv + ` names
another folder to fetch from, a mirror for instance. Without a network, copy the file by
hand, check it with 'cwox weights verify' and name it with --weights.`,
		Example: `  cwox weights fetch resnet50
  cwox weights fetch resnet18 googlenet
  ` + mirrorEnv + `=http://mirror.example/models cwox weights fetch resnet50`,
		Args: atLeast(1, "names of models (see 'cwox weights list')"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, k := range weights.Known() {
				names = append(names, k.Model)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			var files []weights.KnownFile
			for _, model := range args {
				k, err := lookupKnown(model)
				if err != nil {
					return usage(c, "%v", err)
				}
				files = append(files, k)
			}
			for _, k := range files {
				path, err := fetchOne(c.Context(), k, f.quiet)
				if err != nil {
					return err
				}
				if !f.json {
					stdout.Printf("%v\n", path)
				} else if err := printJSON(fetchedLine{k.Model, path}); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.addOutput(c)
	return c
}

// fetchOne fetches a file under a progress bar.
func fetchOne(ctx context.Context, k weights.KnownFile, quiet bool) (string, error) {
	bar := newProgress(k.Name, bytesUnit, quiet)
	var have int64
	path, err := weights.Fetch(ctx, k, weights.FetchOptions{BaseURL: os.Getenv(mirrorEnv), Progress: func(done, total int64) {
		have = done
		bar.update(done, total)
	}})
	bar.finish()
	if errors.Is(err, context.Canceled) {
		how := "the same command starts anew"
		if have > 0 {
			how = fmt.Sprintf("the same command goes on after the %.1f MB in %s.part", float64(have)/1e6, k.Name)
		}
		return "", resumable{err, how}
	}
	return path, err
}

// verifiedLine is one line of weights verify --json.
type verifiedLine struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Model  string `json:"model,omitempty"` // whose official file it is
	Name   string `json:"name,omitempty"`
}

func newWeightsVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Which official file a file is, by its SHA-256",
		Long: `Say which of torchvision's official weight files a file is, byte for byte, whatever its name:
for files that were carried here by hand, not fetched. The exit code is 1 where one is none.`,
		Example: `  cwox weights verify resnet50-0676ba61.pth`,
		Args:    atLeast(1, "files"),
		RunE: func(c *cobra.Command, args []string) error {
			var none []error
			for _, path := range args {
				k, sum, err := identify(path)
				switch {
				case err != nil:
					none = append(none, err)
					continue
				case k.Name == "":
					err := fmt.Errorf("%s: none of the official files (its sha256 is %s)", path, sum)
					for _, k := range weights.Known() {
						if k.Name == filepath.Base(path) {
							err = fmt.Errorf("%w: that of this name has %s, so this one is damaged or another", err, k.SHA256)
						}
					}
					none = append(none, err)
				case !asJSON:
					stdout.Printf("%s: %s, the official weights of %s, byte for byte (sha256 %s)\n", path, k.Name, k.Model, sum)
				}
				if asJSON {
					if err := printJSON(verifiedLine{path, sum, k.Model, k.Name}); err != nil {
						return err
					}
				}
			}
			return errors.Join(none...)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "machine-readable output, a line for each file")
	return c
}

// inspection is what weights inspect --json prints.
type inspection struct {
	File      string            `json:"file"`
	Format    weights.Format    `json:"format"`
	SHA256    string            `json:"sha256"`
	Model     string            `json:"model,omitempty"` // the network whose tensors these are
	Why       string            `json:"why,omitempty"`   // why there is none
	Classes   int               `json:"classes,omitempty"`
	Labels    []string          `json:"labels,omitempty"` // that the file gives
	Input     *vision.Transform `json:"input,omitempty"`
	InputFrom string            `json:"input_from,omitempty"`
	Head      string            `json:"head,omitempty"`
	Layers    []layerLine       `json:"layers,omitempty"` // maps that can be explained, the last first
	Prefix    string            `json:"prefix,omitempty"`
	Ignored   []string          `json:"ignored,omitempty"` // tensors that are not the network's
	Keys      []weights.Dict    `json:"keys"`              // state dicts found, the one taken first
	Undecided []undecided       `json:"undecided,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Globals   []string          `json:"globals"` // that a pickle names
	Tensors   []tensorLine      `json:"tensors"` // in file order
}

// undecided is something that the tensors cannot tell.
type undecided struct {
	What  string `json:"what"`
	Taken string `json:"taken"`
	Other string `json:"other,omitempty"` // how to choose otherwise
}

// layerLine is a layer of a network that its file describes, by its name there.
type layerLine struct {
	Name  string `json:"name"`
	Shape [3]int `json:"shape"` // channels, height, width
}

type tensorLine struct {
	Name  string        `json:"name"`
	DType weights.DType `json:"dtype"`
	Shape []int         `json:"shape"`
}

func newWeightsInspect() *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   "inspect FILE|FOLDER",
		Short: "What a weight file holds: network, head, input, tensors, and what it does not tell",
		Long: `Say what a weight file or folder holds: its container and SHA-256, the state dicts in it and
the one that is taken, the network that its tensors are (family, head, classes, prefix of
the names), the input it wants, class names, and what tensors cannot tell (the place of a
stride, an activation) with how to choose otherwise. Nothing in the file is run.`,
		Example: `  cwox weights inspect model.pth
  cwox weights inspect --key state_dict_ema checkpoint.pth.tar
  cwox weights inspect --json model.safetensors | jq '.tensors[].name'`,
		Args: exactly(1, "a weight file or folder"),
		RunE: func(c *cobra.Command, args []string) error {
			f.weights = args[0]
			if err := f.check(c); err != nil {
				return err
			}
			in, err := inspect(c, &f)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(in)
			}
			in.print()
			return nil
		},
	}
	s := c.Flags()
	s.StringVar(&f.key, "key", "", "state dict to take of a file that holds several")
	s.StringVar(&f.model, "model", "", "network, where the file does not decide: NAME:key=value,...")
	f.input.add(c)
	f.precision = "f32"
	s.BoolVar(&f.json, "json", false, "machine-readable output")
	return c
}

// inspect describes a weight file.
func inspect(c *cobra.Command, m *modelFlags) (*inspection, error) {
	f, err := m.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := f.SHA256()
	if err != nil {
		return nil, err
	}
	in := &inspection{File: m.weights, Format: f.Format(), SHA256: sum, Keys: f.Dicts(), Labels: f.About().Labels,
		Metadata: f.Metadata(), Globals: append([]string{}, f.Globals()...), Tensors: []tensorLine{}}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		in.Tensors = append(in.Tensors, tensorLine{name, t.DType, append([]int{}, t.Shape...)})
	}
	spec, err := zoo.ParseSpec(m.model)
	if err != nil {
		return nil, err
	}
	arch, err := zoo.Match(f, spec)
	if err != nil {
		in.Why = err.Error()
		return in, nil
	}
	facts := arch.Facts
	in.Model, in.Classes, in.Head, in.Prefix, in.Ignored = arch.Name, facts.Classes, facts.Head, facts.Prefix, facts.Ignored
	for _, l := range facts.Layers {
		in.Layers = append(in.Layers, layerLine{l.Name, [3]int{l.Shape.C, l.Shape.H, l.Shape.W}})
	}
	for _, a := range facts.Assumed {
		u := undecided{What: a.What, Taken: a.Taken}
		if a.Setting != "" {
			u.Other = "--model :" + a.Setting
		}
		in.Undecided = append(in.Undecided, u)
	}
	switch t, err := m.input.choose(c, arch, f, false); {
	case err == nil:
		in.Input, in.InputFrom = &t.Transform, t.from
	case isUsage(err):
		return nil, err
	default:
		in.InputFrom = err.Error()
	}
	return in, nil
}

// mostLayers is how many layers are printed for people.
const mostLayers = 12

// print writes the description for people.
func (in *inspection) print() {
	line := func(what, format string, args ...any) {
		stdout.Printf("  %-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	stdout.Printf("%v\n", in.File)
	line("format", "%s", in.Format)
	line("sha256", "%s", in.SHA256)
	for i, k := range in.Keys {
		if what := "or --key"; len(in.Keys) > 1 {
			if i == 0 {
				what = "key"
			}
			line(what, "%s (%d tensors)", printable(k.Key), k.Tensors)
		}
	}
	if in.Model == "" {
		line("model", "none: %s", in.Why)
	} else {
		line("model", "%s with %d classes", in.Model, in.Classes)
		line("head", "%s", printable(in.Head))
		if in.Prefix != "" {
			line("prefix", "%s", printable(in.Prefix))
		}
		if in.Input != nil {
			line("input", "%s (%s)", in.Input.String(), printable(in.InputFrom))
		} else {
			line("input", "%s", in.InputFrom)
		}
	}
	for i, l := range in.Layers {
		if i == mostLayers {
			line("layers", "and %d more", len(in.Layers)-i)
			break
		}
		line("layer", "%s %v", printable(l.Name), l.Shape)
	}
	if n := len(in.Labels); n > 0 && (n == in.Classes || in.Classes == 1) {
		line("labels", "%s ... %s", printable(in.Labels[0]), printable(in.Labels[n-1]))
	} else if n > 0 {
		line("labels", "%d, of another number of classes: not used", n)
	}
	for _, name := range in.Ignored[:min(len(in.Ignored), 8)] {
		line("ignored", "%s", printable(name))
	}
	if more := len(in.Ignored) - 8; more > 0 {
		line("ignored", "and %d more", more)
	}
	for _, u := range in.Undecided {
		text := u.What + ": taken as " + u.Taken
		if u.Other != "" {
			text += "; " + u.Other + " chooses otherwise"
		}
		line("undecided", "%s", text)
	}
	for _, k := range slices.Sorted(maps.Keys(in.Metadata)) {
		line("metadata", "%s: %s", printable(k), printable(in.Metadata[k]))
	}
	for _, g := range in.Globals {
		line("global", "%s", printable(g))
	}
	width, elements := 0, 0
	for _, t := range in.Tensors {
		width = max(width, utf8.RuneCountInString(printable(t.Name)))
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		elements += n
	}
	width = min(width, 60)
	line("tensors", "%d with %d elements", len(in.Tensors), elements)
	for _, t := range in.Tensors {
		stdout.Printf("    %-*s %-4s %v\n", width, printable(t.Name), t.DType, t.Shape)
	}
}

// printable is text from a file as it may go to a terminal: quoted where it is anything but
// one plain line, and not endless.
func printable(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

func newWeightsConvert() *cobra.Command {
	var f modelFlags
	var out string
	c := &cobra.Command{
		Use:   "convert IN -o OUT.safetensors",
		Short: "Write the tensors of a weight file as .safetensors",
		Long: `Write the tensors of a weight file or folder as .safetensors, with their names and types.
Class names and the network's input, where the file tells them, go into its metadata. OUT
appears whole or not at all, and is the same bytes whenever IN is.`,
		Example: `  cwox weights convert model.pth -o model.safetensors
  cwox weights convert --key state_dict_ema checkpoint.pth.tar -o model.safetensors`,
		Args: exactly(1, "a weight file or folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if filepath.Ext(out) != ".safetensors" {
				return usage(c, "-o %q: want a name that ends in .safetensors", out)
			}
			f.weights = args[0]
			if err := convert(&f, out); err != nil {
				return err
			}
			in, err := inspect(c, &modelFlags{weights: out, precision: "f32"})
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(in)
			}
			stdout.Printf("%s: %d tensors, sha256 %s\n", out, len(in.Tensors), in.SHA256)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write")
	c.Flags().StringVar(&f.key, "key", "", "state dict to take of a file that holds several")
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output: what inspect says of the new file")
	return c
}

// convert writes the tensors of a weight file to a new one, and what it says of itself.
func convert(m *modelFlags, out string) error {
	f, err := m.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Format() == weights.ONNX {
		return fmt.Errorf("%s: an ONNX model is a network, which its tensors alone would not be: name it with --weights as it is", m.weights)
	}
	metadata := f.Metadata()
	if metadata == nil {
		metadata = map[string]string{}
	}
	if f.Format() != weights.Safetensors {
		metadata["format"] = "pt" // what readers in Python look for
	}
	if labels := f.About().Labels; labels != nil && metadata["classes"] == "" {
		metadata["classes"] = strings.Join(labels, "\n")
	}
	t, _, ok, err := vision.FromConfig(f.About().Config, f.About().Preprocessor, metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if ok {
		text, err := json.Marshal(t)
		if err != nil {
			return err
		}
		metadata[vision.MetadataKey] = string(text)
	}
	var tensors []*weights.Tensor
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		tensors = append(tensors, t)
	}
	spec, err := keptSpec(m, f, tensors)
	if err != nil {
		return err
	}
	if len(spec.Settings) > 0 {
		metadata[zoo.MetadataKey] = spec.String()
	}
	return weights.WriteFile(out, tensors, metadata)
}

// keptSpec are the settings that must go with the tensors of a file alone; none where the file
// holds no network that is known.
func keptSpec(m *modelFlags, f *weights.File, tensors []*weights.Tensor) (zoo.Spec, error) {
	spec, err := zoo.ParseSpec(m.model)
	if err != nil {
		return spec, err
	}
	arch, err := zoo.Match(f, spec)
	if err != nil {
		return zoo.Spec{}, nil
	}
	return arch.Kept(weights.Bare(f.Name(), tensors), zoo.Spec{Settings: spec.Settings})
}
