//go:build !js

package main

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cwox/internal/place"
)

//go:embed page.html
var page string

//go:embed worker.js
var worker string

func main() {
	out := flag.String("o", "web", "folder for the page")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "cwox-web: want no arguments; -o FOLDER says where the page goes")
		os.Exit(2)
	}
	size, err := write(*out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cwox-web:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %.1f MB, of which %.1f MB are the program, compressed\n", filepath.Join(*out, "index.html"), float64(size[0])/1e6, float64(size[1])/1e6)
}

// write makes the page, in the repository it is run in, and returns its size and that of the
// compressed program in it, in bytes.
func write(dir string) (size [2]int, err error) {
	text, program, err := makePage()
	if err != nil {
		return size, err
	}
	d, err := place.Make(dir)
	if err != nil {
		return size, err
	}
	defer d.Close()
	return [2]int{len(text), program}, d.Write("index.html", func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// makePage builds the program and puts it and what starts it into the page.
func makePage() (text string, program int, err error) {
	temp, err := place.Temporary("cwox-web-")
	if err != nil {
		return "", 0, err
	}
	defer os.RemoveAll(temp)
	wasm := filepath.Join(temp, "cwox.wasm")
	// The same bytes wherever it is built.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", wasm, "cwox/cmd/cwox-web")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("go build: %w\n%s", err, said)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", 0, fmt.Errorf("go env: %w", err)
	}
	start, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return "", 0, err
	}
	code, err := os.ReadFile(wasm)
	if err != nil {
		return "", 0, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return "", 0, err
	}
	if _, err := z.Write(code); err != nil {
		return "", 0, err
	}
	if err := z.Close(); err != nil {
		return "", 0, err
	}
	text = strings.NewReplacer(
		"{{worker}}", string(start)+worker,
		"{{program}}", base64.StdEncoding.EncodeToString(packed.Bytes()),
	).Replace(page)
	return text, packed.Len(), nil
}
