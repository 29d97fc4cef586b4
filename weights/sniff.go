package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cwox/weights/onnx"
)

// foreign are the files that people take for weight files of PyTorch, and what to do.
var foreign = []struct {
	is     func(data []byte) bool
	remedy string
}{
	{begins("version https://git-lfs.github.com/"), "a Git LFS pointer, not the file itself: run git lfs install, then git lfs pull"},
	{begins("\x89HDF\r\n\x1a\n"), "an HDF5 file (Keras .h5, MATLAB 7.3): " + toONNX("tf2onnx")},
	{begins("GGUF", "lmgg", "ggml", "fmgg", "tjgg", "algg"), "a GGUF or GGML file of llama.cpp: take the .safetensors it was made of"},
	{at(4, "TFL3"), "a TensorFlow Lite model: " + toONNX("tf2onnx")},
	{begins("MATLAB 5.0"), "a MATLAB .mat file: save the arrays with numpy.savez"},
	{isNPY, "a single NumPy array (.npy): save all arrays with numpy.savez"},
	{begins("7z\xbc\xaf\x27\x1c"), "a 7z archive: unpack it"},
	{begins("Rar!\x1a\x07"), "a RAR archive: unpack it"},
	{begins("\xfd7zXZ\x00"), "compressed by xz: unpack it with xz -d"},
	{begins("BZh"), "compressed by bzip2: unpack it with bzip2 -d"},
	{begins("\x28\xb5\x2f\xfd"), "compressed by zstd: unpack it with zstd -d"},
	{begins("\x04\x22\x4d\x18"), "compressed by lz4: unpack it with lz4 -d"},
	{begins("\x12\x01\x00\x00\x00\x00\x00\x00"), "an MXNet .params file: " + toONNX("mxnet's exporter")},
	{begins("7767517"), "an ncnn .param file, which has no weights: take the model that it was made of"},
	{begins("ftrt", "ptrt"), "a TensorRT engine: take the model that it was made of"},
	{begins("\x89PNG", "\xff\xd8\xff", "GIF8"), "a picture, not a weight file"},
	{begins("%PDF"), "a PDF document, not a weight file"},
	{isOldTar, "the tar container of the first PyTorch versions: load it with torch.load and save its state_dict again"},
	{at(257, "ustar"), "a tar archive: unpack it (tar -xf) and give the weight file"},
	{isOpenVINO, "an OpenVINO .xml, which describes the graph of a .bin: give the PyTorch model that it was made of"},
	{isHTML, "an HTML page, not a weight file (a download that failed?)"},
	{isXML, "an XML text, not a weight file"},
	{isJSON, "a JSON text, not a weight file (a config.json? give its folder, or the weights beside it)"},
	{isSavedModel, "a TensorFlow SavedModel (saved_model.pb): " + toONNX("tf2onnx")},
	{isCoreML, "a Core ML model: take the model that it was made of, or " + toONNX("the program that made it")},
	{isGraphDef, "a protocol buffer of TensorFlow (.pb) or Caffe (.caffemodel): " + toONNX("tf2onnx")},
}

// toONNX is the remedy for models of other frameworks.
func toONNX(exporter string) string {
	return "export it to ONNX with " + exporter + ", and give that file"
}

func begins(with ...string) func([]byte) bool {
	return func(data []byte) bool {
		return slices.ContainsFunc(with, func(s string) bool { return bytes.HasPrefix(data, []byte(s)) })
	}
}

func at(offset int, s string) func([]byte) bool {
	return func(data []byte) bool {
		return len(data) >= offset+len(s) && string(data[offset:offset+len(s)]) == s
	}
}

// sniff tells the container by content. A safetensors file is known by the brace at
// byte 8, which neither a zip nor torch's pickle can have there.
func sniff(data []byte) (Format, error) {
	if len(data) == 0 {
		return "", errors.New("the file is empty")
	}
	if len(data) > 8 && data[8] == '{' && !begins("\x1f\x8b", "PK\x03\x04")(data) && !isJSON(data[:8]) {
		return Safetensors, nil
	}
	switch {
	case begins("PK\x03\x04", "PK\x05\x06")(data):
		return PTHZip, nil
	case begins("\x1f\x8b")(data):
		return gzipped, nil
	case isPickle(data) && isLegacy(data):
		return PTHLegacy, nil
	case isPickle(data):
		return Pickle, nil
	case onnx.Is(data):
		return ONNX, nil
	}
	for _, f := range foreign {
		if f.is(data) {
			return "", errors.New(f.remedy)
		}
	}
	if len(data) >= 8 && binary.LittleEndian.Uint64(data) <= uint64(len(data)-8) {
		return Safetensors, nil
	}
	return "", fmt.Errorf("neither .safetensors nor .pth nor another container that is read: begins with %q", data[:min(len(data), 16)])
}

func isPickle(data []byte) bool {
	return len(data) > 2 && data[0] == 0x80 && data[1] >= 1 && data[1] <= 5
}

// isOldTar knows the members that torch.save wrote before its own format.
func isOldTar(data []byte) bool {
	return at(257, "ustar")(data) && begins("sys_info\x00", "pickle\x00", "storages\x00", "tensors\x00", "./sys_info\x00")(data)
}

func head(data []byte) string {
	s := strings.ToLower(string(data[:min(len(data), 1024)]))
	return strings.TrimLeft(strings.TrimPrefix(s, "\ufeff"), " \t\r\n")
}

func isHTML(data []byte) bool {
	s := head(data)
	return strings.HasPrefix(s, "<!doctype html") || strings.HasPrefix(s, "<html") ||
		strings.HasPrefix(s, "<?xml") && strings.Contains(s, "<html")
}

func isXML(data []byte) bool {
	s := head(data)
	return strings.HasPrefix(s, "<?xml") || strings.HasPrefix(s, "<!doctype") || strings.HasPrefix(s, "<error>")
}

func isOpenVINO(data []byte) bool {
	s := head(data)
	return strings.HasPrefix(s, "<net ") || strings.HasPrefix(s, "<?xml") && strings.Contains(s, "<net ")
}

func isJSON(data []byte) bool {
	s := head(data)
	return (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")) && !strings.Contains(s, "\x00")
}

// Other protocol buffers than ONNX's begin with the field of a version, a small number, then
// with a message.

func isSavedModel(data []byte) bool { return begins("\x08\x01\x12")(data) }

func isCoreML(data []byte) bool {
	return len(data) > 4 && data[0] == 0x08 && data[1] > 1 && data[1] < 16 && data[2] == 0x12
}

func isGraphDef(data []byte) bool {
	return len(data) > 8 && data[0] == 0x0a && (data[2] == 0x0a || data[3] == 0x0a) ||
		len(data) > 8 && data[0] == 0x0a && int(data[1]) < 64 && bytes.IndexFunc(data[2:min(len(data), 2+int(data[1]))],
			func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
