package hlta_test

import (
	"context"
	"fmt"

	"cwox/hlta"
)

// The labels that a classifier held possible for each of 480 images: always two or
// three of things that look alike, or that stand in the same pictures.
func ExampleLearn() {
	alike := [][]string{
		{"cello", "violin", "harp"},
		{"hare", "wood_rabbit", "angora"},
		{"monitor", "mouse", "keyboard"},
		{"lemon", "orange", "fig"},
	}
	var lists [][]string
	for i := range 480 {
		things := alike[i%4]
		first := i / 4 % 3
		lists = append(lists, []string{things[first], things[(first+1)%3]})
		if i%7 == 0 {
			lists = append(lists, things)
		}
	}
	docs, err := hlta.NewDocuments(lists)
	if err != nil {
		fmt.Println(err)
		return
	}
	tree, err := hlta.Learn(context.Background(), docs, hlta.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	groups, err := tree.Partition(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range groups {
		fmt.Println(g.ID, g.Words)
	}
	// Output:
	// Z11 [cello violin harp]
	// Z12 [hare wood_rabbit angora]
	// Z13 [monitor mouse keyboard]
	// Z14 [lemon orange fig]
}
