package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"cwox/nn/zoo"
	"cwox/weights"
)

func newWeights() *cobra.Command {
	c := &cobra.Command{
		Use:   "weights",
		Short: "List, fetch, inspect and convert weight files",
		Long: `Weight files are .safetensors or PyTorch's .pth, told apart by content. A .pth file is read
by a machine that can build nothing but tensors: no code in it is ever run.`,
		Example: `  cwox weights list
  cwox weights fetch resnet50
  cwox weights inspect model.pth
  cwox weights convert model.pth -o model.safetensors`,
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
		RunE:                       helpOrSuggest,
	}
	c.AddCommand(newWeightsList(), newWeightsFetch(), newWeightsInspect(), newWeightsConvert())
	return c
}

// knownLine is one line of weights list --json.
type knownLine struct {
	Model string  `json:"model"`
	Name  string  `json:"name"`
	MiB   float64 `json:"mib"` // about
	URL   string  `json:"url"`
	File  string  `json:"file,omitempty"` // in the cache directory, if it was fetched
}

func newWeightsList() *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "The official files that can be fetched, and which are here",
		Long: `List torchvision's official weight files (IMAGENET1K_V1) for the models known here, and
where 'cwox weights fetch' put those that were fetched.`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := weights.CacheDir()
			if err != nil {
				return err
			}
			if !f.json {
				fmt.Printf("In %s:\n", dir)
			}
			for _, k := range weights.Known() {
				line := knownLine{Model: k.Model, Name: k.Name, MiB: k.MiB, URL: k.URL()}
				state := "not fetched"
				if path, ok := weights.Cached(k.Model); ok {
					line.File, state = path, "here"
				}
				if f.json {
					if err := printJSON(line); err != nil {
						return err
					}
				} else {
					fmt.Printf("  %-10s %-24s %6.1f MiB  %s\n", k.Model, k.Name, k.MiB, state)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output, a line for each file")
	return c
}

// lookupKnown is a variable for the tests' sake: nobody can make another file with the hash of
// an official one.
var lookupKnown = weights.LookupKnown

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
the user's cache directory), where the other commands find them. The SHA-256 is checked
before a file gets its name. A download that was broken off is kept as NAME.part, and the
same command goes on where it stopped.

Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY); ` + mirrorEnv + ` names
another folder to fetch from, a mirror for instance. Without a network, copy the file by
hand and name it with --weights.`,
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
					fmt.Println(path)
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

// inspection is what weights inspect --json prints.
type inspection struct {
	File     string            `json:"file"`
	Format   weights.Format    `json:"format"`
	SHA256   string            `json:"sha256"`
	Model    string            `json:"model,omitempty"` // architecture whose tensors these are
	Classes  int               `json:"classes,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Globals  []string          `json:"globals"` // that a pickle names
	Tensors  []tensorLine      `json:"tensors"` // in file order
}

type tensorLine struct {
	Name  string        `json:"name"`
	DType weights.DType `json:"dtype"`
	Shape []int         `json:"shape"`
}

func newWeightsInspect() *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Tensors, format, hash and architecture of a weight file",
		Long: `List the tensors of a weight file with their types and shapes, its container, its SHA-256,
the Python names that a .pth file's pickle refers to, and the architecture it fits.
Nothing in the file is run.`,
		Example: `  cwox weights inspect model.pth
  cwox weights inspect --json model.safetensors | jq '.tensors[].name'`,
		Args: exactly(1, "a weight file"),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := inspect(args[0])
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
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output")
	return c
}

// inspect describes a weight file.
func inspect(path string) (*inspection, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := f.SHA256()
	if err != nil {
		return nil, err
	}
	in := &inspection{File: path, Format: f.Format(), SHA256: sum, Metadata: f.Metadata(),
		Globals: append([]string{}, f.Globals()...), Tensors: []tensorLine{}}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		in.Tensors = append(in.Tensors, tensorLine{name, t.DType, append([]int{}, t.Shape...)})
	}
	if a, err := zoo.Match(f, zoo.Spec{}); err == nil {
		in.Model, in.Classes = a.Name, a.Facts.Classes
	}
	return in, nil
}

// print writes the description for people.
func (in *inspection) print() {
	fmt.Println(in.File)
	fmt.Printf("  format   %s\n", in.Format)
	fmt.Printf("  sha256   %s\n", in.SHA256)
	if in.Model == "" {
		fmt.Println("  model    none that is known here")
	} else {
		fmt.Printf("  model    %s with %d classes\n", in.Model, in.Classes)
	}
	var keys []string
	for k := range in.Metadata {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Printf("  metadata %s: %s\n", printable(k), printable(in.Metadata[k]))
	}
	for _, g := range in.Globals {
		fmt.Printf("  global   %s\n", printable(g))
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
	fmt.Printf("  tensors  %d with %d elements\n", len(in.Tensors), elements)
	for _, t := range in.Tensors {
		fmt.Printf("    %-*s %-4s %v\n", width, printable(t.Name), t.DType, t.Shape)
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
		Long: `Write the tensors of a .pth or .safetensors file as .safetensors, with their names and
types. A prefix that all names share ("module.") is dropped. OUT appears whole or not at
all, and is the same bytes whenever IN is.`,
		Example: `  cwox weights convert model.pth -o model.safetensors`,
		Args:    exactly(1, "a weight file"),
		RunE: func(c *cobra.Command, args []string) error {
			if filepath.Ext(out) != ".safetensors" {
				return usage(c, "-o %q: want a name that ends in .safetensors", out)
			}
			if err := convert(args[0], out); err != nil {
				return err
			}
			in, err := inspect(out)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(in)
			}
			fmt.Printf("%s: %d tensors, sha256 %s\n", out, len(in.Tensors), in.SHA256)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write")
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output: what inspect says of the new file")
	return c
}

// convert writes the tensors of a weight file to a new one.
func convert(path, out string) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	metadata := f.Metadata()
	if f.Format() != weights.Safetensors {
		metadata = map[string]string{"format": "pt"} // what readers in Python look for
	}
	var tensors []*weights.Tensor
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		tensors = append(tensors, t)
	}
	return weights.WriteFile(out, tensors, metadata)
}
