package hlta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// jsonWalker reads JSON token by token. What a text becomes is made one element at a time, by code
// that counts: a decoder that fills slices makes gigabytes of 95 kB of compressed "null,null,".
type jsonWalker struct {
	*json.Decoder
	objects int
}

// walk has read read the whole of a text, and says of an error where in the text it is.
func walk(data []byte, read func(w *jsonWalker) error) error {
	w := &jsonWalker{Decoder: json.NewDecoder(bytes.NewReader(data))}
	err := read(w)
	if err == nil {
		var more json.Token
		if more, err = w.Token(); err == io.EOF {
			return nil
		} else if err == nil {
			err = fmt.Errorf("%.40q after the end", fmt.Sprint(more))
		}
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("unexpected end of JSON input")
	}
	return fmt.Errorf("byte %d: %w", w.InputOffset(), err)
}

// open reads the beginning of an array or object; none is null.
func (w *jsonWalker) open(want json.Delim) (none bool, err error) {
	t, err := w.Token()
	if err != nil || t == nil || t == want {
		return t == nil, err
	}
	return false, fmt.Errorf("%.40q where %s is wanted", fmt.Sprint(t), map[json.Delim]string{'[': "an array", '{': "an object"}[want])
}

// array has element read the elements of an array; null is an empty one.
func (w *jsonWalker) array(element func() error) error {
	none, err := w.open('[')
	if none || err != nil {
		return err
	}
	for w.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = w.Token()
	return err
}

// field is a key of an object, and what its value is read into: a pointer, or a func() error.
type field struct {
	key  string
	into any
}

// object reads an object; values of other keys are skipped, null is an error. There may be
// maxVariables objects in all.
func (w *jsonWalker) object(fields ...field) error {
	none, err := w.open('{')
	if err != nil {
		return err
	}
	if none {
		return errors.New("null where an object is wanted")
	}
	if w.objects++; w.objects > maxVariables {
		return fmt.Errorf("more than %d objects", maxVariables)
	}
	for w.More() {
		key, err := w.Token()
		if err != nil {
			return err
		}
		read := w.skip
		if i := slices.IndexFunc(fields, func(f field) bool { return f.key == key }); i >= 0 {
			var made bool
			if read, made = fields[i].into.(func() error); !made {
				read = func() error { return w.Decode(fields[i].into) }
			}
		}
		if err := read(); err != nil {
			return err
		}
	}
	_, err = w.Token()
	return err
}

// skip reads a value and forgets it.
func (w *jsonWalker) skip() error {
	for depth := 0; ; {
		t, err := w.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			if depth++; depth > 10_000 {
				return errors.New("exceeded max depth")
			}
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
