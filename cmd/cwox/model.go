package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cwox/asm"
	"cwox/bench"
	"cwox/cwox"
	"cwox/cwox/classname"
	"cwox/cwox/report"
	"cwox/internal/demo"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// modelFlags are the flags of every command that runs a network.
type modelFlags struct {
	model, weights, key, labels string
	multilabel                  bool
	input                       inputFlags
	threads                     int
	precision                   string
	direct                      bool
	ignoreOrientation           bool
	maxPixels, maxMemory        int64
	seed                        uint64
	quiet, json                 bool

	// reference says that the authors' variant is asked for, whose input is stretched.
	reference bool
	// recorded is the input of a report, if its explanation is to be made again.
	recorded *report.Input
	given    *inputs // network inputs given as they are; nil or none without --tensor

	file *weights.File // set by load
}

// defaultModel is the network of the official weights that are taken where none are named.
const defaultModel = "resnet50"

func (f *modelFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.model, "model", "", "network, where the weight file does not decide: NAME, NAME:key=value,... or :key=value,..., e.g. resnet50:stride=conv1 (default: what the file holds; without --weights "+defaultModel+")")
	s.StringVar(&f.weights, "weights", "", "weight file or folder: .pth, .pt, .ckpt, .safetensors, .onnx, shards, Hugging Face, timm (default: the one fetched into the cache; demo: the embedded one)")
	s.StringVar(&f.key, "key", "", "state dict to take of a file that holds several, e.g. state_dict_ema")
	s.StringVar(&f.labels, "labels", "", "class names, one a line, synonyms after commas (default: those of the weight file; ImageNet's for 1000 classes)")
	s.BoolVar(&f.multilabel, "multilabel", false, "every class has a probability of its own: the sigmoid of its logit")
	f.input.add(c)
	s.IntVar(&f.threads, "threads", 0, "goroutines to compute with (default: all processors, in a Slurm job those of a task)")
	s.StringVar(&f.precision, "precision", "f32", "arithmetic: f32, or bf16 (faster, less exact)")
	s.BoolVar(&f.direct, "direct", false, "no Winograd transforms: sum every convolution as it is defined")
	s.BoolVar(&f.ignoreOrientation, "ignore-orientation", false, "leave EXIF rotation alone")
	s.Int64Var(&f.maxPixels, "max-pixels", vision.DefaultMaxPixels, "refuse images of more pixels")
	s.Int64Var(&f.maxMemory, "max-memory", vision.DefaultMaxMemory, "refuse images that take more bytes to decode, or files of more than an eighth of it")
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
	spec, err := zoo.ParseSpec(f.model)
	switch {
	case err != nil:
		return usage(c, "--model %s: %v", f.model, errors.Unwrap(err))
	case spec.Name != "" && !slices.Contains(zoo.Names(), spec.Name):
		return usage(c, "--model %s: unknown (known: %s)", f.model, strings.Join(zoo.Names(), ", "))
	case f.precision != "f32" && f.precision != "bf16":
		return usage(c, "--precision %s: want f32 or bf16", f.precision)
	}
	return nil
}

// load opens the weights and builds the network. The returned function closes the file.
func (f *modelFlags) load(c *cobra.Command) (*cwox.Classifier, func(), error) {
	if err := f.check(c); err != nil {
		return nil, nil, err
	}
	if f.threads > 0 {
		runtime.GOMAXPROCS(max(f.threads, 1))
	}
	f.warnSlowBF16()
	if f.model == zoo.Demo && f.weights == "" {
		cl, err := f.classifier(c, demo.Weights())
		return cl, func() {}, err // the embedded file is never closed
	}
	file, err := f.open()
	if err != nil {
		return nil, nil, err
	}
	cl, err := f.classifier(c, file)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return cl, func() { file.Close() }, nil
}

// open opens the weight file that was named, or that of the cache.
func (f *modelFlags) open() (*weights.File, error) {
	path := f.weights
	if path == "" {
		spec, _ := zoo.ParseSpec(f.model)
		name := spec.Name
		if name == "" {
			name = defaultModel
		}
		cached, ok := weights.Cached(name)
		if !ok {
			if _, err := weights.LookupKnown(name); err != nil {
				return nil, fmt.Errorf("no weights for %s: name a file with --weights (there is no official file to fetch)", name)
			}
			return nil, fmt.Errorf("no weights for %s: get them with 'cwox weights fetch %s', or name a file with --weights", name, name)
		}
		path = cached
	}
	return weights.OpenOptions(path, weights.Options{Key: f.key})
}

// arch is the network of the weight file.
func (f *modelFlags) arch() (*zoo.Arch, error) {
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	spec, err := zoo.ParseSpec(f.model)
	if err != nil {
		return nil, err
	}
	return zoo.Match(file, spec)
}

// classifier finds out what the file holds, says so, and builds the network while the file's
// hash is computed.
func (f *modelFlags) classifier(c *cobra.Command, file *weights.File) (*cwox.Classifier, error) {
	f.file = file
	spec, err := zoo.ParseSpec(f.model)
	if err != nil {
		return nil, err
	}
	arch, err := zoo.Match(file, spec)
	if err != nil {
		return nil, err
	}
	in, err := f.chooseInput(c, arch, file)
	if err != nil {
		return nil, err
	}
	cl := &cwox.Classifier{Arch: arch, Transform: in.Transform, TransformFrom: in.from, MultiLabel: (f.multilabel || arch.Facts.Sigmoid) && !arch.OneLogit(), WeightsFile: file.Path()}
	if cl.Labels, cl.Synonyms, err = f.chooseLabels(arch, file); err != nil {
		return nil, err
	}
	if cl.WeightsKey = f.key; f.key == "" && len(file.Dicts()) > 1 {
		cl.WeightsKey = file.Dicts()[0].Key
	}
	if len(spec.Settings) > 0 {
		cl.Settings = zoo.Spec{Settings: spec.Settings}.String()
	}
	for _, a := range arch.Facts.Warnings() {
		cl.Warnings = append(cl.Warnings, cwox.Warning{Code: "assumed", Message: a.String() + "."})
	}
	f.say(arch, file, in)
	sum := make(chan error, 1)
	go func() {
		hash, err := file.SHA256()
		cl.WeightsSHA256 = hash
		sum <- err
	}()
	cl.Net, err = arch.Load(file, zoo.LoadOptions{CompileOptions: f.compile(), Width: in.Width, Height: in.Height})
	if err := errors.Join(err, <-sum); err != nil {
		return nil, err
	}
	file.Release() // the network has packed what it needs
	return cl, nil
}

// chooseInput settles the input. A network that is given its input as it is needs none.
func (f *modelFlags) chooseInput(c *cobra.Command, arch *zoo.Arch, file *weights.File) (*input, error) {
	if f.recorded != nil {
		return &input{Transform: *f.recorded.Transform, from: f.recorded.From}, nil
	}
	if f.given == nil || f.given.n == 0 {
		return f.input.choose(c, arch, file, f.reference)
	}
	in := f.given.arranged(arch.Facts.ChannelsLast)
	if n := arch.Facts.Channels; n != in.c {
		return nil, fmt.Errorf("--tensor: inputs of %d channels, %s takes %d", in.c, arch.Name, n)
	}
	return &input{Transform: vision.Transform{Name: "given", Width: in.w, Height: in.h}}, nil
}

// chooseLabels names the classes, and says by what other names they can be found.
func (f *modelFlags) chooseLabels(arch *zoo.Arch, file *weights.File) (labels []string, synonyms [][]string, err error) {
	switch {
	case f.labels != "":
		if labels, synonyms, err = readNames(f.labels); err != nil {
			return nil, nil, err
		}
		if n := len(labels); n != arch.Classes() && (n != 1 || !arch.OneLogit()) {
			return nil, nil, fmt.Errorf("%s: %d class names, the model has %d classes", f.labels, n, arch.Classes())
		}
	case arch.OneLogit():
		labels = file.About().Labels
	default:
		labels = zoo.FileLabels(file, arch.Classes())
	}
	if arch.OneLogit() {
		labels = cwox.BinaryLabels(labels)
	}
	return labels, synonyms, nil
}

// warnStatistics says so where the statistics in the weights do not fit the first input.
func (f *modelFlags) warnStatistics(p *cwox.Pipeline) {
	if s, _ := p.Statistics(); s.Warning() != "" && !f.quiet {
		stderr.Printf("cwox: %s. 'cwox weights check' tries the alternatives.\n", s.Warning())
	}
}

// say prints what was taken: a line for the network, one for the input where nothing but a
// convention says it, and one for each thing that the file does not tell and that matters.
func (f *modelFlags) say(arch *zoo.Arch, file *weights.File, in *input) {
	if f.quiet || file.Path() == "" {
		return
	}
	stderr.Printf("weights: %v\n", arch.Describe())
	if dicts := file.Dicts(); len(dicts) > 1 {
		var others []string
		for _, d := range dicts[1:] {
			others = append(others, "--key "+d.Key)
		}
		stderr.Printf("weights: took %q of the file; %s takes another\n", dicts[0].Key, strings.Join(others, " or "))
	}
	for _, a := range arch.Facts.Warnings() {
		stderr.Printf("weights: %v\n", a)
	}
	if in.guess {
		other := "--preprocess torchvision crops as torchvision does"
		if in.Crop != vision.NoCrop {
			other = "--preprocess paper stretches the whole picture instead"
		}
		stderr.Printf("input: %s %s; %s\n", in.Geometry(), in.from, other)
	}
}

// compile are the options of the network.
func (f *modelFlags) compile() nn.CompileOptions {
	return nn.CompileOptions{BF16: f.precision == "bf16", Direct: f.direct}
}

// warnSlowBF16 says so where bfloat16 is not faster than float32 on this CPU.
func (f *modelFlags) warnSlowBF16() {
	k, _, err := asm.Select()
	if err != nil || f.precision != "bf16" || f.quiet {
		return
	}
	if gain := bench.BF16Gain(k); gain < 1.2 {
		stderr.Printf("cwox: bf16 multiplies at %.2f times the speed of f32 on this CPU (kernels %s): --precision f32 is the better choice here\n", gain, k.Tier)
	}
}

func (f *modelFlags) vision() vision.Options {
	return vision.Options{IgnoreOrientation: f.ignoreOrientation, MaxPixels: f.maxPixels, MaxMemory: f.maxMemory}
}

// completeClasses completes a list of classes: of the weight file or the labels named so far,
// else ImageNet's.
func (f *modelFlags) completeClasses(c *cobra.Command, flags ...string) {
	for _, flag := range flags {
		_ = c.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
			return f.classNames().Complete(text, 100), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		})
	}
}

// classNames are the classes as far as the flags tell without building the network.
func (f *modelFlags) classNames() *classname.Names {
	if f.labels != "" {
		if labels, synonyms, err := readNames(f.labels); err == nil {
			return classname.New(len(labels), labels, synonyms)
		}
	}
	labels := zoo.Labels(1000)
	file := demo.Weights()
	if f.model != zoo.Demo || f.weights != "" {
		var err error
		if file, err = f.open(); err != nil {
			return classname.New(len(labels), labels, nil)
		}
		defer file.Close()
	}
	spec, _ := zoo.ParseSpec(f.model)
	if arch, err := zoo.Match(file, spec); err == nil {
		if own, synonyms, err := f.chooseLabels(arch, file); err == nil {
			return classname.New(arch.Classes(), own, synonyms)
		}
	}
	return classname.New(len(labels), labels, nil)
}
