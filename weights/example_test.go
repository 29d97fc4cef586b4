package weights_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"cwox/weights"
)

// Open reads any of the containers; here a checkpoint of torch.save.
func ExampleOpen() {
	f, err := weights.Open("testdata/checkpoint.zip.pth")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	t, ok := f.Tensor("module.transposed")
	if !ok {
		log.Fatal("no such tensor")
	}
	x, err := t.Float32()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Format(), t.DType, t.Shape, x)
	// Output: pth-zip F32 [3 2] [0 3 1 4 2 5]
}

// A .pth file becomes a .safetensors file.
func ExampleWriteFile() {
	f, err := weights.Open("testdata/checkpoint.legacy.pth")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var tensors []*weights.Tensor
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		tensors = append(tensors, t)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "checkpoint.safetensors")
	if err := weights.WriteFile(path, tensors, map[string]string{"from": f.Name()}); err != nil {
		log.Fatal(err)
	}
	g, err := weights.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	fmt.Println(g.Format(), len(g.Names()), g.Metadata()["from"])
	// Output: safetensors 10 checkpoint.legacy.pth
}

// A hostile pickle is an error, not a program.
func ExampleParse() {
	_, err := weights.Parse("evil.pth", []byte("\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."))
	fmt.Println(err)
	// Output: weights: evil.pth: a plain pickle: refers to "os.system", which no weights need and an attack would call; nothing was run here: do not load this file with Python, ask for a .safetensors
}
