package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/internal/outside"
	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// inputFlags say what the network's input is made of a picture.
type inputFlags struct {
	preprocess, size, resize, crop, interpolation, mean, std, channels, valueRange string
}

// inputChoices are the words that the flags take.
var inputChoices = map[string][]string{
	"preprocess":    {"auto", "torchvision", "paper", "timm"},
	"resize":        {"stretch"},
	"crop":          {"center", "none"},
	"interpolation": {"bilinear", "bicubic", "lanczos", "nearest"},
	"channels":      {"rgb", "bgr", "grey"},
	"range":         {"1", "255"},
}

func (f *inputFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.preprocess, "preprocess", "auto", "input: auto (what the file or a config beside it says; else the paper's stretch for its own networks, torchvision for others), torchvision (shorter side to 256, centre crop 224), paper, timm, or FILE.json")
	s.StringVar(&f.size, "size", "", "size of the network's input, N or HxW")
	s.StringVar(&f.resize, "resize", "", "stretch (to the input's size), N (the shorter side to N) or HxW (stretch to that)")
	s.StringVar(&f.crop, "crop", "", "center (to the input's size, after the resize) or none")
	s.StringVar(&f.interpolation, "interpolation", "", "bilinear, bicubic, lanczos or nearest, as Pillow's")
	s.StringVar(&f.mean, "mean", "", "taken from the channels: one value, or one each, e.g. 0.485,0.456,0.406")
	s.StringVar(&f.std, "std", "", "what the channels are divided by then")
	s.StringVar(&f.channels, "channels", "", "rgb, bgr or grey")
	s.StringVar(&f.valueRange, "range", "", "values before --mean is taken: 1 (from 0 to 1) or 255")
	for flag, words := range inputChoices {
		directive := cobra.ShellCompDirectiveNoFileComp
		if flag == "preprocess" {
			directive = cobra.ShellCompDirectiveDefault
		}
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, directive))
	}
}

// input is a transform and where it was found, in words.
type input struct {
	vision.Transform
	from  string // "config.json", "--preprocess torchvision", ...
	guess bool   // nothing said it: a convention was followed
}

// choose settles the input of a network: what --preprocess names, refined by the other
// flags. reference says that the authors' variant was asked for, which stretches.
func (f *inputFlags) choose(c *cobra.Command, arch *zoo.Arch, file *weights.File, reference bool) (*input, error) {
	in, err := f.base(c, arch, file, reference)
	if err == nil {
		err = f.refine(c, in)
	}
	if err == nil {
		err = in.Validate(arch.Facts.Channels)
	}
	return in, err
}

// base is the input before the other flags refine it.
func (f *inputFlags) base(c *cobra.Command, arch *zoo.Arch, file *weights.File, reference bool) (*input, error) {
	channels, width, height := arch.Facts.Channels, arch.Transform.Width, arch.Transform.Height
	small := strings.HasPrefix(arch.Facts.Stem, "3x3/1")
	if small {
		width, height = smallSide, smallSide
	}
	small = small || arch.Facts.FixedSize && max(width, height) <= smallSide
	preset := func(name string) (vision.Transform, error) {
		if channels != 1 && channels != 3 {
			return arch.Transform, nil // refused by Validate, in its words
		}
		t, err := vision.Preset(name, channels, height, width)
		return ownNumbers(arch, t), err
	}
	switch f.preprocess {
	case "", "auto", "timm":
		t, from, ok, err := vision.FromConfig(file.About().Config, file.About().Preprocessor, file.Metadata())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		switch {
		case ok:
			if own := arch.Transform; arch.Facts.FixedSize && (t.Width != own.Width || t.Height != own.Height) {
				t, from = resized(t, own.Width, own.Height), from+", at the model's size"
			}
			return &input{Transform: ownNumbers(arch, t), from: from}, nil
		case f.preprocess == "timm":
			t, err = preset("timm")
			return &input{Transform: t, from: "--preprocess timm"}, err
		case arch.OfPaper():
			return &input{Transform: arch.Transform, from: "as in the paper", guess: true}, nil
		case reference:
			t, err = preset("paper")
			return &input{Transform: t, from: "as the authors do", guess: true}, err
		}
		if small {
			t, err = preset("paper")
			return &input{Transform: t, from: "as for CIFAR, whose pictures are that small", guess: true}, err
		}
		t, err = preset("torchvision")
		return &input{Transform: t, from: "as torchvision does", guess: true}, err
	case "torchvision", "paper":
		t, err := preset(f.preprocess)
		return &input{Transform: t, from: "--preprocess " + f.preprocess}, err
	}
	text, err := outside.Read(f.preprocess, maxPreprocessBytes)
	if os.IsNotExist(err) {
		return nil, usage(c, "--preprocess %s: neither a file nor one of %s", f.preprocess, strings.Join(inputChoices["preprocess"], ", "))
	}
	if err != nil {
		return nil, err
	}
	t, err := vision.ParseTransform(f.preprocess, text)
	return &input{Transform: t, from: f.preprocess}, err
}

// ownNumbers gives a transform the channels and numbers of a network that has its own: Caffe's,
// or an ONNX model that normalises pixels itself; and torchvision's its resize, where that is not
// the same for all networks.
func ownNumbers(arch *zoo.Arch, t vision.Transform) vision.Transform {
	if own := arch.Transform; own.Name == t.Name && own.Crop == t.Crop && own.Width == t.Width && own.Height == t.Height {
		t.Resize, t.Interpolation = own.Resize, own.Interpolation
		if arch.Facts.Channels == 3 {
			t.Mean, t.Std = own.Mean, own.Std
		}
	}
	if own := arch.Transform; own.Name == vision.BVLC.Name && arch.Facts.Channels == 3 || arch.Facts.Range != 0 {
		t.Scale, t.Mean, t.Std = own.Scale, own.Mean, own.Std
		if own.Channels != "" {
			t.Channels = own.Channels
		}
	}
	return t
}

// smallSide is the input of networks that begin without reducing it, by convention: CIFAR's.
const smallSide = 32

// maxPreprocessBytes bounds the file of --preprocess.
const maxPreprocessBytes = 1 << 20

// refine applies the flags that say single things.
func (f *inputFlags) refine(c *cobra.Command, in *input) error {
	t := &in.Transform
	before := *t
	if f.size != "" {
		h, w, err := parseSize(f.size)
		if err != nil {
			return usage(c, "--size %s: %v", f.size, err)
		}
		*t = resized(*t, w, h)
	}
	switch {
	case f.resize == "":
	case f.resize == "stretch":
		t.Resize, t.Crop = vision.Resize{}, vision.NoCrop
	default:
		h, w, err := parseSize(f.resize)
		if err != nil {
			return usage(c, "--resize %s: %v, or stretch", f.resize, err)
		}
		if t.Crop == vision.NoCrop {
			t.Crop = vision.Center
		}
		if t.Resize = (vision.Resize{Width: w, Height: h}); !strings.ContainsAny(f.resize, "xX") {
			t.Resize = vision.Resize{Short: h}
		}
	}
	switch f.crop {
	case "":
	case "center":
		t.Crop = vision.Center
	case "none":
		if t.Crop = vision.NoCrop; f.resize == "" {
			t.Resize = vision.Resize{} // what the crop would have left out is to be seen
		}
	default:
		return wantWord(c, "crop", f.crop)
	}
	if f.interpolation != "" {
		t.Interpolation = vision.Interpolation(f.interpolation)
	}
	if f.channels != "" {
		t.Channels = vision.Channels(f.channels)
	}
	switch f.valueRange {
	case "":
	case "1":
		t.Scale = 255
	case "255":
		t.Scale = 1
	default:
		return wantWord(c, "range", f.valueRange)
	}
	for flag, word := range map[string]string{"interpolation": f.interpolation, "channels": f.channels} {
		if word != "" && !slices.Contains(inputChoices[flag], word) {
			return wantWord(c, flag, word)
		}
	}
	channels := 3
	if t.Channels == vision.Grey {
		channels = 1
	}
	var err error
	if t.Mean, err = perChannel(f.mean, t.Mean, channels); err != nil {
		return usage(c, "--mean %s: %v", f.mean, err)
	}
	if t.Std, err = perChannel(f.std, t.Std, channels); err != nil {
		return usage(c, "--std %s: %v", f.std, err)
	}
	if !reflect.DeepEqual(before, *t) {
		in.from += ", changed by flags"
		in.guess = in.guess && f.resize == "" && f.crop == "" // what is left of the picture was not said
		t.Name += ", changed"
	}
	return nil
}

// resized is a transform for an input of another size; a crop takes the same share of the
// picture.
func resized(t vision.Transform, width, height int) vision.Transform {
	r := &t.Resize
	if t.Crop != vision.NoCrop && r.Short > 0 && width != height {
		*r = vision.Resize{Width: r.Short, Height: r.Short, Fit: vision.Cover} // the share of each side
	}
	r.Short = r.Short * width / t.Width
	r.Width, r.Height = r.Width*width/t.Width, r.Height*height/t.Height
	t.Width, t.Height = width, height
	return t
}

func wantWord(c *cobra.Command, flag, word string) error {
	return usage(c, "--%s %s: want %s", flag, word, strings.Join(inputChoices[flag], ", "))
}

// parseSize reads "224" or "HxW".
func parseSize(text string) (h, w int, err error) {
	first, second, two := strings.Cut(strings.ToLower(text), "x")
	h, err1 := strconv.Atoi(first)
	w, err2 := h, error(nil)
	if two {
		w, err2 = strconv.Atoi(second)
	}
	if err1 != nil || err2 != nil || h < 1 || w < 1 {
		return 0, 0, fmt.Errorf("want N or HxW")
	}
	return h, w, nil
}

// perChannel reads one value, or one for each channel. Without text it is what was there, and
// 0.5 where that was of another number of channels, which nearly everybody takes for grey.
func perChannel(text string, was []float32, channels int) ([]float32, error) {
	values := was
	if text != "" {
		values = nil
		for part := range strings.SplitSeq(text, ",") {
			v, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
			if err != nil {
				return nil, fmt.Errorf("want numbers separated by commas")
			}
			values = append(values, float32(v))
		}
		if len(values) != 1 && len(values) != channels {
			return nil, fmt.Errorf("%d values for %d channels", len(values), channels)
		}
	}
	if len(values) == channels || len(values) == 0 {
		return values, nil
	}
	if text == "" {
		values = []float32{0.5}
	}
	return slices.Repeat(values[:1], channels), nil
}
