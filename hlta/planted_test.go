package hlta

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// planted draws documents from a tree of 1 + words/30 + words/6 latents: every
// document is about one group of six words, one time in three about another group of
// the same five groups too, and has now and then a word that has nothing to do with
// them. It is what label lists of a classifier look like: 4 words each.
func planted(words, documents int, seed uint64, emit func(document int, row []int32)) {
	const size, siblings = 6, 5
	groups := words / size
	s := newStream(seed)
	var row []int32
	for i := range documents {
		row = row[:0]
		group := s.intn(groups)
		for len(row) < 2 {
			for {
				for w := group * size; w < (group+1)*size; w++ {
					if s.float64() < 0.5 {
						row = append(row, int32(w))
					}
				}
				if s.float64() > 1./3 {
					break
				}
				first := group / siblings * siblings
				group = first + s.intn(min(siblings, groups-first))
			}
			if s.float64() < 0.2 {
				row = append(row, int32(s.intn(words)))
			}
		}
		emit(i, row)
	}
}

// plantedText is what planted draws, as the text of a documents file.
func plantedText(words, documents int, seed uint64) []byte {
	var text []byte
	planted(words, documents, seed, func(i int, row []int32) {
		for _, w := range row {
			text = strconv.AppendInt(text, int64(i), 10)
			text = append(text, ", c"...)
			text = strconv.AppendInt(text, int64(w), 10)
			text = append(text, '\n')
		}
	})
	return text
}

func plantedDocuments(tb testing.TB, words, documents int) *Documents {
	tb.Helper()
	d, err := ParseDocuments("planted", bytes.NewReader(plantedText(words, documents, 1)))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// How time grows: run with -bench Learn; those that take minutes in all or a gigabyte
// need CWOX_BENCH_LARGE=1.
func BenchmarkLearn(b *testing.B) {
	for _, documents := range []int{50_000, 1_280_000} {
		for _, words := range []int{1000, 4000, 20_000} {
			for _, sample := range []int{0, -1} { // all documents make a difference only above 100,000
				if sample < 0 && documents < 100_000 {
					continue
				}
				name := fmt.Sprintf("words=%d/documents=%d/sample=%v", words, documents, sample == 0)
				b.Run(name, func(b *testing.B) {
					if documents > 50_000 && os.Getenv("CWOX_BENCH_LARGE") != "1" {
						b.Skip("CWOX_BENCH_LARGE=1 runs it")
					}
					docs := plantedDocuments(b, words, documents)
					for b.Loop() {
						if _, err := Learn(context.Background(), docs, Options{LearnSize: sample}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func BenchmarkParseDocuments(b *testing.B) {
	for _, documents := range []int{50_000, 1_280_000} {
		b.Run(fmt.Sprintf("documents=%d", documents), func(b *testing.B) {
			text := plantedText(1000, documents, 1)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseDocuments("planted", bytes.NewReader(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
