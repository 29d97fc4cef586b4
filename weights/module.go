package weights

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cwox/weights/pickle"
)

// Whole modules, as torch.save(model) writes them: an object whose attributes hold
// _parameters, _buffers and _modules (torch/nn/modules/module.py).

// attributes are those of an object, nil where it has none: its state, which may be a
// tuple with the slots as the second; or the one argument of torch.fx's GraphModule.
func attributes(o *pickle.Object) *pickle.Dict {
	switch s := o.State.(type) {
	case *pickle.Dict:
		return s
	case pickle.Tuple:
		if len(s) == 2 {
			if d, ok := s[0].(*pickle.Dict); ok {
				return d
			}
		}
	case nil:
		if strings.HasSuffix(o.ClassName(), ".reduce_graph_module") && len(o.Args) > 0 {
			d, _ := o.Args[0].(*pickle.Dict)
			return d
		}
	}
	return nil
}

// isModule tells whether an object is a torch.nn.Module.
func isModule(o *pickle.Object) bool {
	d := attributes(o)
	if d == nil {
		return false
	}
	_, ok1 := d.Get("_modules")
	_, ok2 := d.Get("_parameters")
	return ok1 && ok2
}

// parts are what a module consists of.
type parts struct {
	tensors    []named // parameters, then buffers
	children   []named
	attributes []named
}

// moduleWalk visits a module and those below it in the order of state_dict: the own
// tensors of each, then its children. A module that is there twice counts once, where it
// is first; only one without tensors (an activation) is named at each place.
type moduleWalk struct {
	split  func(*pickle.Object) parts
	class  func(*pickle.Object) Module // the class with what it says itself; nil: its name
	budget *int                        // only count the tensors, and no more than these attributes

	count   int // of tensors
	tensors []named
	modules map[string]Module
	values  int // of attributes
}

const (
	deepestModule = 64
	longestName   = 1024
	mostModules   = 1 << 16
)

func (w *moduleWalk) walk(top *pickle.Object) error {
	type place struct {
		path   string
		depth  int
		module *pickle.Object
	}
	w.modules = map[string]Module{}
	seen := map[*pickle.Object]bool{}
	visited := 0
	stack := []place{{"", 0, top}}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		parts := w.split(p.module)
		leaf := len(parts.tensors)+len(parts.children) == 0
		if seen[p.module] && !leaf {
			continue
		}
		seen[p.module] = true
		switch visited++; {
		case visited > mostModules:
			return fmt.Errorf("more than %d modules", mostModules)
		case p.depth > deepestModule:
			return fmt.Errorf("modules more than %d deep, at %s", deepestModule, quote(p.path))
		case len(p.path) > longestName:
			return fmt.Errorf("the module name %s has %d bytes", quote(p.path), len(p.path))
		}
		w.count += len(parts.tensors)
		if w.budget != nil {
			if *w.budget -= 1 + len(parts.attributes) + len(parts.children) + len(parts.tensors); *w.budget < 0 {
				return errors.New("too many modules")
			}
		} else {
			if len(w.tensors)+len(parts.tensors) > maxTensors {
				return fmt.Errorf("more than %d tensors", maxTensors)
			}
			for _, t := range parts.tensors {
				w.tensors = append(w.tensors, named{join(p.path, t.name), t.value})
			}
			w.modules[p.path] = w.describe(p.module, parts)
		}
		for _, c := range slices.Backward(parts.children) {
			stack = append(stack, place{join(p.path, c.name), p.depth + 1, c.value.(*pickle.Object)})
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe is a module as About shows it.
func (w *moduleWalk) describe(o *pickle.Object, p parts) Module {
	m := Module{Class: o.ClassName(), Attributes: map[string]any{}}
	if w.class != nil {
		m = w.class(o)
	}
	for _, a := range p.attributes {
		if v, ok := w.plain(a.value, 0); ok {
			m.Attributes[a.name] = v
		}
	}
	return m
}

// plain is the value of an attribute as Module holds it.
func (w *moduleWalk) plain(v any, depth int) (any, bool) {
	const deepest, longest = 3, 64
	if w.values++; w.values > mostInModule {
		return nil, false
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v, true
	case pickle.Global:
		return Global(v), true
	case *pickle.Object:
		items, ok := sequence(v)
		if name := v.ClassName(); !ok && name != "" && !isTensor(v) {
			return Global(name), true
		} else if !ok {
			return nil, false
		}
		return w.plain(pickle.Tuple(items), depth)
	}
	items, ok := sequence(v)
	if !ok || depth == deepest || len(items) > longest {
		return nil, false
	}
	out := make([]any, 0, len(items))
	for _, item := range items {
		p, ok := w.plain(item, depth+1)
		if !ok {
			return nil, false
		}
		out = append(out, p)
	}
	return out, true
}

// splitModule takes a torch.nn.Module apart.
func splitModule(o *pickle.Object) (p parts) {
	d := attributes(o)
	entries := func(key string) []pickle.Entry {
		v, _ := d.Get(key)
		if m, ok := mapping(v); ok {
			return m.Entries
		}
		return nil
	}
	transient := map[string]bool{} // buffers that state_dict leaves out
	if v, ok := d.Get("_non_persistent_buffers_set"); ok {
		for _, item := range setItems(v) {
			if name, ok := item.(string); ok {
				transient[name] = true
			}
		}
	}
	for _, e := range entries("_parameters") {
		if name, ok := e.Key.(string); ok && e.Value != nil {
			p.tensors = append(p.tensors, named{name, e.Value})
		}
	}
	for _, e := range entries("_buffers") {
		if name, ok := e.Key.(string); ok && e.Value != nil && !transient[name] {
			p.tensors = append(p.tensors, named{name, e.Value})
		}
	}
	for _, e := range entries("_modules") {
		name, ok := e.Key.(string)
		if child, isObject := e.Value.(*pickle.Object); ok && isObject && isModule(child) {
			p.children = append(p.children, named{name, child})
		}
	}
	for e := range d.All() {
		if name, ok := e.Key.(string); ok && !ofModule(name) {
			p.attributes = append(p.attributes, named{name, e.Value})
		}
	}
	return p
}

// ofModule tells the attributes that every torch.nn.Module has for its own use.
func ofModule(name string) bool {
	switch name {
	case "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_version":
		return true
	}
	return strings.HasPrefix(name, "_") && strings.Contains(name, "hook")
}

// setItems are the items of a set: of protocol 4, or a call of set with a list.
func setItems(v any) []any {
	switch v := v.(type) {
	case *pickle.Set:
		return v.Items
	case *pickle.Object:
		if strings.HasSuffix(v.ClassName(), "set") && len(v.Args) == 1 {
			items, _ := sequence(v.Args[0])
			return items
		}
	}
	return nil
}
