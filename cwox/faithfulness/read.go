package faithfulness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"cwox/internal/outside"
	"cwox/weights"
)

// ReadHeatmap reads a heatmap [height][width] of float32 or float64 from a .npy file, or
// from a tensor of a .safetensors (or .pth) file, told apart by content. Tensor names it;
// it may be empty where there is only one. Errors name the file, what was found and what
// was wanted. Values that are not finite are left for Score to find.
func ReadHeatmap(path, tensor string, height, width int) (Heatmap, error) {
	h, err := readHeatmap(path, tensor, height*width)
	if err == nil && (h.Height != height || h.Width != width) {
		err = fmt.Errorf("a heatmap of %d x %d, the network's input is %d x %d", h.Height, h.Width, height, width)
	}
	if err != nil {
		return Heatmap{}, fmt.Errorf("faithfulness: %s: %w", path, err)
	}
	return h, nil
}

// readHeatmap reads a heatmap that should have so many values.
func readHeatmap(path, tensor string, size int) (Heatmap, error) {
	f, err := outside.Open(path)
	if err != nil {
		return Heatmap{}, reason(err)
	}
	defer f.Close()
	magic := make([]byte, len(npyMagic))
	if n, err := io.ReadFull(f, magic); err != nil && n == 0 {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return Heatmap{}, reason(err)
	}
	if string(magic) != npyMagic {
		return readTensor(path, tensor, size)
	}
	if tensor != "" {
		return Heatmap{}, fmt.Errorf("tensor %q: a .npy file has no names", tensor)
	}
	limit := int64(12 + maxHeader + 8*size)
	rest, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return Heatmap{}, reason(err)
	}
	if int64(len(rest)) == limit {
		return Heatmap{}, fmt.Errorf("more than the %d bytes that a heatmap of %d values takes", limit, size)
	}
	return parseNPY(append(magic, rest...))
}

// reason is an error without the path, which the caller adds.
func reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func readTensor(path, tensor string, size int) (Heatmap, error) {
	file, err := weights.Open(path)
	if err != nil {
		return Heatmap{}, fmt.Errorf("neither .npy nor a tensor file: %w", err)
	}
	defer file.Close()
	names := file.Names()
	if tensor == "" {
		if len(names) != 1 {
			return Heatmap{}, fmt.Errorf("name one of its %d tensors: %s", len(names), some(names))
		}
		tensor = names[0]
	}
	t, ok := file.Tensor(tensor)
	switch {
	case !ok:
		return Heatmap{}, fmt.Errorf("no tensor %q among %d: %s", tensor, len(names), some(names))
	case t.DType != weights.F32 && t.DType != weights.F64:
		return Heatmap{}, fmt.Errorf("tensor %q is of type %s, want F32 or F64", tensor, t.DType)
	case len(t.Shape) != 2 || t.Len() != size:
		return Heatmap{}, fmt.Errorf("tensor %q has shape %v, want [height width] with %d values", tensor, t.Shape, size)
	}
	values, err := t.Float64()
	if err != nil {
		return Heatmap{}, err
	}
	h := Heatmap{t.Shape[0], t.Shape[1], make([]float64, len(values))}
	copy(h.Data, values) // the file's memory goes with the file
	return h, nil
}

// some lists the first few names.
func some(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
