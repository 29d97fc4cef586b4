package weights

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"cwox/weights/onnx"
)

// onnxTypes are the element types of ONNX that a Tensor has.
var onnxTypes = map[onnx.Type]DType{
	onnx.Float: F32, onnx.Double: F64, onnx.Float16: F16, onnx.BFloat16: BF16,
	onnx.Int64: I64, onnx.Int32: I32, onnx.Int16: I16, onnx.Int8: I8,
	onnx.Uint64: U64, onnx.Uint32: U32, onnx.Uint16: U16, onnx.Uint8: U8, onnx.Bool: Bool,
}

// Model is the network that an ONNX file describes; nil for files that hold tensors alone.
func (f *File) Model() *onnx.Model { return f.model }

// parseONNX reads a model. Its external data lies in its folder or below it; a model in an
// archive, or in memory, can have none.
func (f *File) parseONNX(data []byte, nested int) error {
	f.beside = map[string][]byte{}
	open := func(location string) ([]byte, error) {
		if f.path == "" || nested > 0 {
			return nil, fmt.Errorf("weights in the file %s, which is not at hand: open the model from its folder", quote(location))
		}
		data, unmap, err := openData(filepath.Join(filepath.Dir(f.path), filepath.FromSlash(location)))
		if err != nil {
			return nil, err
		}
		model := f.unmap
		f.unmap = func() error { return errors.Join(model(), unmap()) }
		f.beside[location] = data
		return data, nil
	}
	var err error
	if f.model, err = onnx.Parse(data, open); err != nil {
		return err
	}
	for _, t := range f.model.Graph.Initializers {
		d, ok := onnxTypes[t.Type()]
		if !ok {
			continue
		}
		b, err := t.Bytes()
		if err == nil {
			err = f.add(&Tensor{Name: t.Name, DType: d, Shape: t.Shape(), data: b, file: f})
		}
		if err != nil {
			return err
		}
	}
	f.metadata = f.model.Metadata
	f.dicts = []Dict{{Tensors: len(f.tensors)}}
	f.about.Labels, f.about.LabelsFrom = metadataLabels(f.metadata)
	return nil
}

// besideInOrder are the files of external data, sorted by name.
func (f *File) besideInOrder() [][]byte {
	var out [][]byte
	for _, name := range slices.Sorted(maps.Keys(f.beside)) {
		out = append(out, f.beside[name])
	}
	return out
}
