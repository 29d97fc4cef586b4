// Package aim tells of an explanation of a drawn scene where its maps should point.
package aim

import (
	"fmt"
	"slices"
	"strings"

	"cwox/cwox"
	"cwox/internal/drawnworld"
)

// Tell adds to an explanation of a drawn scene what is known of that: what is in it, and
// where the maps should point.
func Tell(scene *drawnworld.Scene, e *cwox.Explanation) {
	classes, families := drawnworld.Classes(), drawnworld.Families()
	var things []string
	for _, o := range scene.Objects {
		name := classes[o.Class].Name
		if o.Rival >= 0 {
			name += " (with " + classes[o.Rival].Part + ", too)"
		}
		things = append(things, name)
	}
	e.Truth = "In the scene: " + strings.Join(things, ", ") + ". It was drawn, so it is known where the maps should point." +
		fmt.Sprintf(" Another scene: cwox demo --seed %d.", scene.Seed+1)
	size := e.Model.Width
	aim := func(name string, cover, m []float32) *cwox.Aim {
		r := drawnworld.NewRegion(cover, size)
		return &cwox.Aim{Name: name, Cover: cover, Share: r.Locate(m).Energy, Chance: r.Chance().Energy}
	}
	for i := range e.Clusters {
		k := &e.Clusters[i]
		at := slices.IndexFunc(k.Classes, func(class int) bool { _, ok := scene.ObjectOf(class); return ok })
		if at < 0 || k.Map.Data == nil {
			continue
		}
		object, _ := scene.ObjectOf(k.Classes[at])
		k.Aim = aim("the "+families[classes[k.Classes[at]].Family].Name, scene.BodyMask(object, size), k.Map.Data)
	}
	for i := range e.Classes {
		k := &e.Classes[i]
		object, ok := scene.ObjectOf(k.Class)
		if !ok || k.Map.Data == nil {
			continue
		}
		if part := scene.Evidence(object, k.Class, e.Clusters[k.Cluster].Classes, size); part != nil {
			k.Aim = aim("the telling parts", part, k.Map.Data)
		}
	}
}
