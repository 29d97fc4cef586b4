package weights

// About is what a file says of itself beside its tensors: class names, configuration, and of
// a whole pickled module the classes and attributes of its layers. Everything is optional and
// nothing in it was run.
type About struct {
	// Labels are the class names in class order: of class_to_idx, idx_to_class, id2label,
	// classes and the like (labelKeys in labels.go), where they make a whole list 0..n-1;
	// nil where none are given. Whether there are as many as classes is not known here.
	Labels []string
	// LabelsFrom is the path of keys that leads to them, e.g. class_to_idx or
	// hyper_parameters.classes; after the file's name where it is another one:
	// "config.json id2label".
	LabelsFrom string
	// Architecture is the name of the network, where the file or config.json gives one:
	// "resnetblur50" of timm's or "resnet18" of PyTorch's ImageNet example's "arch". It is
	// what somebody wrote there, in whatever spelling.
	Architecture string
	// Config and Preprocessor are the JSON objects config.json and preprocessor_config.json
	// in the folder that was opened, or beside a file with one of Hugging Face's names for
	// weights; nil where there are none.
	Config, Preprocessor []byte
	// Modules are the layers of a whole pickled module or a TorchScript archive by the
	// dotted path that begins their tensors' names, "" for the outermost; nil for a plain
	// state dict. A module that is there twice has the name of its first place, unless it
	// has neither tensors nor children: then it is named at each.
	Modules map[string]Module
}

// Module is a layer as it was pickled: its Python class, and those of its attributes that are
// plain values: nil, bool, int64, float64, string, and []any of such (lists and tuples).
// An attribute of another kind, a function for instance, is its Python name as a Global; what
// has none is left out. Of TorchScript, attributes are also the constants of a scripted
// module, and stride, padding, dilation, groups, eps and the like of a traced one as its code
// gives them to the one convolution, batch norm or pooling that it calls.
type Module struct {
	Class      string // e.g. "torch.nn.modules.conv.Conv2d"
	Attributes map[string]any
}

// Global is a Python name that an attribute refers to, e.g. "torch.nn.functional.silu".
type Global string

// Dict is a state dict of a file.
type Dict struct {
	// Key is the path of dict keys, list indices and attributes that leads to it, dots
	// between: "state_dict_ema", "checkpoint.model", "" for the file's top level.
	Key     string `json:"key"`
	Tensors int    `json:"tensors"`
}

// Options steer Open.
type Options struct {
	// Key chooses the state dict, of a file that holds several, by its path as in Dict;
	// "" takes the first of Dicts. What is left of the path where a state dict is reached,
	// or a path that is no key at all, chooses the tensors whose names begin with it and a
	// dot: "student" of a state dict with student.* and teacher.*. Their names stay whole.
	Key string
}

// About is what the file says of itself.
func (f *File) About() *About { return &f.about }

// Dicts lists the state dicts found in the file, the one taken first. Several mean that
// the choice is to be said: another network, or an average over training.
func (f *File) Dicts() []Dict { return f.dicts }
