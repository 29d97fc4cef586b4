package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/internal/demo"
	"cwox/internal/demo/aim"
	"cwox/internal/drawnworld"
	"cwox/internal/say"
	"cwox/nn/zoo"
)

func newDemo() *cobra.Command {
	m := modelFlags{model: zoo.Demo}
	var f explainFlags
	var scene string
	var list bool
	c := &cobra.Command{
		Use:   "demo [flags]",
		Short: "Explain a drawn scene with the embedded model: no files, no network",
		Long: `Draw a scene, show it to the embedded network and explain what it says. The things in
these scenes come in families that share their body and differ in one part, so what a
heatmap should point at is known: the page outlines it and says how well the map does.

Writes what explain writes, and scene.png, truth.json and the masks that it names.`,
		Example: `  cwox demo
  cwox demo --seed 12 -o out
  cwox demo --scene 'cross van, sail boat' --explainer rise
  cwox demo --list`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, args []string) error {
			if list {
				return listScenes(stdout, m.json)
			}
			if err := errors.Join(m.check(c), f.check(c)); err != nil {
				return err
			}
			classes, err := parseScene(scene)
			if err != nil {
				return usage(c, "--scene %s: %v", scene, err)
			}
			return runDemo(c, &m, &f, drawnworld.New(m.seed, drawnworld.Options{Classes: classes}))
		},
	}
	s := c.Flags()
	s.StringVar(&scene, "scene", "", "things to draw, by name or number, back to front (default: the seed chooses)")
	s.BoolVar(&list, "list", false, "list the things that there are, and end")
	s.Uint64Var(&m.seed, "seed", demo.SceneSeed, "seed of the scene and of everything random")
	s.IntVar(&m.threads, "threads", 0, "goroutines to compute with (default: all processors)")
	s.StringVar(&m.precision, "precision", "f32", "arithmetic: f32, or bf16 (faster, less exact)")
	m.addOutput(c)
	f.add(c, "cwox-demo")
	m.completeClasses(c, "classes")
	_ = c.RegisterFlagCompletionFunc("scene", cobra.FixedCompletions(sceneNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// runDemo goes the way of explain, from the picture's file on.
func runDemo(c *cobra.Command, m *modelFlags, f *explainFlags, scene *drawnworld.Scene) error {
	picture := filepath.Join(f.out, drawnworld.SceneFile)
	if err := claim(f.out, []string{picture}, []string{""}, f.overwrite); err != nil {
		return err
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o, err := f.asked(c, m, cl)
	if err != nil {
		return err
	}
	if err := scene.WriteTruth(f.out, demo.PictureSize); err != nil {
		return err
	}
	p := cwox.New(cl)
	defer p.Close()
	e, err := explainOne(c.Context(), p, picture, o, m)
	if err != nil {
		return err
	}
	for _, one := range e {
		aim.Tell(scene, one)
	}
	if err := finish(f.out, e, m); err != nil || m.json {
		return err
	}
	for _, one := range e {
		describeTruth(stdout, one)
	}
	return nil
}

// describeTruth prints how well the maps point at what they should.
func describeTruth(w *say.Voice, e *cwox.Explanation) {
	w.Printf("%s\n", e.Truth)
	line := func(what string, a *cwox.Aim) {
		if a != nil {
			w.Printf("  %-20s %3.0f %% of the map lies on %s, %.0f %% would by chance\n", what, 100*a.Share, a.Name, 100*a.Chance)
		}
	}
	for i, k := range e.Clusters {
		line("cluster "+strconv.Itoa(i+1), k.Aim)
	}
	for _, k := range e.Classes {
		line(drawnworld.Classes()[k.Class].Name, k.Aim)
	}
}

// parseScene reads names or numbers of things, separated by commas; none gives nil.
func parseScene(text string) ([]int, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var out []int
	names := sceneNames()
	for word := range strings.SplitSeq(text, ",") {
		word = strings.ToLower(strings.Join(strings.Fields(word), " "))
		class := slices.Index(names, word)
		if n, err := strconv.Atoi(word); err == nil && n >= 0 && n < len(names) {
			class = n
		}
		if class < 0 {
			return nil, fmt.Errorf("there is no %q; cwox demo --list says what there is", word)
		}
		out = append(out, class)
	}
	if len(out) > drawnworld.MaxObjects {
		return nil, fmt.Errorf("%d things, at most %d fit", len(out), drawnworld.MaxObjects)
	}
	return out, nil
}

func sceneNames() []string {
	var out []string
	for _, c := range drawnworld.Classes() {
		out = append(out, c.Name)
	}
	return out
}

// listScenes prints the families and their members.
func listScenes(w *say.Voice, asJSON bool) error {
	classes := drawnworld.Classes()
	type member struct {
		Class int    `json:"class"`
		Label string `json:"label"`
		Part  string `json:"part"`
	}
	type family struct {
		Family   string   `json:"family"`
		Together bool     `json:"together,omitempty"` // drawn together, not alike
		Members  []member `json:"members"`
	}
	var all []family
	for _, f := range drawnworld.Families() {
		line := family{Family: f.Name, Together: f.Together}
		for _, c := range f.Classes {
			line.Members = append(line.Members, member{c, classes[c].Name, classes[c].Part})
		}
		all = append(all, line)
	}
	if asJSON {
		return printJSON(all)
	}
	for _, f := range all {
		how := "alike but for one part"
		if f.Together {
			how = "often drawn together"
		}
		w.Printf("%s: %s\n", f.Family, how)
		for _, c := range f.Members {
			w.Printf("  %3d  %s\n", c.Class, c.Label)
		}
	}
	return nil
}
