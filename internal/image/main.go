// Image packs the program into a container image: an OCI image layout in a tar file, from
// scratch, with the program and nothing else in it. It needs no container engine, and the same
// sources make the same bytes.
//
//	go run ./internal/image -o cwox.tar
//	go run ./internal/image -arch amd64,arm64 -name registry.example.org/cwox:1 -o cwox.tar
//
// The formats are those of the OCI image specification 1.1.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cwox/internal/place"
)

func main() {
	out := flag.String("o", "cwox.tar", "file to write")
	archs := flag.String("arch", "amd64", "processors, separated by commas: amd64, arm64, ...")
	name := flag.String("name", "localhost/cwox:1", "name and tag that engines give the image")
	flag.Parse()
	digest, err := write(*out, *name, strings.Split(*archs, ","))
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Println(digest)
}

// write builds the program for every processor and writes the image, whose digest it returns.
func write(out, name string, archs []string) (digest string, err error) {
	temp, err := os.MkdirTemp("", "cwox-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	programs := map[string][]byte{}
	for _, arch := range archs {
		path := filepath.Join(temp, arch)
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", path, "cwox/cmd/cwox")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return "", fmt.Errorf("%s: %w", arch, err)
		}
		if programs[arch], err = os.ReadFile(path); err != nil {
			return "", err
		}
	}
	err = place.Write(out, func(w io.Writer) error {
		digest, err = layout(w, name, archs, programs)
		return err
	})
	return digest, err
}

// Media types.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type config struct {
	platform
	Config struct {
		User       string   `json:"User"`
		Entrypoint []string `json:"Entrypoint"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// layout writes an image layout in which a program for each processor is /cwox, and returns the
// digest of the image: of its manifest, or of the index over those of several processors.
func layout(w io.Writer, name string, archs []string, programs map[string][]byte) (digest string, err error) {
	t := tar.NewWriter(w)
	put := func(mediaType string, content []byte) descriptor {
		sum := fmt.Sprintf("%x", sha256.Sum256(content))
		err = firstOf(err, file(t, "blobs/sha256/"+sum, 0o644, content))
		return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(content)}
	}
	putJSON := func(mediaType string, v any) descriptor {
		text, _ := json.Marshal(v) // cannot fail: strings and numbers
		return put(mediaType, text)
	}
	var images []descriptor
	for _, arch := range archs {
		var layer, packed bytes.Buffer
		l := tar.NewWriter(&layer)
		z := gzip.NewWriter(&packed)
		err = firstOf(err, file(l, "cwox", 0o755, programs[arch]), l.Close())
		c := config{platform: platform{arch, "linux"}}
		c.Config.User, c.Config.Entrypoint = "65534:65534", []string{"/cwox"} // nobody
		c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}
		_, copied := layer.WriteTo(z)
		err = firstOf(err, copied, z.Close())
		image := putJSON(typeManifest, manifest{2, typeManifest, putJSON(typeConfig, c), []descriptor{put(typeLayer, packed.Bytes())}})
		image.Platform = &c.platform
		images = append(images, image)
	}
	top := images[0]
	if len(images) > 1 {
		top = putJSON(typeIndex, index{2, typeIndex, images})
	}
	digest = top.Digest
	_, tag, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	top.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
	text, _ := json.Marshal(index{2, typeIndex, []descriptor{top}})
	return digest, firstOf(err,
		file(t, "index.json", 0o644, text),
		file(t, "oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)),
		t.Close())
}

// file adds a file, root's and without a time, to a tar.
func file(t *tar.Writer, name string, mode int64, content []byte) error {
	err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = t.Write(content)
	}
	return err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
