package weights

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cwox/weights/pickle"
)

// Where in a pickle the state dict is. A training program puts it somewhere into a dict or
// list of its own, beside the state of an optimizer, whose tensors look much the same.

// usualKeys are the keys under which state dicts are found, the first to be taken first.
// A key with the word "ema", "swa" or "averaged", an average over training, comes before
// all the plain ones, in the same order: it is what the training program evaluates (timm,
// YOLO, BasicSR load it unless told otherwise). But it comes after them where it has fewer
// tensors: many averages leave out the statistics of batch norms. One with the word "best"
// comes after the same without. Unknown keys come last, in the order of the file.
var usualKeys = []string{
	"state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights",
	"model_state", "model_weights", "net_state_dict", "network_state_dict", "net_state", "state",
	"student", "backbone", "encoder", "classifier", "checkpoint", "learner", "0",
}

// neverWords are the words of keys below which no state dict of a network is.
var neverWords = []string{
	"opt", "sched", "scaler", "amp", "callbacks", "loops", "rng", "criterion", "crit", "loss", "losses",
	"metrics", "history", "moments", "grads", "gradients",
}

// neverPrefixes begin such words: optimizer, optim, optimizers, scheduler.
var neverPrefixes = []string{"optim", "sched"}

// Bounds of the search.
const (
	deepestDict  = 6
	mostVisited  = 1 << 16 // dicts, lists and objects
	mostListed   = 256     // items of a list
	mostCounted  = 1 << 21 // attributes of modules, counting their tensors
	mostInModule = 1 << 20
)

// candidate is a state dict or a module that was found.
type candidate struct {
	path    []string
	value   any
	tensors int
	dotted  bool // a name has a dot: the names of layers
	ema     bool
	rank    []int // of each element of the path
}

func (c candidate) key() string { return strings.Join(c.path, ".") }

// takeStateDict makes the tensors of the state dict in what was pickled, and reads what
// else is said there.
func (f *File) takeStateDict(top any, find func(key string) ([]byte, error)) error {
	found := findStateDicts(top)
	var taken candidate
	prefix := ""
	switch {
	case f.options.Key != "":
		var err error
		if taken, prefix, err = choose(top, found, f.options.Key); err != nil {
			return err
		}
		found = slices.DeleteFunc(found, func(c candidate) bool { return c.value == taken.value })
		found = slices.Insert(found, 0, taken)
	case len(found) == 0:
		return noStateDict(top)
	default:
		taken = found[0]
		if rivals := rivalsOf(found); len(rivals) > 1 {
			return fmt.Errorf("networks at %s: choose one with --key", listFound(rivals))
		}
	}
	for _, c := range found {
		f.dicts = append(f.dicts, Dict{Key: c.key(), Tensors: c.tensors})
	}
	all, err := f.namedTensors(taken.value)
	if err == nil {
		err = f.newTensorReader(find).readAll(all, prefix)
	}
	if err != nil {
		return wrapKey(taken, err)
	}
	f.describe(top, taken)
	return nil
}

func wrapKey(c candidate, err error) error {
	if len(c.path) == 0 {
		return err
	}
	return fmt.Errorf("below %s: %w", quote(c.key()), err)
}

// named is a tensor, still pickled.
type named struct {
	name  string
	value any
}

// namedTensors lists the tensors of a state dict or a module in order.
func (f *File) namedTensors(v any) ([]named, error) {
	if o, ok := v.(*pickle.Object); ok && isModule(o) {
		w := &moduleWalk{split: splitModule}
		err := w.walk(o)
		f.about.Modules = w.modules
		if err == nil && len(w.tensors) == 0 {
			err = fmt.Errorf("%s holds no tensor", pickle.Describe(o))
		}
		return w.tensors, err
	}
	d, _ := mapping(v)
	var all []named
	for _, e := range d.Entries {
		if !isTensor(e.Value) {
			continue
		}
		name, ok := e.Key.(string)
		if !ok {
			return nil, fmt.Errorf("a tensor is named by %s, want a string", pickle.Describe(e.Key))
		}
		all = append(all, named{name, e.Value})
	}
	return all, nil
}

// findStateDicts lists the state dicts and modules in order of preference.
func findStateDicts(top any) []candidate {
	type place struct {
		path  []string
		value any
	}
	var found []candidate
	seen := map[any]bool{}
	budget := mostCounted
	var queue []place // breadth first: what is nearer to the top comes first
	add := func(path []string, v any) {
		switch v.(type) {
		case *pickle.Dict, *pickle.List, pickle.Tuple, *pickle.Object:
			if len(queue) < mostVisited && !isTensor(v) {
				queue = append(queue, place{path, v})
			}
		}
	}
	add(nil, top)
	for len(queue) > 0 && len(seen) < mostVisited {
		p := queue[0]
		queue = queue[1:]
		if t, ok := p.value.(pickle.Tuple); ok {
			p.value = &pickle.List{Items: t} // a tuple has no address: it is seen at each place
		}
		if seen[p.value] {
			continue
		}
		seen[p.value] = true
		if c, ok := newCandidate(p.path, p.value, &budget); ok {
			found = append(found, c)
		}
		if len(p.path) < deepestDict {
			eachBelow(p.value, func(key string, v any) {
				if !never(key) {
					add(append(slices.Clip(p.path), key), v)
				}
			})
		}
	}
	return order(found)
}

// eachBelow visits the values in a dict, list or object by their keys, indices and names
// of attributes. What is in a module or an optimizer is part of it.
func eachBelow(v any, visit func(key string, v any)) {
	o, isObject := v.(*pickle.Object)
	if isObject && isModule(o) {
		return
	}
	if d, ok := mapping(v); ok {
		if isOptimizer(d) {
			return
		}
		eachEntry(d, visit)
	} else if items, ok := sequence(v); ok {
		eachItem(items, visit)
	}
	if isObject {
		eachItem(o.Args, visit) // of a named tuple
		if d := attributes(o); d != nil {
			eachEntry(d, visit)
		}
	}
}

func eachEntry(d *pickle.Dict, visit func(key string, v any)) {
	for e := range d.All() {
		switch k := e.Key.(type) {
		case string:
			visit(k, e.Value)
		case int64:
			visit(strconv.FormatInt(k, 10), e.Value)
		}
	}
}

func eachItem(items []any, visit func(key string, v any)) {
	for i, item := range items[:min(len(items), mostListed)] {
		visit(strconv.Itoa(i), item)
	}
}

// never tells whether a key leads to other things than networks.
func never(key string) bool {
	if len(key) > 64 {
		return false
	}
	return slices.ContainsFunc(words(key), func(w string) bool {
		return slices.Contains(neverWords, w) ||
			slices.ContainsFunc(neverPrefixes, func(p string) bool { return strings.HasPrefix(w, p) })
	})
}

// words are the words of a key in lower case.
func words(key string) []string {
	return strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '-' || r == '.' || r == ' ' })
}

// isOptimizer knows the state of an optimizer by its two keys, whatever its name.
func isOptimizer(d *pickle.Dict) bool {
	_, ok1 := d.Get("state")
	_, ok2 := d.Get("param_groups")
	return ok1 && ok2
}

// newCandidate tells whether a value is a state dict or a module, and counts its tensors,
// as far as the budget goes: modules may share their parts.
func newCandidate(path []string, v any, budget *int) (candidate, bool) {
	c := candidate{path: path, value: v}
	for _, key := range path {
		rank, ema := rankOf(key)
		c.rank, c.ema = append(c.rank, rank), c.ema || ema
	}
	if o, ok := v.(*pickle.Object); ok && isModule(o) {
		w := &moduleWalk{split: splitModule, budget: budget}
		if w.walk(o) != nil { // an error is for the one who takes it
			w.count = max(w.count, 1)
		}
		c.tensors, c.dotted = w.count, true
		return c, c.tensors > 0
	}
	d, ok := mapping(v)
	if !ok {
		return c, false
	}
	for _, e := range d.Entries {
		if key, ok := e.Key.(string); ok && isTensor(e.Value) {
			c.tensors++
			c.dotted = c.dotted || strings.Contains(key, ".")
		}
	}
	return c, c.tensors > 0
}

// rankStep is how far the ranks of neighbouring keys are apart.
const rankStep = 3

// rankOf is the place of a key among the usual ones, and whether it is an average's.
func rankOf(key string) (rank int, ema bool) {
	best := 0
	kept := slices.DeleteFunc(words(key[:min(len(key), 64)]), func(w string) bool {
		switch w {
		case "ema", "swa", "averaged", "average", "avg":
			ema = true
			return true
		case "best":
			best = 1
			return true
		}
		return false
	})
	plain := strings.Join(kept, "_")
	if i := slices.Index(usualKeys, plain); i >= 0 {
		return rankStep*i + best, ema
	}
	if plain == "" { // "ema", "best"
		return best, ema
	}
	return rankStep * len(usualKeys), ema
}

// order sorts candidates. Dicts whose names have no dots count only where there are no
// others; a dict that holds a larger one comes after all that do not.
func order(found []candidate) []candidate {
	if slices.ContainsFunc(found, func(c candidate) bool { return c.dotted }) {
		found = slices.DeleteFunc(found, func(c candidate) bool { return !c.dotted })
	}
	const most = 256 // state dicts; more are a list of something else
	found = found[:min(len(found), most)]
	wrapper := map[any]int{}
	for _, outer := range found {
		for _, inner := range found {
			// Of two that are as large the inner one is meant: {"best": tensor, "model": {...}}.
			if len(inner.path) > len(outer.path) && slices.Equal(inner.path[:len(outer.path)], outer.path) &&
				(inner.tensors > outer.tensors || !outer.dotted && inner.tensors >= outer.tensors) {
				wrapper[outer.value] = 1
			}
		}
	}
	plain := 0 // tensors of the largest that is no average
	for _, c := range found {
		if !c.ema && wrapper[c.value] == 0 {
			plain = max(plain, c.tensors)
		}
	}
	average := func(c candidate) int {
		switch {
		case !c.ema:
			return 1
		case c.tensors >= plain:
			return 0
		}
		return 2
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(
			wrapper[a.value]-wrapper[b.value],
			average(a)-average(b),
			slices.Compare(a.rank, b.rank),
			len(a.path)-len(b.path))
	})
	return found
}

// rivalsOf are the candidates between which nothing decides, the first among them: none has a
// key that says that it is the network, none is an average, and they are as large, give or
// take a half. {"student": ..., "teacher": ...} has two.
func rivalsOf(found []candidate) []candidate {
	decides := slices.Index(usualKeys, "student") * rankStep // the keys before it do
	undecided := func(c candidate) bool {
		last := len(c.path) - 1
		return last >= 0 && !c.ema && c.rank[last] >= decides && c.path[last] != "0" && c.path[last] != "checkpoint"
	}
	first := found[0]
	if !undecided(first) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(found), func(c candidate) bool {
		return !undecided(c) || len(c.path) != len(first.path) || !slices.Equal(c.path[:len(c.path)-1], first.path[:len(first.path)-1]) ||
			2*c.tensors < first.tensors || 2*first.tensors < c.tensors
	})
}

// choose follows a path of keys and indices. What is left of it where a state dict is
// reached is the beginning of the names to be taken, as of "student" beside "teacher".
func choose(top any, found []candidate, key string) (c candidate, prefix string, err error) {
	var path []string
	v, rest := top, key
	for rest != "" {
		next, step, left, ok := descend(v, rest)
		if !ok {
			break
		}
		v, rest, path = next, left, append(path, step)
	}
	budget := mostCounted
	c, ok := newCandidate(path, v, &budget)
	if len(path) == 0 && len(found) > 0 { // only the beginning of names: of the usual dict
		c, ok = found[0], true
	}
	if ok && rest != "" {
		prefix = strings.TrimSuffix(rest, ".") + "."
		ok = hasPrefix(c.value, prefix)
	}
	if !ok {
		return c, "", fmt.Errorf("no state dict at key %s; there are %s", quote(key), listFound(found))
	}
	return c, prefix, nil
}

// descend goes to the value of the shortest beginning of a key that is there.
func descend(v any, key string) (next any, step, rest string, ok bool) {
	for i := range len(key) + 1 {
		if i < len(key) && key[i] != '.' {
			continue
		}
		if next, ok = item(v, key[:i]); ok {
			return next, key[:i], strings.TrimPrefix(key[i:], "."), true
		}
	}
	return nil, "", "", false
}

// item is the value at a key or index.
func item(v any, key string) (any, bool) {
	if isTensor(v) {
		return nil, false
	}
	i, err := strconv.ParseInt(key, 10, 64)
	if d, ok := mapping(v); ok {
		if next, ok := d.Get(key); ok {
			return next, true
		}
		for _, e := range d.Entries {
			if err == nil && e.Key == any(i) {
				return e.Value, true
			}
		}
	} else if items, ok := sequence(v); ok && err == nil && i >= 0 && i < int64(len(items)) {
		return items[i], true
	}
	if o, ok := v.(*pickle.Object); ok && !isModule(o) {
		if err == nil && i >= 0 && i < int64(len(o.Args)) {
			return o.Args[i], true
		}
		if d := attributes(o); d != nil {
			return d.Get(key)
		}
	}
	return nil, false
}

func hasPrefix(v any, prefix string) bool {
	all, err := new(File).namedTensors(v)
	return err == nil && slices.ContainsFunc(all, func(n named) bool { return strings.HasPrefix(n.name, prefix) })
}

func listFound(found []candidate) string {
	if len(found) == 0 {
		return "none"
	}
	var keys []string
	for _, c := range found {
		if len(c.path) == 0 {
			keys = append(keys, fmt.Sprintf("the top level (%d tensors)", c.tensors))
			continue
		}
		keys = append(keys, fmt.Sprintf("%s (%d tensors)", quote(c.key()), c.tensors))
	}
	return some(keys)
}

// noStateDict says what a pickle holds instead.
func noStateDict(top any) error {
	const hint = "; nothing was run"
	d, ok := mapping(top)
	if !ok {
		if o, isObject := top.(*pickle.Object); isObject {
			if isTensor(o) {
				return errors.New("holds a tensor, want a state dict")
			}
			return fmt.Errorf("holds %s, want a state dict%s", pickle.Describe(o), hint)
		}
		return fmt.Errorf("holds %s, want a state dict", pickle.Describe(top))
	}
	var objects, others []string // objects first: one of them may be what should be a state dict
	for e := range d.All() {
		entry := fmt.Sprintf("%s: %s", pickle.Describe(e.Key), pickle.Describe(e.Value))
		if _, ok := e.Value.(*pickle.Object); ok {
			objects = append(objects, entry)
		} else {
			others = append(others, entry)
		}
	}
	if len(objects) == 0 {
		return fmt.Errorf("no tensor in the state dict; it holds {%s}", some(others))
	}
	return fmt.Errorf("no tensor in the state dict; it holds {%s}%s", some(append(objects, others...)), hint)
}

// some lists the first strings of a list for an error.
func some(all []string) string {
	const most, longest = 8, 600
	n, length := 0, 0
	for n < min(len(all), most) && (n == 0 || length+len(all[n]) <= longest) {
		length += len(all[n])
		n++
	}
	s := strings.Join(all[:n], ", ")
	if n < len(all) {
		s += fmt.Sprintf(", ... (%d in all)", len(all))
	}
	return s
}

// someNames is some of names from outside.
func someNames(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return some(quoted)
}
