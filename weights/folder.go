package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cwox/internal/outside"
	"cwox/weights/pickle"
)

// Folders, as Hugging Face's save_pretrained and timm write them: weights, config.json,
// and preprocessor_config.json; and weights in several files with an index beside them.

const (
	indexSuffix  = ".index.json"
	configFile   = "config.json"
	preprocessor = "preprocessor_config.json"

	mostFolder = 10000   // entries of a folder
	mostConfig = 8 << 20 // bytes of a configuration: one with 21,843 class names has 2 MB
	mostIndex  = 32 << 20
	mostShards = 4096
)

// usualFiles are the names of the weights in a folder, the first to be taken first.
var usualFiles = []string{
	"model.safetensors", "model.safetensors" + indexSuffix,
	"pytorch_model.safetensors", "pytorch_model.bin", "pytorch_model.bin" + indexSuffix, "model.onnx",
}

var weightSuffixes = []string{
	".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pth.tar", ".pt.tar", ".pt2", ".ptl", ".npz", ".pkl", ".pickle",
	".pdparams", ".onnx", ".h5", ".keras", ".tflite", ".gguf", ".mlmodel", ".pth.gz", ".pt.gz",
}

// notWeights are files that training programs put beside the weights.
var notWeights = []string{"training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scheduler.bin", "rng_state.pth", "scaler.pt"}

// isWeightFile tells by its name whether a file may hold weights.
func isWeightFile(name string) bool {
	name = strings.ToLower(name)
	return !strings.HasPrefix(name, ".") && !slices.Contains(notWeights, name) &&
		slices.ContainsFunc(weightSuffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

// openFolder finds the weights in a folder and opens them.
func openFolder(dir string, o Options) (*File, error) {
	names, err := folderNames(dir)
	if err != nil {
		return nil, err
	}
	name, err := pickWeights(names)
	if err != nil {
		return nil, fmt.Errorf("weights: %s: %w", dir, err)
	}
	f, err := openFile(filepath.Join(dir, name), o)
	if err != nil {
		return nil, err
	}
	f.path = dir
	if err := f.readConfig(dir); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func folderNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(mostFolder + 1)
	if err != nil && len(names) == 0 {
		return nil, fmt.Errorf("weights: %s: an empty folder", dir)
	}
	if len(names) > mostFolder {
		return nil, fmt.Errorf("weights: %s: a folder of more than %d files: name the weight file", dir, mostFolder)
	}
	slices.Sort(names)
	return names, nil
}

// pickWeights is the name of the weight file in a folder of these names.
func pickWeights(names []string) (string, error) {
	for _, usual := range usualFiles {
		if slices.Contains(names, usual) {
			return usual, nil
		}
	}
	var files, indices []string
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, indexSuffix):
			indices = append(indices, name)
		case isWeightFile(name):
			files = append(files, name)
		case strings.HasSuffix(name, ".distcp"):
			return "", errors.New("a folder of torch.distributed.checkpoint: convert it with python -m torch.distributed.checkpoint.format_utils dcp_to_torch")
		case name == "saved_model.pb":
			return "", errors.New("a TensorFlow SavedModel: " + toONNX("tf2onnx"))
		case name == "zero_to_fp32.py":
			return "", errors.New("a folder of DeepSpeed: run python zero_to_fp32.py . model.pth in it")
		case name == "data.pkl":
			return "", errors.New("the unpacked archive of torch.save: pack it again with zip -0 -r, or take the file it came from")
		case name == "Manifest.json":
			return "", errors.New("a Core ML package: " + toONNX("the program that made it"))
		}
	}
	switch {
	case len(indices) == 1:
		return indices[0], nil
	case len(indices) > 1:
		return "", fmt.Errorf("a folder of %d indices of weights, %s: name one", len(indices), someNames(indices))
	case len(files) == 1:
		return files[0], nil
	case len(files) > 1:
		return "", fmt.Errorf("a folder of %d weight files, %s: name one", len(files), someNames(files))
	}
	return "", fmt.Errorf("a folder without weights (model.safetensors, pytorch_model.bin, an %s, or one other weight file); it holds %s",
		indexSuffix, someNames(names))
}

// readConfig reads the configurations in the folder of the weights, where they are.
func (f *File) readConfig(dir string) error {
	var config any
	for _, c := range []struct {
		name string
		to   *[]byte
	}{{configFile, &f.about.Config}, {preprocessor, &f.about.Preprocessor}} {
		path := filepath.Join(dir, c.name)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		data, err := outside.Read(path, mostConfig)
		if err != nil {
			return err
		}
		v, err := parseJSON(data)
		if err == nil {
			if _, ok := v.(*pickle.Dict); !ok {
				err = fmt.Errorf("%s, want an object", pickle.Describe(v))
			}
		}
		if err != nil {
			return fmt.Errorf("weights: %s: %w", path, err)
		}
		*c.to = data
		if c.name == configFile {
			config = v
		}
	}
	if name, ok := field[string](config, "architecture"); ok {
		f.about.Architecture = name
	}
	if labels, key := configLabels(config); labels != nil && f.about.Labels == nil {
		f.about.Labels, f.about.LabelsFrom = labels, configFile+" "+key
	}
	return nil
}

// openSharded opens the weight files that an index lists: {"weight_map": {tensor: file}}.
func openSharded(path string) (*File, error) {
	data, err := outside.Read(path, mostIndex)
	if err != nil {
		return nil, err
	}
	f := &File{name: filepath.Base(path), path: path, format: Sharded, byName: map[string]*Tensor{}}
	if err := f.openShards(filepath.Dir(path), data); err != nil {
		f.Close()
		return nil, fmt.Errorf("weights: %s: %w", f.name, err)
	}
	return f, nil
}

func (f *File) openShards(dir string, index []byte) error {
	parsed, err := parseJSON(index)
	if err != nil {
		return err
	}
	weightMap, ok := field[*pickle.Dict](parsed, "weight_map")
	if !ok {
		return errors.New("no \"weight_map\": not an index of weight files")
	}
	shards, err := shardNames(weightMap)
	if err != nil {
		return err
	}
	byName := make(map[string]*File, len(shards))
	for _, name := range shards {
		shard, err := openFile(filepath.Join(dir, name), Options{})
		if err != nil {
			return err
		}
		f.shards, byName[name] = append(f.shards, shard), shard
		f.globals = append(f.globals, shard.globals...)
	}
	slices.Sort(f.globals)
	f.globals = slices.Compact(f.globals)
	for _, e := range weightMap.Entries {
		name, file := e.Key.(string), e.Value.(string)
		t, ok := byName[file].Tensor(name)
		if !ok {
			return fmt.Errorf("%s is not in %s, where the index has it", quote(name), quote(file))
		}
		if _, twice := f.byName[name]; twice {
			return fmt.Errorf("%s appears twice", quote(name))
		}
		if len(f.tensors) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		f.tensors, f.byName[name] = append(f.tensors, t), t
	}
	if len(f.tensors) == 0 {
		return errors.New("an index of no tensors")
	}
	f.dicts = []Dict{{Tensors: len(f.tensors)}}
	return nil
}

// mostShardName is as long as a file's name can be.
const mostShardName = 255

// shardNames lists the files of an index, sorted. They must lie in its folder.
func shardNames(weightMap *pickle.Dict) ([]string, error) {
	seen := map[string]bool{}
	var names []string
	for _, e := range weightMap.Entries {
		name, ok := e.Value.(string)
		if !ok {
			return nil, fmt.Errorf("%s is in %s, want the name of a file", pickle.Describe(e.Key), pickle.Describe(e.Value))
		}
		if seen[name] {
			continue
		}
		if name == "" || len(name) > mostShardName || name == "." || name == ".." || strings.ContainsAny(name, "/\\:\x00") || strings.HasSuffix(name, indexSuffix) {
			return nil, fmt.Errorf("%s is in %s, want the name of a file in the same folder", pickle.Describe(e.Key), quote(name))
		}
		if seen[name] = true; len(seen) > mostShards {
			return nil, fmt.Errorf("more than %d files", mostShards)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// sumShards is the SHA-256 of the shards one after the other, sorted by name.
func sumShards(shards []*File) string {
	h := sha256.New()
	for _, s := range shards {
		h.Write(s.data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
