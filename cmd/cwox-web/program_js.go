package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"syscall/js"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/internal/demo"
	"cwox/internal/demo/aim"
	"cwox/internal/drawnworld"
	"cwox/nn"
	"cwox/nn/vision"
)

// The page's limits for a dropped picture.
var limits = vision.Options{MaxPixels: 24 << 20}

// main gives the worker two functions, explainScene(seed) and explainPicture(name, bytes), and
// waits. Both return an object: error, or page, report, maps, sha256 (of the maps).
func main() {
	classifier, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		panic(err) // what is embedded is broken
	}
	p := cwox.New(classifier)
	explain := func(name string, data []byte, seed uint64, scene *drawnworld.Scene) any {
		result, err := explain(p, classifier, name, data, seed, scene)
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		return result
	}
	js.Global().Set("explainScene", js.FuncOf(func(_ js.Value, args []js.Value) any {
		seed := uint64(args[0].Int())
		scene := drawnworld.New(seed, drawnworld.Options{})
		var picture bytes.Buffer
		if err := scene.WritePNG(&picture, demo.PictureSize); err != nil {
			return map[string]any{"error": err.Error()}
		}
		return explain(drawnworld.SceneFile, picture.Bytes(), seed, scene)
	}))
	js.Global().Set("explainPicture", js.FuncOf(func(_ js.Value, args []js.Value) any {
		data := make([]byte, args[1].Length())
		js.CopyBytesToGo(data, args[1])
		return explain(args[0].String(), data, 0, nil)
	}))
	js.Global().Call("ready")
	select {}
}

// explain is what cwox demo does, and for a picture without a scene cwox explain --model demo.
func explain(p *cwox.Pipeline, classifier *cwox.Classifier, name string, data []byte, seed uint64, scene *drawnworld.Scene) (map[string]any, error) {
	picture, err := vision.Decode(name, data, limits)
	if err != nil {
		return nil, err
	}
	e, err := p.Explain(context.Background(), picture, cwox.Options{
		Tree: cwox.DefaultTree(classifier), Effects: true, Seed: seed,
		Progress: func(done, total int) { js.Global().Call("progress", done, total) },
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e.File = name
	if scene != nil {
		aim.Tell(scene, e)
	}
	var page, maps bytes.Buffer
	r, err := report.New(e)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, err
	}
	if err := report.WritePage(&page, e); err != nil {
		return nil, err
	}
	if err := report.WriteMaps(&maps, e); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(maps.Bytes())
	return map[string]any{
		"page": page.String(), "report": string(text) + "\n", "sha256": hex.EncodeToString(sum[:]),
		"maps": toJS(maps.Bytes()),
	}, nil
}

func toJS(data []byte) js.Value {
	array := js.Global().Get("Uint8Array").New(len(data))
	js.CopyBytesToJS(array, data)
	return array
}
