// Package figure draws the figures of a paper from explanations: maps side by side (Compare), the
// two stages as a tree (Stages), deletion curves (Curves), a label tree with a picture of each
// class (Tree). A figure is a list of text, lines, rectangles and pictures on a page of a given
// width, which three writers put into a file.
//
//	d, err := figure.Compare([]figure.Subject{{Name: "photo.jpg", Runs: explanations}}, figure.Options{})
//	err = d.Write(file, figure.PDF)
//
// Words: a subject is a picture with the explanations of it; a run is one of these, by one method
// and explainer; lengths are points, 1/72 inch, from the upper left corner on.
//
// Contracts. The same arguments give the same bytes. Text is text in SVG and PDF, which embeds of
// the Go fonts (BSD licence) what it shows; characters that these lack are boxes in PDF and PNG.
// What does not fit is shortened, and a figure with so much in it that nothing could be seen is
// an error that says so. Names are hostile: they are escaped and stripped of control characters.
package figure
