package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// entries reads a tar.
func entries(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(time.Unix(0, 0)) || h.Typeflag != tar.TypeReg {
			t.Errorf("%+v", h)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int64{"cwox": 0o755}[h.Name]; want != 0 && h.Mode != want {
			t.Errorf("%s: mode %o", h.Name, h.Mode)
		}
		out[h.Name] = string(text)
	}
}

// TestLayout follows an image from its index to the programs in it, by digests and sizes alone,
// as engines do, and wants the same bytes of the same programs.
func TestLayout(t *testing.T) {
	programs := map[string][]byte{"amd64": []byte("x86"), "arm64": bytes.Repeat([]byte("arm"), 1000)}
	for _, archs := range [][]string{{"amd64"}, {"amd64", "arm64"}} {
		var image, again bytes.Buffer
		digest, err := layout(&image, "registry.example.org:5000/a/cwox:7", archs, programs)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := layout(&again, "registry.example.org:5000/a/cwox:7", archs, programs); err != nil || d != digest || !bytes.Equal(image.Bytes(), again.Bytes()) {
			t.Errorf("%v: other bytes the second time, %v", archs, err)
		}
		files := entries(t, &image)
		for name, text := range files {
			if dir, sum := path.Split(name); dir == "blobs/sha256/" && sum != fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
				t.Errorf("%s holds something else", name)
			}
		}
		if files["oci-layout"] != `{"imageLayoutVersion":"1.0.0"}` {
			t.Errorf("oci-layout: %s", files["oci-layout"])
		}
		blob := func(d descriptor, mediaType string, to any) string {
			text := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
			if d.MediaType != mediaType || d.Size != len(text) || text == "" {
				t.Errorf("%v: %+v, want %s of %d bytes", archs, d, mediaType, len(text))
			}
			if to != nil {
				if err := json.Unmarshal([]byte(text), to); err != nil {
					t.Error(err)
				}
			}
			return text
		}
		var top index
		if err := json.Unmarshal([]byte(files["index.json"]), &top); err != nil || len(top.Manifests) != 1 || top.SchemaVersion != 2 || top.Manifests[0].Digest != digest ||
			top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "7" {
			t.Fatalf("%v: %s", err, files["index.json"])
		}
		images := top.Manifests
		if len(archs) > 1 {
			var inner index
			blob(images[0], typeIndex, &inner)
			images = inner.Manifests
		}
		var found []string
		for _, image := range images {
			var m manifest
			blob(image, typeManifest, &m)
			var c struct {
				Architecture, OS string
				Config           struct {
					User       string
					Entrypoint []string
				}
				RootFS struct {
					Type    string
					DiffIDs []string `json:"diff_ids"`
				}
			}
			blob(m.Config, typeConfig, &c)
			z, err := gzip.NewReader(strings.NewReader(blob(m.Layers[0], typeLayer, nil)))
			if err != nil {
				t.Fatal(err)
			}
			layer, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Layers) != 1 || c.RootFS.Type != "layers" || !slices.Equal(c.RootFS.DiffIDs, []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}) {
				t.Errorf("%+v", c)
			}
			content := entries(t, bytes.NewReader(layer))
			if len(content) != 1 || content["cwox"] != string(programs[c.Architecture]) || c.OS != "linux" || c.Config.User != "65534:65534" || !slices.Equal(c.Config.Entrypoint, []string{"/cwox"}) ||
				image.Platform == nil || image.Platform.Architecture != c.Architecture {
				t.Errorf("%+v, %+v: %d files", image, c, len(content))
			}
			found = append(found, c.Architecture)
		}
		if !slices.Equal(found, archs) {
			t.Errorf("images of %v, want %v", found, archs)
		}
	}
}
