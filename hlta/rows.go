package hlta

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// rowSet is a list of sorted sets of variables, each with a weight, in one array.
type rowSet struct {
	start  []int // len()+1
	item   []int32
	weight []float64 // whole numbers
}

func (s *rowSet) len() int          { return len(s.weight) }
func (s *rowSet) row(i int) []int32 { return s.item[s.start[i]:s.start[i+1]] }

// merger builds a rowSet in which no row occurs twice.
type merger struct {
	rowSet
	table []int32 // open addressing, a power of two: 1 + row, 0 is free
	seed  maphash.Seed
	bytes []byte
}

// newMerger expects up to about n rows.
func newMerger(n int) *merger {
	size := 64
	for size < n+n/2 && size < 1<<16 {
		size *= 2
	}
	return &merger{rowSet: rowSet{start: []int{0}}, table: make([]int32, size), seed: maphash.MakeSeed()}
}

// add adds a row or its weight to the equal row. Rows keep the order in which they
// first came, so that the seed of the hash does not show.
func (m *merger) add(row []int32, weight float64) {
	slot := m.hash(row) & uint64(len(m.table)-1)
	for ; m.table[slot] != 0; slot = (slot + 1) & uint64(len(m.table)-1) {
		if i := int(m.table[slot] - 1); slices.Equal(m.row(i), row) {
			m.weight[i] += weight
			return
		}
	}
	m.item = append(m.item, row...)
	m.start = append(m.start, len(m.item))
	m.weight = append(m.weight, weight)
	m.table[slot] = int32(len(m.weight))
	if 3*len(m.weight) > 2*len(m.table) {
		m.grow()
	}
}

func (m *merger) grow() {
	m.table = make([]int32, 2*len(m.table))
	for i := range m.weight {
		slot := m.hash(m.row(i)) & uint64(len(m.table)-1)
		for m.table[slot] != 0 {
			slot = (slot + 1) & uint64(len(m.table)-1)
		}
		m.table[slot] = int32(i + 1)
	}
}

func (m *merger) hash(row []int32) uint64 {
	m.bytes = m.bytes[:0]
	for _, x := range row {
		m.bytes = binary.LittleEndian.AppendUint32(m.bytes, uint32(x))
	}
	return maphash.Bytes(m.seed, m.bytes)
}
