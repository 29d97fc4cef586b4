package weights

// About is what a file says of itself beside its tensors: class names, configuration, and of
// a whole pickled module the classes and attributes of its layers. Everything is optional and
// nothing in it was run.
type About struct {
	// Labels are the class names in class order (class_to_idx, idx_to_class, classes,
	// id2label, label_names, "classes" of safetensors metadata); nil where none are given.
	Labels []string
	// LabelsFrom names where they were found, e.g. `"class_to_idx"`.
	LabelsFrom string
	// Config and Preprocessor are the JSON of config.json and preprocessor_config.json
	// beside the weights in a folder; nil where there are none.
	Config, Preprocessor []byte
	// Modules are the layers of a whole pickled module or a TorchScript archive by the
	// dotted path that begins their tensors' names, "" for the outermost; nil for a plain
	// state dict.
	Modules map[string]Module
}

// Module is a layer as it was pickled: its Python class, and those of its attributes that are
// plain values: nil, bool, int64, float64, string, and []any of such (lists and tuples).
// An attribute of another kind, a function for instance, is its Python name as a Global.
type Module struct {
	Class      string // e.g. "torch.nn.modules.conv.Conv2d"
	Attributes map[string]any
}

// Global is a Python name that an attribute refers to, e.g. "torch.nn.functional.silu".
type Global string

// Dict is a state dict of a file.
type Dict struct {
	// Key is the path of dict keys and list indices that leads to it, dots between:
	// "state_dict_ema", "checkpoint.model", "" for the file's top level.
	Key     string
	Tensors int
}

// Options steer Open.
type Options struct {
	// Key chooses the state dict, of a file that holds several; "" takes the first that
	// is there of the usual names.
	Key string
}

// About is what the file says of itself.
func (f *File) About() *About { return &f.about }

// Dicts lists the state dicts found in the file, the one taken first.
func (f *File) Dicts() []Dict { return f.dicts }
