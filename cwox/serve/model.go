package serve

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// model says what is explained, and what can be asked.
func (s *Server) model(w http.ResponseWriter, _ *http.Request) {
	c := s.cfg.Classifier
	shape := c.Net.Input()
	examples := []string{}
	for _, e := range s.cfg.Examples {
		examples = append(examples, e.Name)
	}
	labels := make([]string, c.Net.Classes())
	for i := range labels {
		labels[i] = c.Label(i)
	}
	levels := 0
	if s.cfg.Tree != nil {
		levels = s.cfg.Tree.Levels()
	}
	answer(w, http.StatusOK, map[string]any{
		"name": c.Arch.Name, "weights_sha256": c.WeightsSHA256, "precision": c.Net.Precision(), "kernel": c.Net.Kernel(),
		"output": c.Output().String(), "classes": c.Net.Classes(), "labels": labels,
		"input":     map[string]any{"channels": shape.C, "height": shape.H, "width": shape.W, "transform": c.Transform.String(), "from": c.TransformFrom},
		"layers":    s.layers(),
		"levels":    levels, // of the label tree
		"methods":   cwox.Methods(),
		"variants":  []cwox.Variant{cwox.Paper, cwox.Reference},
		"explainer": cwox.ExplainerNames(), "qualities": saliency.Qualities(), "superpixels": saliency.SuperpixelKinds(),
		"settings": s.cfg.Settings,
		"examples": examples, "pages": s.cfg.Pages,
		"limits":  map[string]any{"upload": s.cfg.MaxUpload, "top": quickClasses},
		"version": s.cfg.Version,
	})
}

// layers are those that can be a pivot, the last first.
func (s *Server) layers() []string {
	out := []string{}
	net := s.cfg.Classifier.Net
	for _, name := range net.Layers() {
		if shape, err := net.LayerShape(name); err == nil && shape.H >= 2 && shape.W >= 2 && name != "input" {
			out = append(out, name)
		}
	}
	for i, k := 0, len(out)-1; i < k; i, k = i+1, k-1 {
		out[i], out[k] = out[k], out[i]
	}
	return out
}

// example is the picture of an example's number.
func (s *Server) example(part io.Reader) (*picture, error) {
	text, err := short(part, 16)
	if err != nil {
		return nil, err
	}
	e, err := s.exampleOf(string(text))
	if err != nil {
		return nil, err
	}
	raw, err := e.Read()
	if err != nil {
		return nil, faultf(http.StatusNotFound, "%s: cannot be read", e.Name)
	}
	return s.decode(fileName(e.Name), raw)
}

func (s *Server) exampleOf(number string) (*Example, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(s.cfg.Examples) {
		return nil, faultf(http.StatusNotFound, "no example %q: there are %d, from 0", number, len(s.cfg.Examples))
	}
	return &s.cfg.Examples[n], nil
}

// thumbnail is a small picture of an example.
func (s *Server) thumbnail(w http.ResponseWriter, r *http.Request) {
	e, err := s.exampleOf(r.PathValue("n"))
	if err != nil {
		s.complain(w, nil, err)
		return
	}
	select {
	case s.uploading <- struct{}{}:
		defer func() { <-s.uploading }()
	case <-r.Context().Done():
		return
	}
	raw, err := e.Read()
	var pic *vision.Picture
	if err == nil {
		pic, err = vision.Decode(e.Name, raw, s.cfg.Decode)
	}
	if err != nil {
		s.complain(w, nil, faultf(http.StatusNotFound, "%s: cannot be read", e.Name))
		return
	}
	writeJPEG(w, pic, thumbnailSide)
}

// session lets a browser that has the token read the folder's pages.
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: folderCookie, Value: s.folderKey, Path: "/folder/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.WriteHeader(http.StatusNoContent)
}

// folder serves the files of the folder that pages are of, whoever made them.
func (s *Server) folder() http.Handler {
	files := http.FileServerFS(s.cfg.Folder.FS())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/")
		if path == "" || strings.HasSuffix(path, "/") {
			if f, err := s.cfg.Folder.Stat(path + "index.html"); err != nil || !f.Mode().IsRegular() {
				http.NotFound(w, r) // no list of files
				return
			}
		} else if f, err := s.cfg.Folder.Stat(path); err != nil || !f.Mode().IsRegular() && !f.IsDir() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", folderPolicy)
		w.Header().Del("Cross-Origin-Resource-Policy") // of no origin, the page may still have its own pictures
		files.ServeHTTP(w, r)
	})
}
