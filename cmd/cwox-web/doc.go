// Command cwox-web makes the demo as one page that needs no server: the engine in WebAssembly and
// the embedded network explain a drawn scene, or a picture that is dropped on it, in the browser,
// and nothing leaves that (the page's policy lets it connect to nothing).
//
//	go run ./cmd/cwox-web -o web      # writes web/index.html: open it, or put it anywhere
//
// The page shows the SHA-256 of the maps: those of `cwox demo` in the portable tier, on every
// processor.
//
// In WebAssembly this package is the program within the page (program_js.go), elsewhere what
// makes the page of it (main.go).
package main
