package hlta

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cwox/internal/outside"
)

// Documents is what trees are learned from: a multiset of sets of words. Equal
// documents are stored once, with their number. It is immutable and safe for
// concurrent use.
type Documents struct {
	Name   string   // base names of the files, or what the caller called it
	SHA256 string   // of the files as they are (compressed, if they are), one after the other, in hex
	Words  []string // in order of first appearance
	N      int      // number of documents, every one with at least one word
	Notes  []string // what a reader must know of the files: a byte order mark, a header line that was dropped
	rows   rowSet
}

// Bounds on a documents file. ImageNet's 1.28 million label lists are 100 MB of text.
const (
	maxText        = 2 << 30 // bytes of text, after decompression
	maxName        = 255     // bytes of a word or document identifier
	maxWords       = 1 << 20 // distinct words
	maxOccurrences = 1 << 28 // words in all documents
)

// ReadDocuments reads files of documents, see [ParseDocuments], one after the other. An
// identifier means another document in each.
func ReadDocuments(paths ...string) (*Documents, error) {
	p := newParser()
	for _, path := range paths {
		f, err := outside.Open(path)
		if err != nil {
			return nil, fmt.Errorf("hlta: %w", err)
		}
		err = p.parse(filepath.Base(path), f)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return p.documents()
}

// ParseDocuments reads documents in the sparse form of the field: a line for every
// occurrence of a word, "docId, word", as text or gzip, which the content decides. A first line
// that names such columns is dropped, with a note.
// Lines of one docId stand together: one that comes back after another is an error, since
// that is what files of several runs look like once they are joined, whose documents are
// not to be joined. A word counts once per document; empty lines are skipped. Identifiers
// and words have 1 to 255 bytes without spaces, commas, quotes or control characters.
//
// An error names the file, the line, what it says and what was expected. The text
// may have 2 GiB, a million distinct words and 2^28 occurrences; what is kept of it
// is about 8 bytes per occurrence and 60 per document. name is for messages and
// [Documents.Name].
func ParseDocuments(name string, r io.Reader) (*Documents, error) {
	p := newParser()
	if err := p.parse(name, r); err != nil {
		return nil, err
	}
	return p.documents()
}

// NewDocuments makes documents of lists of words; empty lists are left out. Its
// SHA256 is that of the text "0, word\n" ... with the index of the list as docId.
func NewDocuments(lists [][]string) (*Documents, error) {
	p := newParser()
	p.name = "lists"
	out := bufio.NewWriter(p.hash)
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		p.begin()
		for _, w := range list {
			if err := p.add([]byte(w)); err != nil {
				return nil, fmt.Errorf("hlta: list %d: %w", i, err)
			}
			out.WriteString(strconv.Itoa(i))
			out.WriteString(", ")
			out.WriteString(w)
			out.WriteByte('\n')
		}
	}
	out.Flush()
	return p.documents()
}

// Distinct is the number of different documents.
func (d *Documents) Distinct() int { return d.rows.len() }

// At returns the words of the i-th different document, as indices into Words in
// ascending order, and how many documents are equal to it. The caller must not
// change words.
func (d *Documents) At(i int) (words []int32, count int) {
	return d.rows.row(i), int(d.rows.weight[i])
}

// parser gathers documents one occurrence at a time.
type parser struct {
	name  string   // of the file being read
	names []string // of all files so far
	notes []string
	hash  hash.Hash // of all files
	words []string
	word  map[string]int32 // index of a word
	line  map[string]int   // where a document of this file begins, by its identifier

	start []int   // of the documents: in item
	item  []int32 // word indices in the order they came
	last  []int32 // per word: 1 + the document it was last seen in
	n     int     // occurrences so far
}

func newParser() *parser { return &parser{hash: sha256.New(), word: map[string]int32{}} }

// parse reads a file.
func (p *parser) parse(name string, r io.Reader) error {
	p.name, p.names, p.line = name, append(p.names, name), map[string]int{}
	raw := bufio.NewReaderSize(io.TeeReader(r, p.hash), 1<<16)
	var text io.Reader = raw
	begin, _ := raw.Peek(6)
	if err := unpackable(begin); err != nil {
		return fmt.Errorf("hlta: %s: %w", name, err)
	}
	if bytes.HasPrefix(begin, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(raw)
		if err != nil {
			return fmt.Errorf("hlta: %s: %w", name, err)
		}
		text = z
	}
	return p.read(text, maxText)
}

// read adds all lines of a text of at most limit bytes.
func (p *parser) read(text io.Reader, limit int64) error {
	limited := &io.LimitedReader{R: text, N: limit + 1}
	lines := bufio.NewReaderSize(limited, 1<<16)
	current := []byte(nil) // identifier of the document that the last line belongs to
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			return p.errorf(number, line, "line is longer than %d bytes", lines.Size())
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("hlta: %s:%d: %w", p.name, number, err)
		}
		if limited.N <= 0 {
			return fmt.Errorf("hlta: %s: more than %d bytes of text", p.name, limit)
		}
		if number == 1 {
			if rest, marked := bytes.CutPrefix(line, []byte("\ufeff")); marked {
				line = rest
				p.notes = append(p.notes, p.name+": a byte order mark was dropped")
			}
		}
		if body := bytes.TrimSpace(line); len(body) > 0 {
			id, word, ok := bytes.Cut(body, []byte{','})
			if !ok {
				return p.errorf(number, body, "want \"docId, word\"")
			}
			id, word = bytes.TrimSpace(id), bytes.TrimSpace(word)
			if number == 1 && isHeader(id, word) {
				p.notes = append(p.notes, fmt.Sprintf("%s: the first line, %q, was taken for the names of the columns and dropped", p.name, body))
				continue
			}
			if current == nil || !bytes.Equal(id, current) {
				if err := p.document(id, number); err != nil {
					return p.errorf(number, body, "%v", err)
				}
				current = append(current[:0], id...)
			}
			if err := p.add(word); err != nil {
				return p.errorf(number, body, "%v", err)
			}
		}
		if len(line) == 0 || line[len(line)-1] != '\n' {
			return nil // the end of the file
		}
	}
}

// isHeader says whether a first line names the columns, as those of tables do.
func isHeader(id, word []byte) bool {
	first := []string{"doc", "docid", "doc_id", "document", "document_id", "id", "image", "file", "row"}
	second := []string{"word", "words", "term", "token", "label", "labels", "class", "item"}
	return slices.Contains(first, strings.ToLower(string(id))) && slices.Contains(second, strings.ToLower(string(word)))
}

// document begins the document with this identifier.
func (p *parser) document(id []byte, number int) error {
	if line, ok := p.line[string(id)]; ok {
		return fmt.Errorf("document %q was there before, at line %d: files of several runs are to be given one by one, not joined", id, line)
	}
	if err := checkName(id); err != nil {
		return fmt.Errorf("document identifier %w", err)
	}
	p.begin()
	p.line[string(id)] = number
	return nil
}

func (p *parser) begin() { p.start = append(p.start, len(p.item)) }

// add adds a word to the newest document.
func (p *parser) add(word []byte) error {
	w, err := p.intern(word)
	if err != nil {
		return err
	}
	if doc := int32(len(p.start)); p.last[w] != doc {
		p.last[w] = doc
		p.item = append(p.item, w)
	}
	return nil
}

func (p *parser) intern(word []byte) (int32, error) {
	if p.n++; p.n > maxOccurrences {
		return 0, fmt.Errorf("more than %d words in all documents", maxOccurrences)
	}
	if w, ok := p.word[string(word)]; ok {
		return w, nil
	}
	if err := checkName(word); err != nil {
		return 0, fmt.Errorf("word %w", err)
	}
	if len(p.words) == maxWords {
		return 0, fmt.Errorf("more than %d distinct words", maxWords)
	}
	w := int32(len(p.words))
	p.words = append(p.words, string(word))
	p.word[p.words[w]] = w
	p.last = append(p.last, 0)
	return w, nil
}

// documents merges equal documents.
func (p *parser) documents() (*Documents, error) {
	name := strings.Join(p.names, ", ")
	if name == "" {
		name = p.name
	}
	d := &Documents{Name: name, Words: p.words, N: len(p.start), Notes: p.notes}
	if d.N == 0 {
		return nil, fmt.Errorf("hlta: %s: no documents", name)
	}
	d.SHA256 = hex.EncodeToString(p.hash.Sum(nil))
	p.line, p.word, p.last = nil, nil, nil
	p.start = append(p.start, len(p.item))
	merge := newMerger(d.N)
	var row []int32
	for doc := range d.N {
		row = append(row[:0], p.item[p.start[doc]:p.start[doc+1]]...)
		slices.Sort(row)
		merge.add(row, 1)
	}
	d.rows = merge.rowSet
	return d, nil
}

// errorf is an error about a line of the file, of which it shows the beginning.
func (p *parser) errorf(number int, line []byte, format string, args ...any) error {
	text := bytes.TrimSpace(line)
	if len(text) > 80 {
		text = append(bytes.Clone(text[:77]), "..."...)
	}
	return fmt.Errorf("hlta: %s:%d: %q: %s", p.name, number, text, fmt.Sprintf(format, args...))
}

// checkName says why name cannot be a word: every format that a tree is written in
// must be able to hold it.
func checkName(name []byte) error {
	switch {
	case len(name) == 0:
		return errors.New("is empty")
	case len(name) > maxName:
		return fmt.Errorf("has %d bytes, at most %d", len(name), maxName)
	case !utf8.Valid(name):
		return errors.New("is not valid UTF-8")
	}
	for _, r := range string(name) {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == ',' || r == '"' {
			return fmt.Errorf("contains %q", r)
		}
	}
	return nil
}
