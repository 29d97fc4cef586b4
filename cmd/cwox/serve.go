package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"image/png"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/serve"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
	"cwox/internal/outside"
	"cwox/nn/zoo"
)

// demoScenes are drawn for the demo's page: scenes with several clusters.
var demoScenes = []uint64{demo.SceneSeed, 12, 7, 21, 33, 40, 58, 64}

type serveFlags struct {
	listen      string
	hosts       []string
	token, open bool
	queue       int
	maxUpload   int64
	keepMemory  int64
}

func newServe() *cobra.Command {
	var m modelFlags
	var f explainFlags
	var s serveFlags
	c := &cobra.Command{
		Use:   "serve [flags] [FOLDER|IMAGE...]",
		Short: "The web page: explain pictures, move classes, erase and watch",
		Long: `Serve a web page for one classifier. Upload a picture, or pick one of those named here, and
change what is asked while you look: how many classes, which of them, the confusion clusters
(in the tree, or by moving a class), method, explainer, layers and thresholds, two of them
side by side. Erase a part of the picture and see the probabilities change; follow the
deletion curve of a map; save what you see as a report that 'cwox verify' accepts.

FOLDER is a folder of pictures, or what explain, evaluate or confusions has written, whose
pages are then shown, too. Settings that are given here are those that the page begins with.

The first line on standard output is the address. Only this machine is listened to, unless
--listen says otherwise: then the address has a token that clients need to know (the page
keeps it; programs send the header 'Authorization: Bearer TOKEN'), and a name other than an
address or the host's own has to be allowed with --host. The page works without a network, and
pictures stay in memory. Ctrl-C ends it.

The interface for programs: POST /api/explain (multipart/form-data: image, settings) answers
{"id"}; then GET /api/jobs/ID, GET /api/jobs/ID/events (server-sent events), GET
/api/jobs/ID/report.zip, DELETE /api/jobs/ID; POST /api/jobs/ID/probe (a mask, a byte a
pixel) and /api/jobs/ID/curve; GET /api/model; GET /healthz. Settings are explain's flags by
their names without dashes in front: {"explainer":"rise","clusters":[["cello","violin"],[402]]}.
'go doc cwox/cwox/serve' has it in full.`,
		Example: `  cwox serve --model demo --open
  cwox serve photos/
  cwox serve --weights finetuned.pth --top 3 cwox-out/
  cwox serve --listen 0.0.0.0:8080 --host lab.example.org`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return runServe(c, &m, &f, &s, args) },
	}
	m.add(c)
	_ = c.Flags().MarkHidden("json") // one line is printed
	f.addTree(c)
	f.addQuestion(c)
	f.addEffects(c)
	m.completeClasses(c, "classes")
	fs := c.Flags()
	fs.StringVar(&s.listen, "listen", "127.0.0.1:0", "address and port to listen to; port 0 is any that is free")
	fs.StringSliceVar(&s.hosts, "host", nil, "further name that the server is reached by; may be repeated")
	fs.BoolVar(&s.token, "token", false, "ask clients of this machine for a token, too: other users of it may reach the port")
	fs.BoolVar(&s.open, "open", false, "open the page in a browser")
	fs.IntVar(&s.queue, "queue", 16, "let this many long computations wait (RISE, LIME), eight times as many short ones")
	fs.Int64Var(&s.maxUpload, "max-upload", 32<<20, "refuse uploads of more bytes")
	fs.Int64Var(&s.keepMemory, "keep-memory", 512<<20, "forget the pictures and answers used least recently beyond this many bytes")
	return c
}

func runServe(c *cobra.Command, m *modelFlags, f *explainFlags, s *serveFlags, args []string) error {
	if err := f.check(c); err != nil {
		return err
	}
	cfg := serve.Config{Hosts: s.hosts, Queue: s.queue, MaxUpload: s.maxUpload, MaxMemory: s.keepMemory, Threads: m.threads, Version: fullVersion()}
	if err := openServed(c, &cfg, args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return usage(c, "--listen %s: %v (want an address of this machine and a port, such as 127.0.0.1:8080)", s.listen, err)
	}
	defer l.Close()
	address := "http://" + hostOf(l, &cfg) + "/"
	if cfg.Public || s.token {
		cfg.Token = rand.Text()
		address += "#token=" + cfg.Token
	}
	m.reference = f.variant == string(cwox.Reference)
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o, err := f.options(c, m, cl)
	if err != nil {
		return err
	}
	if cfg.Examples == nil && cfg.Pages == nil && cl.Arch.Name == zoo.Demo && m.weights == "" {
		for _, seed := range demoScenes {
			cfg.Examples = append(cfg.Examples, drawnExample(seed))
		}
	}
	if o.Tree == nil { // clusters were given
		o.Tree = cwox.DefaultTree(cl)
	}
	cfg.Classifier, cfg.Tree, cfg.TreeFile, cfg.Decode = cl, o.Tree, o.TreeFile, m.vision()
	q := question{c, m, cl, &cwox.Options{Tree: o.Tree, TreeFile: o.TreeFile}}
	if _, err := q.options(nil); err != nil {
		return err
	}
	cfg.Options, cfg.Settings = q.options, q.shown()
	server, err := serve.New(cfg)
	if err != nil {
		return err
	}
	stdout.Printf("%s\n", address)
	if s.open {
		if err := browse(address); err != nil {
			stderr.Printf("cwox: --open: %v; open the address above\n", err)
		}
	}
	return server.Serve(c.Context(), l)
}

// hostOf is the name and port by which a listener is reached, and says in cfg whether others
// than this machine reach it.
func hostOf(l net.Listener, cfg *serve.Config) string {
	addr, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil { // of no kind that net.Listen makes
		cfg.Public = true
		return l.Addr().String()
	}
	cfg.Public = !addr.Addr().Unmap().IsLoopback()
	if !addr.Addr().IsUnspecified() {
		return addr.String()
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	cfg.Hosts = append(cfg.Hosts, name)
	return net.JoinHostPort(name, fmt.Sprint(addr.Port()))
}

// openServed finds out what the arguments are: pictures, or a folder of results with pages.
func openServed(c *cobra.Command, cfg *serve.Config, args []string) error {
	var images []string
	for _, arg := range args {
		pages, of, err := resultsIn(arg)
		switch {
		case err != nil:
			return err
		case pages == nil:
			found, err := findImages([]string{arg})
			if err != nil {
				return err
			}
			images = append(images, found...)
			continue
		case cfg.Folder != nil:
			return usage(c, "%s: one folder of results can be shown, and %s is one", arg, cfg.Folder.Name())
		}
		if cfg.Folder, err = os.OpenRoot(arg); err != nil {
			return err
		}
		cfg.Pages, images = pages, append(images, of...)
	}
	for _, image := range images {
		cfg.Examples = append(cfg.Examples, serve.Example{Name: filepath.Base(image), Read: func() ([]byte, error) {
			return outside.Read(image, 1<<40) // as many as are decoded: see Config.MaxUpload
		}})
	}
	return nil
}

// resultsIn are the pages of a folder that a command has written, and the images that they are
// about, as far as these are still there.
func resultsIn(dir string) (pages []serve.Page, images []string, err error) {
	there := func(files ...string) bool {
		return slices.ContainsFunc(files, func(pattern string) bool {
			found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
			return len(found) > 0
		})
	}
	keep := func(image string) {
		if info, err := os.Stat(image); err == nil && info.Mode().IsRegular() {
			images = append(images, image)
		}
	}
	if !there(report.PageFile) {
		return nil, nil, nil
	}
	switch {
	case there(report.IndexFile):
		index, err := report.ReadIndex(dir)
		if err != nil {
			return nil, nil, err
		}
		pages = append(pages, serve.Page{Title: fmt.Sprintf("Reports of %d images", len(index.Images)), Path: report.PageFile})
		for _, i := range index.Images {
			keep(i.File)
		}
	case there(report.JSONFile):
		r, err := report.ReadJSON(filepath.Join(dir, report.JSONFile))
		if err != nil {
			return nil, nil, err
		}
		pages = append(pages, serve.Page{Title: "Report of " + filepath.Base(r.Image.File), Path: report.PageFile})
		keep(r.Image.File)
	case there(confusedSet.marks...):
		pages = append(pages, serve.Page{Title: "What is confused", Path: report.PageFile})
	case there(evaluation.marks...):
		pages = append(pages, serve.Page{Title: "Evaluation", Path: report.PageFile})
	}
	return pages, images, nil
}

// escapeGlob is a path as a pattern that means just that.
func escapeGlob(path string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(path)
}

// drawnExample is a scene of the drawn world.
func drawnExample(seed uint64) serve.Example {
	return serve.Example{Name: fmt.Sprintf("scene-%d.png", seed), Read: func() ([]byte, error) {
		var text bytes.Buffer
		err := png.Encode(&text, drawnworld.New(seed, drawnworld.Options{}).Picture(demo.PictureSize).Image())
		return text.Bytes(), err
	}}
}

// question turns what a client asks for into options, as if it had been said on the command line.
type question struct {
	c    *cobra.Command // of the server, whose flags are the defaults
	m    *modelFlags
	cl   *cwox.Classifier
	tree *cwox.Options
}

// command is a command with the flags of a question, and none that names a file.
func (q *question) command(m *modelFlags) (*cobra.Command, *explainFlags) {
	f := &explainFlags{opened: q.tree}
	c := &cobra.Command{Use: "serve"}
	f.addQuestion(c)
	f.addEffects(c)
	c.Flags().Uint64Var(&m.seed, "seed", 0, "")
	return c, f
}

func (q *question) options(settings map[string]json.RawMessage) (cwox.Options, error) {
	m := *q.m
	c, f := q.command(&m)
	asked := map[string]string{}
	for name, value := range settings {
		flag := findFlag(c.Flags(), name)
		if flag == nil {
			return cwox.Options{}, fmt.Errorf("unknown setting %q: want explain's flags, such as explainer, clusters or rise-masks", name)
		}
		text, given, err := flagText(flag.Name, value)
		if err != nil {
			return cwox.Options{}, fmt.Errorf("%s: %w", name, err)
		}
		if given {
			asked[flag.Name] = text
		}
	}
	q.defaults(c, asked)
	for name, text := range asked {
		if err := c.Flags().Set(name, text); err != nil {
			return cwox.Options{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := checkNumbers(c); err != nil {
		return cwox.Options{}, err
	}
	if err := f.check(c); err != nil {
		return cwox.Options{}, err
	}
	p, err := f.asked(c, &m, q.cl)
	if err != nil {
		return cwox.Options{}, err
	}
	if len(p.methods) > 1 || len(p.options) > 1 {
		return cwox.Options{}, fmt.Errorf("one method and one explainer at a time: ask once for each")
	}
	o := p.options[0]
	o.Method = p.methods[0]
	return o, nil
}

// defaults adds the server's settings to those that were asked for, except where they belong to
// what was asked to be otherwise.
func (q *question) defaults(c *cobra.Command, asked map[string]string) {
	has := func(name string) bool { _, ok := asked[name]; return ok }
	explainer := q.c.Flags().Lookup("explainer").Value.String()
	if has("explainer") {
		explainer = asked["explainer"]
	}
	q.c.Flags().Visit(func(flag *pflag.Flag) {
		owners, owned := settingsOf[flag.Name]
		switch {
		case c.Flags().Lookup(flag.Name) == nil, has(flag.Name):
		case owned && !slices.Contains(owners, explainer):
		case (flag.Name == "delta" || flag.Name == "epsilon") && (has("variant") || has("method")):
		case (flag.Name == "clusters" || flag.Name == "classes") && (has("clusters") || has("classes") || has("top") || has("cumulative") || has("level")):
		case (flag.Name == "top" || flag.Name == "cumulative") && (has("top") || has("cumulative") || has("classes") || has("clusters")):
		default:
			asked[flag.Name] = flag.Value.String()
		}
	})
}

// shown are the settings that a question has by default.
func (q *question) shown() map[string]any {
	out := map[string]any{}
	m := *q.m
	c, _ := q.command(&m)
	c.Flags().VisitAll(func(flag *pflag.Flag) {
		out[flag.Name] = q.c.Flags().Lookup(flag.Name).Value.String()
	})
	out["layers"] = map[string][2]string{
		"gradcam": {q.cl.Arch.ClusterLayer, q.cl.Arch.ClassLayer},
		"mwp":     {q.cl.Arch.MWPClusterLayer, q.cl.Arch.MWPClassLayer},
	}
	return out
}

// findFlag finds a flag by its name, with dashes or without.
func findFlag(flags *pflag.FlagSet, name string) *pflag.Flag {
	bare := strings.NewReplacer("-", "", "_", "")
	var found *pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) {
		if bare.Replace(f.Name) == bare.Replace(name) {
			found = f
		}
	})
	return found
}

// flagText is a JSON value as it is written on the command line: lists with commas, but for
// clusters, which are JSON there, too. null and "" say nothing.
func flagText(name string, value json.RawMessage) (text string, given bool, err error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "", false, err
	}
	switch v := v.(type) {
	case nil:
		return "", false, nil
	case string:
		return v, v != "", nil
	case json.Number, bool:
		return fmt.Sprint(v), true, nil
	case []any:
		if name == "clusters" {
			return string(value), true, nil
		}
		var parts []string
		for _, p := range v {
			switch p.(type) {
			case string, json.Number:
				parts = append(parts, fmt.Sprint(p))
			default:
				return "", false, fmt.Errorf("want a list of numbers or names")
			}
		}
		return strings.Join(parts, ","), true, nil
	}
	return "", false, fmt.Errorf("want text, a number, true or false, or a list")
}

// browse opens an address in the user's browser, without waiting for it.
func browse(address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	p := exec.CommandContext(context.Background(), name, args...)
	if err := p.Start(); err != nil {
		return err
	}
	go func() { _ = p.Wait() }()
	return nil
}
