package drawnworld_test

import (
	"fmt"

	"cwox/internal/drawnworld"
)

func ExampleNew() {
	s := drawnworld.New(1, drawnworld.Options{Classes: []int{4, 0}, Clean: true})
	classes, families := drawnworld.Classes(), drawnworld.Families()
	for _, o := range s.Objects {
		c := classes[o.Class]
		fmt.Printf("%s: a %s with %s\n", c.Name, families[c.Family].Name, c.Part)
	}
	pic := s.Picture(drawnworld.NetworkSize)
	fmt.Println(pic.Width, pic.Height)
	// Output:
	// cross van: a van with cross
	// left-handle cup: a cup with left handle
	// 224 224
}
