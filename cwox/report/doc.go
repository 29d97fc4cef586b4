// Package report writes an explanation down: report.json for programs,
// maps.safetensors with the raw heatmaps, PNG overlays, and index.html, one
// self-contained page that says in words and pictures what the reader should
// conclude. WriteIndex makes the page over several images. Chart draws curves,
// intervals and distributions as SVG, and WriteArticle sets them in a page, for
// evaluations.
//
//	err := report.Write("out", explanation)     // out/index.html, out/report.json, ...
//	r, err := report.ReadJSON("out/report.json")
//
// Words: a heatmap is a final, non-negative contrastive map (Eq. 1 or Eq. 2 of the
// paper); a base map is a saliency map it came from; the foil is what a class or a
// cluster is contrasted with; an overlay is a photograph under a coloured heatmap, which
// lies on the part of it that the network saw; the rest is dimmed.
//
// Contracts. The same explanation gives the same bytes, except for "seconds" and
// file locations. A file appears whole or not at all (written beside its place,
// synced, renamed), report.json last. Labels, file names and messages are hostile:
// they are escaped, stripped of control characters and cut where they are shown. A
// map that is blank or holds NaN is said to be so and never breaks a file. The
// pages load nothing, from the network or from beside them. All functions may be
// called concurrently; none keeps or changes what it is given.
package report
