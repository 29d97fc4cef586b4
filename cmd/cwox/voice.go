package main

import (
	"encoding/json"
	"io"
	"os"
	"regexp"

	"cwox/internal/say"
)

// The program's two streams. What they print of names, messages and errors is escaped.
var stdout, stderr = say.To(os.Stdout), say.To(os.Stderr)

// printJSON writes v as one line of JSON on standard output.
func printJSON(v any) error {
	e := json.NewEncoder(stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// complain prints an error as a user wants to read it: without the names of packages and of
// system calls.
func complain(err error) {
	io.WriteString(stderr, "cwox: "+plain(err)+"\n")
}

func plain(err error) string { return inside.ReplaceAllString(say.Sprintf("%v", err), "$1") }

// inside is what the errors of packages and of the system begin with, also within another's.
var inside = regexp.MustCompile(`(^|: )((cwox|vision|hlta|report|weights|dataset|zoo|nn|faithfulness|labeltree|saliency|drawnworld): |(open|stat|lstat|read) )+`)
