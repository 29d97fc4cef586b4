package faithfulness

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/weights"
)

// npy makes a file of NumPy's format, version 1.
func npy(header string, values ...any) []byte {
	var b bytes.Buffer
	b.WriteString(npyMagic + "\x01\x00")
	_ = binary.Write(&b, binary.LittleEndian, uint16(len(header)))
	b.WriteString(header)
	for _, v := range values {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.Bytes()
}

var six = []float64{0.5, 0.25, math.Inf(1), -1, 0, 3}

func TestParseNPY(t *testing.T) {
	six32 := []float32{0.5, 0.25, float32(math.Inf(1)), -1, 0, 3}
	version2 := npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", six)
	version2 = slices.Concat([]byte(npyMagic+"\x02\x00"), version2[8:10], []byte{0, 0}, version2[10:])
	for name, data := range map[string][]byte{
		// What numpy.save writes, padded with spaces to a multiple of 64.
		"float64":   npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }"+strings.Repeat(" ", 57)+"\n", six),
		"float32":   npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", six32),
		"unusual":   npy("{\"shape\":(2,3),'descr':'<f8',\n'fortran_order':False}", six),
		"version 2": version2,
	} {
		h, err := parseNPY(data)
		if err != nil || h.Height != 2 || h.Width != 3 || !slices.Equal(h.Data, six) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func TestParseNPYErrors(t *testing.T) {
	good := "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }"
	with := func(old, new string) []byte { return npy(strings.Replace(good, old, new, 1), six) }
	for _, tt := range []struct {
		data []byte
		want string
	}{
		{nil, "too short"},
		{[]byte(npyMagic + "\x01\x00\xff\xff  "), "header of 65535 bytes in a file of 12"},
		{[]byte(npyMagic + "\x02\x00\xff\xff\xff\xff"), "header of 4294967295 bytes"},
		{[]byte(npyMagic + "\x07\x01abcdef"), "format version 7.1"},
		{with("<f8", ">f8"), `type ">f8": want little-endian float32 or float64`},
		{with("<f8", "|O"), `type "|O"`},
		{with("'<f8'", "[('a', '<f8')]"), "want a quoted string"},
		{with("False", "True"), "Fortran order"},
		{with("False", "false"), "want True or False"},
		{with("(2, 3)", "(6,)"), "shape [6]"},
		{with("(2, 3)", "()"), "shape []"},
		{with("(2, 3)", "(2, 4)"), "48 bytes of data, shape [2 4] of <f8 takes 64"},
		{with("(2, 3)", "(2, 2)"), "takes 32"},
		{with("(2, 3)", "(1, 1, 1, 2, 3)"), "at most 4 numbers"},
		{with("(2, 3)", "(99999999999999999999, 3)"), "at most 4 numbers up to 32768"},
		{with("(2, 3)", "(-2, -3)"), "header byte"},
		{with("(2, 3)", "(2 3)"), "want ')'"},
		{with("'shape': (2, 3), ", ""), "2 of the keys"},
		{with("'shape'", "'descr'"), `"descr" appears twice`},
		{with("'shape'", "'size'"), `unknown key "size"`},
		{with(" }", " } x"), "after the dictionary"},
		{with(", }", ""), `want '}'`},
		{with("'descr'", "'de\\'scr'"), "escapes"},
		{npy("{'descr", six), "ends inside a string"},
		{npy("", six), "want '{'"},
	} {
		h, err := parseNPY(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.70q: %v, %v, want %q", tt.data, h, err, tt.want)
		}
	}
}

func FuzzNPY(f *testing.F) {
	f.Add(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", six))
	f.Add(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (), }"))
	f.Add([]byte(npyMagic + "\x03\x00\x02\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Heatmap
		var err error
		if n := testdata.Allocated(func() { h, err = parseNPY(data) }); n > 1<<16+10*int64(len(data)) {
			t.Errorf("%d bytes took %d bytes", len(data), n)
		}
		if err == nil && (h.Height < 0 || h.Width < 0 || len(h.Data) != h.Height*h.Width || 4*len(h.Data) > len(data)) {
			t.Errorf("%d x %d with %d values from %d bytes", h.Height, h.Width, len(h.Data), len(data))
		}
	})
}

func TestReadHeatmap(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tensors := func(name string, all ...*weights.Tensor) string {
		path := filepath.Join(dir, name)
		if err := weights.WriteFile(path, all, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	values := []float32{0.5, 0.25, 2, -1, 0, 3}
	a := weights.NewF32("class/486", []int{2, 3}, values)
	matrix := file("map.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", six))
	one := tensors("one.safetensors", a)
	two := tensors("two.safetensors", a, weights.NewF32("cluster/0", []int{6}, values))
	for _, tt := range []struct{ path, tensor, want string }{
		{matrix, "", ""},
		{one, "", ""},
		{one, "class/486", ""},
		{two, "class/486", ""},
		{two, "", "two.safetensors: name one of its 2 tensors: class/486, cluster/0"},
		{two, "class/1", `no tensor "class/1" among 2: class/486, cluster/0`},
		{two, "cluster/0", `tensor "cluster/0" has shape [6], want [height width] with 6 values`},
		{matrix, "x", `tensor "x": a .npy file has no names`},
		{file("empty", nil), "", "the file is empty"},
		{file("other.txt", []byte("no heatmap in here")), "", "neither .npy nor a tensor file"},
		{file("huge.npy", append([]byte(npyMagic), make([]byte, 1<<17)...)), "", "more than the"},
		{file("turned.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", six)), "", "a heatmap of 3 x 2, the network's input is 2 x 3"},
		{file("short.npy", []byte(npyMagic)), "", "too short"},
		{filepath.Join(dir, "missing.npy"), "", "missing.npy: no such file"},
		{dir, "", "is a directory"},
	} {
		h, err := ReadHeatmap(tt.path, tt.tensor, 2, 3)
		if tt.want == "" {
			if err != nil || len(h.Data) != 6 || h.Data[5] != 3 {
				t.Errorf("%s: %v, %v", tt.path, h, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.path, err, tt.want)
		}
	}
}
