package weights

import (
	"errors"
	"fmt"
	"path"

	"cwox/weights/pickle"
)

// What torch.export.save writes (torch/export/pt2_archive, torch/_export/serde/schema.py).
// Up to PyTorch 2.7 a zip archive holds the state dict as a file of torch.save; since 2.8
// every weight is an entry of its own, described by a JSON text.
const (
	exportState   = "serialized_state_dict.pt"
	exportWeights = "model_weights_config.json"
)

// exportTypes are the element types by their number in the schema (ScalarType).
var exportTypes = map[int64]DType{
	1: U8, 2: I8, 3: I16, 4: I32, 5: I64, 6: F16, 7: F32, 8: F64, 10: C64, 11: C128, 12: Bool, 13: BF16,
	28: U16, 29: F8_E4M3, 30: F8_E5M2, 31: F8_E4M3FNUZ, 32: F8_E5M2FNUZ,
}

func (f *File) parseExport(a *archive, entry string, nested int) error {
	b, err := a.contentOf(entry)
	if err != nil {
		return err
	}
	if path.Base(entry) == exportState {
		if nested == mostNested {
			return errors.New("archives in archives: unpack them")
		}
		err := f.parse(b, nested+1)
		f.format = TorchExport
		return wrap(exportState, err)
	}
	config, err := parseJSON(b)
	if err != nil {
		return fmt.Errorf("%s: %w", entry, err)
	}
	weights, ok := field[*pickle.Dict](config, "config")
	if !ok {
		return fmt.Errorf("%s: no \"config\"", entry)
	}
	dir := path.Dir(entry) + "/"
	r := f.newTensorReader(nil)
	content := map[string][]byte{}
	for _, e := range weights.Entries {
		name, _ := e.Key.(string)
		file, ok1 := field[string](e.Value, "path_name")
		meta, ok2 := field[*pickle.Dict](e.Value, "tensor_meta")
		if pickled, _ := field[bool](e.Value, "use_pickle"); pickled || !ok1 || !ok2 {
			return fmt.Errorf("%s: stored in a way that is not read; save the state_dict with torch.save", quote(name))
		}
		if _, ok := content[file]; !ok {
			if content[file], err = a.contentOf(dir + file); err != nil {
				return fmt.Errorf("%s: %w", quote(name), err)
			}
		}
		t, err := r.exported(meta, content[file])
		if err != nil {
			return fmt.Errorf("%s: %w", quote(name), err)
		}
		t.Name = name
		if err := f.add(t); err != nil {
			return err
		}
	}
	if len(f.tensors) == 0 {
		return errors.New("no weights: the program has constants only")
	}
	f.dicts = []Dict{{Tensors: len(f.tensors)}}
	return nil
}

// exported is a tensor by its tensor_meta.
func (r *tensorReader) exported(meta *pickle.Dict, data []byte) (*Tensor, error) {
	number, _ := field[int64](meta, "dtype")
	dtype, ok := exportTypes[number]
	if !ok {
		return nil, fmt.Errorf("element type %d of the schema is not one that can be read", number)
	}
	shape, ok1 := exportedInts(meta, "sizes")
	stride, ok2 := exportedInts(meta, "strides")
	if !ok1 || !ok2 || len(shape) != len(stride) {
		return nil, errors.New("its sizes or strides are not numbers")
	}
	offset := int64(0)
	if v, ok := meta.Get("storage_offset"); ok {
		if offset, ok = exportedInt(v); !ok {
			return nil, errors.New("its storage_offset is not a number")
		}
	}
	return r.view(data, dtype, offset, shape, stride)
}

func exportedInts(meta *pickle.Dict, key string) ([]int64, bool) {
	l, ok := field[*pickle.List](meta, key)
	if !ok || len(l.Items) > maxRank {
		return nil, false
	}
	out := make([]int64, len(l.Items))
	for i, item := range l.Items {
		if out[i], ok = exportedInt(item); !ok {
			return nil, false
		}
	}
	return out, true
}

// exportedInt is {"as_int": 3}, or the number alone.
func exportedInt(v any) (int64, bool) {
	if n, ok := v.(int64); ok {
		return n, true
	}
	return field[int64](v, "as_int")
}

// field is the value of a key of a JSON object, if it has the type.
func field[T any](v any, key string) (T, bool) {
	var zero T
	d, ok := v.(*pickle.Dict)
	if !ok {
		return zero, false
	}
	value, _ := d.Get(key)
	t, ok := value.(T)
	return t, ok
}
