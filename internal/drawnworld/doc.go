// Package drawnworld draws scenes whose right explanations are known: small clay-like
// things in families whose members share their body and differ in exactly one part.
//
//	s := drawnworld.New(7, drawnworld.Options{})
//	pic := s.Picture(drawnworld.NetworkSize)  // what a network sees
//	label := s.Target()                       // what it should say
//	for i, o := range s.Objects {
//		body := s.BodyMask(i, 224)            // where the family's evidence is
//		part := s.PartMask(i, o.Class, 224)   // where the evidence against its siblings is
//	}
//
// Words: the telling part of a class is what tells it from its siblings, the other
// classes of its family; a plain member has none, its evidence is that the places of its
// siblings' parts are empty. A rival is a sibling whose part is drawn on the same body
// too, so that both classes have evidence. A veil is something in front of a part.
// Two families (Together) are pairs of things that look nothing alike but are drawn
// side by side four times out of five: a co-occurrence planted for the label tree.
//
// A scene is a vector description in the unit square, drawn at any size with the same
// content. Masks are visible coverage, row-major [size][size] in 0..1; pixel (x, y) of a
// mask is pixel (x, y) of the picture of that size.
//
// Everything follows from the seed, on every machine to the byte: random numbers are
// hashes of (seed, stage, index), geometry is rounded to 1/512 pixel, pixels are integer
// arithmetic. Scenes are immutable and safe for concurrent use. Unknown classes and
// sizes are broken contracts and panic.
package drawnworld
