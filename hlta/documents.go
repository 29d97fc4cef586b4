package hlta

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Documents is what trees are learned from: a multiset of sets of words. Equal
// documents are stored once, with their number. It is immutable and safe for
// concurrent use.
type Documents struct {
	Name   string   // base name of the file, or what the caller called it
	SHA256 string   // of the file as it is (compressed, if it is), in hex
	Words  []string // in order of first appearance
	N      int      // number of documents, every one with at least one word
	rows   rowSet
}

// Bounds on a documents file. ImageNet's 1.28 million label lists are 100 MB of text.
const (
	maxText        = 2 << 30 // bytes of text, after decompression
	maxName        = 255     // bytes of a word or document identifier
	maxWords       = 1 << 20 // distinct words
	maxOccurrences = 1 << 28 // words in all documents
)

// ReadDocuments reads a file of documents: see [ParseDocuments].
func ReadDocuments(path string) (*Documents, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("hlta: %w", err)
	}
	defer f.Close()
	return ParseDocuments(filepath.Base(path), f)
}

// ParseDocuments reads documents in the sparse form of the field: a line for every
// occurrence of a word, "docId, word", as text or gzip, which the content decides.
// Lines of one docId form a document even if others stand between them; a word
// counts once per document; empty lines are skipped. Identifiers and words have 1
// to 255 bytes without spaces, commas, quotes or control characters.
//
// An error names the file, the line, what it says and what was expected. The text
// may have 2 GiB, a million distinct words and 2^28 occurrences; what is kept of it
// is about 8 bytes per occurrence and 60 per document. name is for messages and
// [Documents.Name].
func ParseDocuments(name string, r io.Reader) (*Documents, error) {
	hash := sha256.New()
	raw := bufio.NewReaderSize(io.TeeReader(r, hash), 1<<16)
	var text io.Reader = raw
	if magic, _ := raw.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, fmt.Errorf("hlta: %s: %w", name, err)
		}
		text = z
	}
	p := parser{name: name, word: map[string]int32{}, id: map[string]int32{}}
	if err := p.read(text, maxText); err != nil {
		return nil, err
	}
	d, err := p.documents()
	if err != nil {
		return nil, err
	}
	d.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return d, nil
}

// NewDocuments makes documents of lists of words; empty lists are left out. Its
// SHA256 is that of the text "0, word\n" ... with the index of the list as docId.
func NewDocuments(lists [][]string) (*Documents, error) {
	hash := sha256.New()
	out := bufio.NewWriter(hash)
	p := parser{name: "lists", word: map[string]int32{}}
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
	d, err := p.documents()
	if err != nil {
		return nil, err
	}
	out.Flush()
	d.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return d, nil
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
	name  string
	words []string
	word  map[string]int32 // index of a word
	id    map[string]int32 // index of a document identifier

	start []int   // of the documents: in item
	item  []int32 // word indices in the order they came
	last  []int32 // per word: 1 + the document it was last seen in
	late  []occurrence
	n     int // occurrences so far, late ones included
}

// occurrence is a word of a document whose lines do not stand together.
type occurrence struct{ doc, word int32 }

// read adds all lines of a text of at most limit bytes.
func (p *parser) read(text io.Reader, limit int64) error {
	limited := &io.LimitedReader{R: text, N: limit + 1}
	lines := bufio.NewReaderSize(limited, 1<<16)
	current := []byte(nil) // identifier of the document that the last line belongs to
	doc := int32(-1)
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
		if body := bytes.TrimSpace(line); len(body) > 0 {
			id, word, ok := bytes.Cut(body, []byte{','})
			if !ok {
				return p.errorf(number, body, "want \"docId, word\"")
			}
			id, word = bytes.TrimSpace(id), bytes.TrimSpace(word)
			if doc < 0 || !bytes.Equal(id, current) {
				if doc, err = p.document(id); err != nil {
					return p.errorf(number, body, "%v", err)
				}
				current = append(current[:0], id...)
			}
			if int(doc) == len(p.start)-1 {
				err = p.add(word)
			} else {
				err = p.addLate(doc, word)
			}
			if err != nil {
				return p.errorf(number, body, "%v", err)
			}
		}
		if len(line) == 0 || line[len(line)-1] != '\n' {
			return nil // the end of the file
		}
	}
}

// document returns the index of the document with this identifier, a new one if
// there is none yet.
func (p *parser) document(id []byte) (int32, error) {
	if doc, ok := p.id[string(id)]; ok {
		return doc, nil
	}
	if err := checkName(id); err != nil {
		return 0, fmt.Errorf("document identifier %w", err)
	}
	p.begin()
	doc := int32(len(p.start) - 1)
	p.id[string(id)] = doc
	return doc, nil
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

// addLate adds a word to an older document.
func (p *parser) addLate(doc int32, word []byte) error {
	w, err := p.intern(word)
	if err != nil {
		return err
	}
	if k := len(p.late); k == 0 || p.late[k-1] != (occurrence{doc, w}) {
		p.late = append(p.late, occurrence{doc, w})
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

// documents puts the late occurrences where they belong and merges equal documents.
func (p *parser) documents() (*Documents, error) {
	d := &Documents{Name: p.name, Words: p.words, N: len(p.start)}
	if d.N == 0 {
		return nil, fmt.Errorf("hlta: %s: no documents", p.name)
	}
	p.id, p.word, p.last = nil, nil, nil
	slices.SortFunc(p.late, func(a, b occurrence) int { return int(a.doc) - int(b.doc) })
	p.start = append(p.start, len(p.item))
	merge := newMerger(d.N)
	var row []int32
	for doc, late := 0, p.late; doc < d.N; doc++ {
		row = append(row[:0], p.item[p.start[doc]:p.start[doc+1]]...)
		for len(late) > 0 && int(late[0].doc) == doc {
			row = append(row, late[0].word)
			late = late[1:]
		}
		slices.Sort(row)
		merge.add(slices.Compact(row), 1)
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
