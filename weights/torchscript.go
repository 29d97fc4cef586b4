package weights

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cwox/weights/pickle"
)

// torchScriptPrefix begins the classes of a TorchScript archive.
const torchScriptPrefix = "__torch__."

// parseTorchScript reads what torch.jit.save writes: a zip archive of ROOT/data.pkl, the
// module with its tensors and attributes; ROOT/code, its methods as source text;
// ROOT/constants.pkl, the tensors in them (torch/csrc/jit/serialization).
func (f *File) parseTorchScript(a *archive, root string) error {
	top, err := f.readPickle(a, root+"data.pkl")
	if err != nil {
		return err
	}
	if err := a.littleEndian(root); err != nil {
		return err
	}
	o, ok := top.(*pickle.Object)
	if !ok || !isScript(o) {
		return fmt.Errorf("data.pkl holds %s, want a module", pickle.Describe(top))
	}
	code := newScriptCode(a, root)
	w := &moduleWalk{split: splitScript, class: code.module}
	if err := w.walk(o); err != nil {
		return err
	}
	if len(w.tensors) == 0 {
		return errors.New("a frozen TorchScript archive: its weights are constants of the code, without names, and its " +
			"state_dict() is empty; save the state_dict of the model before torch.jit.freeze or optimize_for_inference")
	}
	if code.err != nil {
		return code.err
	}
	f.about.Modules = w.modules
	f.dicts = []Dict{{Tensors: len(w.tensors)}}
	if err := f.newTensorReader(a.storages(root+"data/")).readAll(w.tensors, keyPrefix(f.options.Key)); err != nil {
		return err
	}
	f.describe(top, candidate{value: o})
	return nil
}

func isScript(o *pickle.Object) bool {
	name := o.ClassName()
	return strings.HasPrefix(name, torchScriptPrefix) && !strings.HasPrefix(name, torchScriptPrefix+"torch.classes.")
}

// splitScript takes a module of TorchScript apart: tensors, modules and attributes are
// all in one dict.
func splitScript(o *pickle.Object) (p parts) {
	d := attributes(o)
	if d == nil {
		return p
	}
	for e := range d.All() {
		name, ok := e.Key.(string)
		if !ok {
			continue
		}
		child, isObject := e.Value.(*pickle.Object)
		switch {
		case isTensor(e.Value):
			p.tensors = append(p.tensors, named{name, e.Value})
		case isObject && isScript(child):
			p.children = append(p.children, named{name, child})
		default:
			p.attributes = append(p.attributes, named{name, e.Value})
		}
	}
	return p
}

// scriptCode reads what the source text of a TorchScript archive says of a layer: the
// constants of a scripted module, and of a traced one the arguments of the one call that
// its forward makes.
type scriptCode struct {
	archive *archive
	folder  string
	read    map[string]bool   // the files that were, by path
	bodies  map[string]string // of the classes, by Python name
	modules map[string]Module // by Python name
	size    int
	err     error
}

const mostCode = 16 << 20 // bytes

func newScriptCode(a *archive, root string) *scriptCode {
	return &scriptCode{archive: a, folder: root + "code/", read: map[string]bool{}, bodies: map[string]string{}, modules: map[string]Module{}}
}

// scriptCalls are the positions of arguments of the functions that traced layers call
// (aten/src/ATen/native/native_functions.yaml).
var scriptCalls = map[string]map[int]string{
	"torch._convolution": {3: "stride", 4: "padding", 5: "dilation", 6: "transposed", 8: "groups"},
	"torch.conv2d":       {3: "stride", 4: "padding", 5: "dilation", 6: "groups"},
	"torch.batch_norm":   {6: "momentum", 7: "eps"},
	"torch.max_pool2d":   {1: "kernel_size", 2: "stride", 3: "padding", 4: "dilation", 5: "ceil_mode"},
	"torch.avg_pool2d":   {1: "kernel_size", 2: "stride", 3: "padding", 4: "ceil_mode", 5: "count_include_pad"},
}

// module is the class of a module by its Python name, and what its code says.
func (c *scriptCode) module(o *pickle.Object) Module {
	full := o.ClassName()
	m, ok := c.modules[full]
	if !ok {
		m = Module{Class: scriptClass(full), Attributes: scriptAttributes(c.body(full))}
		c.modules[full] = m
	}
	m.Attributes = maps.Clone(m.Attributes)
	return m
}

// scriptClass is the Python class without what TorchScript adds to tell instances apart.
func scriptClass(full string) string {
	parts := strings.Split(strings.TrimPrefix(full, torchScriptPrefix), ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, "___torch_mangle_") }), ".")
}

// body is the source text of a class.
func (c *scriptCode) body(full string) string {
	module := full[:max(0, strings.LastIndexByte(full, '.'))]
	path := strings.ReplaceAll(module, ".", "/") + ".py"
	e, ok := c.archive.entries[c.folder+path]
	if ok && !c.read[path] && c.err == nil && e.UncompressedSize64 <= uint64(mostCode-c.size) {
		b, err := c.archive.content(e)
		c.err = err
		c.read[path] = true
		c.size += len(b)
		for text := range strings.SplitSeq("\n"+string(b), "\nclass ") {
			if name, body, ok := strings.Cut(text, "(Module):\n"); ok {
				c.bodies[module+"."+name] = body
			}
		}
	}
	return c.bodies[full]
}

// scriptAttributes is what the source text of a class says.
func scriptAttributes(body string) map[string]any {
	attributes := map[string]any{}
	fields, methods, _ := strings.Cut(body, "\n  def ")
	for line := range strings.Lines(fields) {
		// "  stride : Final[Tuple[int, int]] = (2, 2)"
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " : Final[")
		if _, value, isConstant := strings.Cut(rest, "] = "); ok && isConstant {
			if v, ok := pythonLiteral(value, 0); ok {
				attributes[name] = v
			}
		}
	}
	for name, positions := range scriptCalls {
		_, call, ok := strings.Cut(methods, name+"(")
		if !ok || strings.Contains(call, name+"(") {
			continue
		}
		for i, argument := range splitArguments(call) {
			if key, ok := positions[i]; ok && attributes[key] == nil {
				if v, ok := pythonLiteral(argument, 0); ok {
					attributes[key] = v
				}
			}
		}
	}
	return attributes
}

// splitArguments are the arguments of a call, whose text begins after the parenthesis.
func splitArguments(s string) []string {
	const longest = 4096
	var out []string
	depth, begin := 0, 0
	for i := range min(len(s), longest) {
		switch s[i] {
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth < 0 {
				return append(out, s[begin:i])
			}
		case ',':
			if depth == 0 {
				out, begin = append(out, s[begin:i]), i+1
			}
		}
	}
	return nil
}

// pythonLiteral reads numbers, True, False, None, strings without escapes, and tuples and
// lists of them.
func pythonLiteral(s string, depth int) (any, bool) {
	const deepest = 3
	s = strings.TrimSpace(s)
	switch s {
	case "True", "False":
		return s == "True", true
	case "None":
		return nil, true
	case "":
		return nil, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return v, true
	}
	switch first, last := s[0], s[len(s)-1]; {
	case len(s) < 2:
	case first == '"' && last == '"' && !strings.ContainsAny(s[1:len(s)-1], "\"\\"):
		return s[1 : len(s)-1], true
	case (first == '(' && last == ')' || first == '[' && last == ']') && depth < deepest:
		out := []any{}
		for _, item := range splitArguments(s[1:]) {
			v, ok := pythonLiteral(item, depth+1)
			if !ok && strings.TrimSpace(item) != "" { // the last comma of a tuple of one
				return nil, false
			}
			if ok {
				out = append(out, v)
			}
		}
		return out, true
	}
	return nil, false
}
