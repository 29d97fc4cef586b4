package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"cwox/asm"
	"cwox/bench"
	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/internal/demo"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// modelFlags are the flags of every command that runs a network.
type modelFlags struct {
	model, weights, labels string
	threads                int
	precision              string
	direct                 bool
	ignoreOrientation      bool
	seed                   uint64
	quiet, json            bool

	file *weights.File // set by load
}

func (f *modelFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.model, "model", "resnet50", "architecture: "+strings.Join(zoo.Names(), ", "))
	s.StringVar(&f.weights, "weights", "", "weight file, .pth or .safetensors (default: the one fetched into the cache; demo: the embedded one)")
	s.StringVar(&f.labels, "labels", "", "class names, one a line (default: those that the weight file names; ImageNet's for 1000 classes)")
	s.IntVar(&f.threads, "threads", 0, "goroutines to compute with (default: all processors)")
	s.StringVar(&f.precision, "precision", "f32", "arithmetic: f32, or bf16 (faster, less exact)")
	s.BoolVar(&f.direct, "direct", false, "no Winograd transforms: sum every convolution as it is defined")
	s.BoolVar(&f.ignoreOrientation, "ignore-orientation", false, "leave EXIF rotation alone")
	s.Uint64Var(&f.seed, "seed", 0, "seed of everything random")
	f.addOutput(c)
	_ = c.RegisterFlagCompletionFunc("precision", cobra.FixedCompletions([]string{"f32", "bf16"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("model", cobra.FixedCompletions(zoo.Names(), cobra.ShellCompDirectiveNoFileComp))
}

// addOutput adds the flags that say what is printed.
func (f *modelFlags) addOutput(c *cobra.Command) {
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress on standard error")
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output on standard output")
}

// check finds mistakes that need no file to be opened.
func (f *modelFlags) check(c *cobra.Command) error {
	if _, err := zoo.Lookup(f.model); err != nil {
		return usage(c, "--model %s: unknown (known: %s)", f.model, strings.Join(zoo.Names(), ", "))
	}
	if f.precision != "f32" && f.precision != "bf16" {
		return usage(c, "--precision %s: want f32 or bf16", f.precision)
	}
	if f.threads < 0 {
		return usage(c, "--threads %d: want at least 1", f.threads)
	}
	return nil
}

// load opens the weights and builds the network. The returned function closes the file.
func (f *modelFlags) load(c *cobra.Command) (*cwox.Classifier, func(), error) {
	if err := f.check(c); err != nil {
		return nil, nil, err
	}
	arch, err := zoo.Lookup(f.model)
	if err != nil {
		return nil, nil, err
	}
	if f.threads > 0 {
		runtime.GOMAXPROCS(max(f.threads, 1))
	}
	if f.model == zoo.Demo && f.weights == "" {
		return f.loadDemo()
	}
	path := f.weights
	if path == "" {
		cached, ok := weights.Cached(f.model)
		if !ok {
			if _, err := weights.LookupKnown(f.model); err != nil {
				return nil, nil, fmt.Errorf("no weights for %s: name a file with --weights (there is no official file to fetch)", f.model)
			}
			return nil, nil, fmt.Errorf("no weights for %s: get them with 'cwox weights fetch %s', or name a file with --weights", f.model, f.model)
		}
		path = cached
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, nil, err
	}
	cl, err := f.classifier(arch, file)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	f.warnSlowBF16()
	f.file = file
	return cl, func() { file.Close() }, nil
}

// loadDemo builds the embedded network. Its file is never closed.
func (f *modelFlags) loadDemo() (*cwox.Classifier, func(), error) {
	cl, err := cwox.Demo(f.compile())
	if err == nil && f.labels != "" {
		cl.Labels, err = readLabels(f.labels, cl.Net.Classes())
	}
	if err != nil {
		return nil, nil, err
	}
	f.warnSlowBF16()
	f.file = demo.Weights()
	return cl, func() {}, nil
}

// compile are the options of the network.
func (f *modelFlags) compile() nn.CompileOptions {
	return nn.CompileOptions{BF16: f.precision == "bf16", Direct: f.direct}
}

// classifier builds the network while the file's hash is computed.
func (f *modelFlags) classifier(arch *zoo.Arch, file *weights.File) (*cwox.Classifier, error) {
	type result struct {
		sum string
		err error
	}
	hash := make(chan result, 1)
	go func() {
		sum, err := file.SHA256()
		hash <- result{sum, err}
	}()
	net, err := arch.Load(file, zoo.LoadOptions{CompileOptions: f.compile()})
	h := <-hash
	if err == nil {
		err = h.err
	}
	if err != nil {
		return nil, err
	}
	file.Release() // the network has packed what it needs
	labels := zoo.FileLabels(file, net.Classes())
	if f.labels != "" {
		if labels, err = readLabels(f.labels, net.Classes()); err != nil {
			return nil, err
		}
	}
	return &cwox.Classifier{Net: net, Arch: arch, Transform: arch.Transform, Labels: labels, WeightsFile: file.Path(), WeightsSHA256: h.sum}, nil
}

// warnSlowBF16 says so where bfloat16 is not faster than float32 on this CPU.
func (f *modelFlags) warnSlowBF16() {
	k, _, err := asm.Select()
	if err != nil || f.precision != "bf16" || f.quiet {
		return
	}
	if gain := bench.BF16Gain(k); gain < 1.2 {
		fmt.Fprintf(os.Stderr, "cwox: bf16 multiplies at %.2f times the speed of f32 on this CPU (kernels %s): --precision f32 is the better choice here\n", gain, k.Tier)
	}
}

// readLabels reads one class name a line.
func readLabels(path string, classes int) ([]string, error) {
	lines, err := readNames(path)
	if err == nil && len(lines) != classes {
		err = fmt.Errorf("%s: %d class names, the model has %d classes", path, len(lines), classes)
	}
	return lines, err
}

// readNames reads one class name a line.
func readNames(path string) ([]string, error) {
	const most = 16 << 20
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s: %d bytes of class names, at most %d are read", path, info.Size(), most)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
	for i, l := range lines {
		first, _, _ := strings.Cut(l, ",") // lists of synonyms: the first one
		lines[i] = strings.TrimSpace(first)
	}
	return lines, nil
}

func (f *modelFlags) vision() vision.Options {
	return vision.Options{IgnoreOrientation: f.ignoreOrientation}
}

// findImages replaces each folder by the images in it, in order of name.
func findImages(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, arg)
			continue
		}
		images, err := dataset.Folder(arg)
		if err != nil {
			return nil, err
		}
		out = append(out, images...)
	}
	return out, nil
}

// printJSON writes v as one line of JSON on standard output.
func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
