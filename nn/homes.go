package nn

import "slices"

// home is where a value is computed that lies in a concatenation's memory.
type home struct {
	of *Node // the concatenation; nil for none
	at int   // the value's first channel in it
}

// concatHomes finds for each node the concatenation in whose memory its value can be computed
// directly, the largest ones first: the operands must fill whole channel blocks. A concatenation of
// what follows each other in a larger one is a part of that. It also says which concatenations are
// there once their operands are.
func (m *Model) concatHomes(made []int, whole bool) (homes []home, inPlace []bool) {
	nodes := m.graph.nodes
	homes, inPlace = make([]home, len(nodes)), make([]bool, len(nodes))
	if whole {
		return homes, inPlace
	}
	parts, concats := m.concatParts()
	place := make([]int, len(nodes)) // of what has a home: its place among the parts there
	taken := make([]int, len(nodes)) // by node id: the last concatenation that wanted it
	for i, n := range concats {
		if inPlace[n.id] {
			continue
		}
		own, fits := parts[n.id], true
		for k, p := range own {
			full := p.shape.C%block == 0 || k == len(own)-1
			fits = fits && full && homes[p.id].of == nil && made[p.id] >= 0 && p.id > 0 && taken[p.id] != n.id
			taken[p.id] = n.id
		}
		if !fits {
			continue
		}
		at := 0
		for k, p := range own {
			homes[p.id], place[p.id] = home{n, at}, k
			at += p.shape.C
		}
		inPlace[n.id] = true
		for _, c := range concats[i+1:] {
			if first := parts[c.id][0].id; homes[first].of == n && startsWith(own[place[first]:], parts[c.id]) {
				homes[c.id], inPlace[c.id] = homes[first], true
			}
		}
	}
	return homes, inPlace
}

// concatParts are what each node's value consists of, itself or what it concatenates however nested,
// and the concatenations, the largest first. One of more parts than there are nodes is not taken
// apart.
func (m *Model) concatParts() (parts [][]*Node, concats []*Node) {
	parts = make([][]*Node, len(m.graph.nodes))
	for _, n := range m.graph.nodes {
		if _, ok := n.op.(*concat); ok {
			for _, in := range n.in {
				parts[n.id] = append(parts[n.id], parts[in.id]...)
			}
			if len(parts[n.id]) <= len(parts) {
				concats = append(concats, n)
				continue
			}
		}
		parts[n.id] = []*Node{n}
	}
	slices.SortStableFunc(concats, func(x, y *Node) int { return y.shape.Size() - x.shape.Size() })
	return parts, concats
}

func startsWith(list, prefix []*Node) bool {
	return len(list) >= len(prefix) && slices.Equal(list[:len(prefix)], prefix)
}
