package hlta

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// spell writes documents as "a b*2, c": equal ones once, with their number.
func spell(d *Documents) string {
	var all []string
	for i := range d.Distinct() {
		words, n := d.At(i)
		var names []string
		for _, w := range words {
			names = append(names, d.Words[w])
		}
		s := strings.Join(names, " ")
		if n > 1 {
			s += fmt.Sprintf("*%d", n)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// A line of column names is dropped, with a note; the same words further down, or others, are a
// document.
func TestHeaderLine(t *testing.T) {
	for _, c := range []struct {
		text, want string
		noted      bool
	}{
		{"doc,word\n0,a\n1,b\n", "a, b", true},
		{"\ufeffDocId, Word\n0,a\n", "a", true},
		{"document_id, label\r\n0,a\r\n", "a", true},
		{"0,word\n1,b\n", "word, b", false},
		{"doc,cat\n1,b\n", "cat, b", false},
		{"0,a\ndoc,word\n", "a, word", false},
		{"\ndoc,word\n", "word", false},
	} {
		d, err := ParseDocuments("t.csv", strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		noted := slices.ContainsFunc(d.Notes, func(n string) bool {
			return strings.HasPrefix(n, "t.csv: the first line, ") && strings.HasSuffix(n, "was taken for the names of the columns and dropped")
		})
		if got := spell(d); got != c.want || noted != c.noted {
			t.Errorf("%q: %q, notes %q, want %q, noted %v", c.text, got, d.Notes, c.want, c.noted)
		}
	}
	if _, err := ParseDocuments("t.csv", strings.NewReader("doc,word\n")); errText(err) != "hlta: t.csv: no documents" {
		t.Error(err)
	}
}

// Files that other programs compressed are named, not printed.
func TestOtherCompressions(t *testing.T) {
	for begin, want := range map[string]string{
		"BZh91AY&SY":             "compressed with bzip2: decompress it first (bunzip2)",
		"\xfd7zXZ\x00\x00":       "compressed with xz: decompress it first (unxz)",
		"PK\x03\x04\x14":         "compressed with zip: decompress it first (unzip)",
		"\x28\xb5\x2f\xfd\x04":   "compressed with zstd: decompress it first (unzstd)",
		"7z\xbc\xaf\x27\x1c\x00": "compressed with 7z: decompress it first (7z x)",
		"\x04\x22\x4d\x18\x64":   "compressed with lz4: decompress it first (unlz4)",
	} {
		for what, err := range map[string]error{
			"documents": second(ParseDocuments("f", strings.NewReader(begin+"\x00\xff"))),
			"tree":      second(ParseTree("f", []byte(begin+"\x00\xff"))),
		} {
			if !strings.HasPrefix(errText(err), "hlta: f: "+want) {
				t.Errorf("%s %q: %v, want %s", what, begin, err, want)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestParseDocuments(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain", "0, a\n0, b\n1, a\n", "a b, a"},
		{"no line end at the end", "0, a\n1, b", "a, b"},
		{"equal documents", "0, a\n0, b\n1, b\n1, a\n2, c\n3, a\n3, b\n", "a b*3, c"},
		{"a word twice", "0, a\n0, a\n0, b\n0, a\n", "a b"},
		{"byte order mark", "\ufeff0, a\n0, b\n", "a b"},
		{"blank lines, CRLF, tabs, no space", "\n0,a\r\n\r\n 0 ,\tb \r\n  \n", "a b"},
		{"words beyond ASCII", "d1, Stra\u00dfe\nd1, \u732b\n", "Stra\u00dfe \u732b"},
	} {
		d, err := ParseDocuments("t", strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := spell(d); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		n := 0
		for i := range d.Distinct() {
			_, k := d.At(i)
			n += k
		}
		if n != d.N {
			t.Errorf("%s: N is %d, the documents have weight %d", c.name, d.N, n)
		}
		if sum := sha256.Sum256([]byte(c.text)); d.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: SHA256 %s is not that of the text", c.name, d.SHA256)
		}
	}
}

func TestParseDocumentsErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "hlta: f: no documents"},
		{"only blank lines", "\n \n", "hlta: f: no documents"},
		{"an identifier that comes back", "0, a\n1, b\n0, c\n", `hlta: f:3: "0, c": document "0" was there before, at line 1: files of several runs are to be given one by one, not joined`},
		{"no comma", "0, a\n1 b\n", `hlta: f:2: "1 b": want "docId, word"`},
		{"no word", "0, a\n1,\n", `hlta: f:2: "1,": word is empty`},
		{"no document", ", a\n", `hlta: f:1: ", a": document identifier is empty`},
		{"three columns", "0, a, b\n", `hlta: f:1: "0, a, b": word contains ','`},
		{"two words", "0, a b\n", `hlta: f:1: "0, a b": word contains ' '`},
		{"quote", "0, \"a\"\n", `word contains '"'`},
		{"NUL", "0, a\x00b\n", `word contains '\x00'`},
		{"not UTF-8", "0, \xff\n", `word is not valid UTF-8`},
		{"long word", "0, " + strings.Repeat("x", 256) + "\n", "word has 256 bytes, at most 255"},
		{"long line", "0, a\n0, " + strings.Repeat("x", 1<<17) + "\n", "hlta: f:2: "},
		{"truncated gzip", "\x1f\x8b\x08", "hlta: f: unexpected EOF"},
	} {
		_, err := ParseDocuments("f", strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
}

// TestReadSeveral reads files of several runs, whose identifiers are the same.
func TestReadSeveral(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	sum := sha256.New()
	for i, text := range []string{"1, a\n1, b\n2, c\n", "\ufeff1, c\n2, a\n2, b\n"} {
		path := filepath.Join(dir, fmt.Sprintf("docs_%d.txt", i))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		sum.Write([]byte(text))
		paths = append(paths, path)
	}
	d, err := ReadDocuments(paths...)
	if err != nil {
		t.Fatal(err)
	}
	if got := spell(d); got != "a b*2, c*2" || d.N != 4 || d.Name != "docs_0.txt, docs_1.txt" {
		t.Errorf("%s: %s, %d documents", d.Name, got, d.N)
	}
	if d.SHA256 != hex.EncodeToString(sum.Sum(nil)) || fmt.Sprint(d.Notes) != "[docs_1.txt: a byte order mark was dropped]" {
		t.Errorf("SHA256 %s, notes %v", d.SHA256, d.Notes)
	}
}

func TestReadLimit(t *testing.T) {
	text := "0, a\n1, b\n"
	for limit, want := range map[int64]string{
		int64(len(text)):     "",
		int64(len(text)) - 1: "hlta: f: more than 9 bytes of text",
		3:                    "hlta: f: more than 3 bytes of text",
	} {
		p := newParser()
		p.name, p.line = "f", map[string]int{}
		if err := p.read(strings.NewReader(text), limit); fmt.Sprint(err) != want && (err != nil || want != "") {
			t.Errorf("limit %d: got %v, want %q", limit, err, want)
		}
	}
}

func TestReadDocumentsGzip(t *testing.T) {
	text := plantedText(30, 200, 1)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(text)
	w.Close()
	dir := t.TempDir()
	plain, packed := filepath.Join(dir, "plain.gz"), filepath.Join(dir, "packed.txt") // content decides
	if err := os.WriteFile(plain, text, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(packed, z.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	a, err := ReadDocuments(plain)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadDocuments(packed)
	if err != nil {
		t.Fatal(err)
	}
	if spell(a) != spell(b) || !slices.Equal(a.Words, b.Words) || a.N != b.N {
		t.Error("gzip and text give different documents")
	}
	if sum := sha256.Sum256(z.Bytes()); b.SHA256 != hex.EncodeToString(sum[:]) || b.Name != "packed.txt" {
		t.Errorf("got name %q, SHA256 %s", b.Name, b.SHA256)
	}

	broken := slices.Clone(z.Bytes())
	broken[len(broken)-5] ^= 1 // the checksum
	if _, err := ParseDocuments("f", bytes.NewReader(broken)); err == nil || !strings.HasPrefix(err.Error(), "hlta: f:") {
		t.Errorf("wrong checksum: got %v", err)
	}
	if _, err := ReadDocuments(filepath.Join(dir, "absent")); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("absent file: got %v", err)
	}
}

func TestNewDocuments(t *testing.T) {
	d, err := NewDocuments([][]string{{"b", "a", "b"}, {}, {"a", "b"}, {"c"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spell(d), "b a*2, c"; got != want || d.N != 3 {
		t.Errorf("got %q of %d documents, want %q of 3", got, d.N, want)
	}
	same, err := ParseDocuments("x", strings.NewReader("0, b\n0, a\n0, b\n2, a\n2, b\n3, c\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d.SHA256 != same.SHA256 {
		t.Error("SHA256 is not that of the text of the lists")
	}
	for _, c := range []struct {
		lists [][]string
		want  string
	}{
		{nil, "hlta: lists: no documents"},
		{[][]string{{}, {}}, "hlta: lists: no documents"},
		{[][]string{{"a"}, {"b c"}}, "hlta: list 1: word contains ' '"},
	} {
		if _, err := NewDocuments(c.lists); err == nil || err.Error() != c.want {
			t.Errorf("%v: got %v, want %s", c.lists, err, c.want)
		}
	}
}

// Counted by another program.
func TestReadDocumentsReal(t *testing.T) {
	for _, c := range []struct {
		name               string
		n, words, distinct int
	}{
		{"synth5k", 5000, 1000, 4619},
		{"synth50k", 50000, 1000, 40129},
		{"resnet50val", 28097, 1000, 19378},
		{"papers500", 7692, 500, 7398},
	} {
		d := realDocuments(t, c.name)
		if d.N != c.n || len(d.Words) != c.words || d.Distinct() != c.distinct {
			t.Errorf("%s: %d documents, %d words, %d distinct; want %d, %d, %d", c.name,
				d.N, len(d.Words), d.Distinct(), c.n, c.words, c.distinct)
		}
	}
}

func realDocuments(tb testing.TB, name string) *Documents {
	tb.Helper()
	d, err := ReadDocuments(testdata.Path(tb, "hlta", name+".sparse.txt.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// Whatever the bytes, there are documents that make sense or an error that names the
// file.
func FuzzParseDocuments(f *testing.F) {
	f.Add([]byte("0, a\n0, b\n1, a\n0, c\n"))
	f.Add([]byte("0, a\r\n\n1,b"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte("0, a\n1, b\n"))
	w.Close()
	f.Add(z.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDocuments("f", bytes.NewReader(data))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "hlta: f:") {
				t.Errorf("error %q does not name the file", err)
			}
			return
		}
		n := 0
		used := make([]bool, len(d.Words))
		for i := range d.Distinct() {
			words, k := d.At(i)
			n += k
			if len(words) == 0 || !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
				t.Fatalf("document %d is %v", i, words)
			}
			for _, w := range words {
				used[w] = true
			}
		}
		if n != d.N || slices.Contains(used, false) {
			t.Errorf("N is %d, weight %d, words used %v", d.N, n, used)
		}
	})
}
