package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"cwox/weights/pickle"
)

// Bounds on a JSON text.
const (
	mostTokens  = 1 << 21
	deepestJSON = 64
)

// parseJSON reads a JSON text into the values of pickle, so that one code looks into both.
// It does not recurse.
func parseJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	type open struct {
		list *pickle.List
		dict *pickle.Dict
		key  string
		keys bool // the next string is a key
	}
	var stack []open
	var result any
	done := false
	put := func(v any) {
		if len(stack) == 0 {
			result, done = v, true
			return
		}
		top := &stack[len(stack)-1]
		if top.list != nil {
			top.list.Items = append(top.list.Items, v)
			return
		}
		top.dict.Entries = append(top.dict.Entries, pickle.Entry{Key: top.key, Value: v})
		top.keys = true
	}
	for n := 0; !done; n++ {
		token, err := d.Token()
		if err == io.EOF {
			return nil, errors.New("the JSON text ends too early")
		}
		if err != nil {
			return nil, err
		}
		if n == mostTokens {
			return nil, fmt.Errorf("more than %d JSON tokens", mostTokens)
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				stack = append(stack, open{dict: &pickle.Dict{}, keys: true})
			case '[':
				stack = append(stack, open{list: &pickle.List{}})
			default:
				top := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				if top.list != nil {
					put(top.list)
				} else {
					put(top.dict)
				}
			}
			if len(stack) > deepestJSON {
				return nil, fmt.Errorf("JSON more than %d deep", deepestJSON)
			}
		case string:
			if len(stack) > 0 && stack[len(stack)-1].keys {
				stack[len(stack)-1].key, stack[len(stack)-1].keys = t, false
				continue
			}
			put(t)
		case json.Number:
			if i, err := strconv.ParseInt(string(t), 10, 64); err == nil {
				put(i)
			} else if v, err := strconv.ParseFloat(string(t), 64); err == nil {
				put(v)
			} else {
				put(string(t))
			}
		case bool:
			put(t)
		case nil:
			put(nil)
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more after the end of the JSON value")
	}
	return result, nil
}
