// Sheet draws contact sheets of the drawn world, to look at it.
//
//	go run ./internal/drawnworld/sheet -o sheet.png -seed 0 -n 40
//	go run ./internal/drawnworld/sheet -o classes.png -classes
package main

import (
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"

	"cwox/internal/drawnworld"
)

func main() {
	out := flag.String("o", "sheet.png", "file to write")
	seed := flag.Uint64("seed", 0, "seed of the first scene")
	n := flag.Int("n", 40, "number of scenes")
	cols := flag.Int("columns", 8, "scenes in a row")
	size := flag.Int("size", drawnworld.NetworkSize, "side of a scene in pixels")
	classes := flag.Bool("classes", false, "one clean scene of every class")
	masks := flag.Bool("masks", false, "tint bodies green and telling parts red")
	flag.Parse()
	if *n < 1 || *cols < 1 || *size < 8 || *size > drawnworld.MaxSize {
		fmt.Fprintln(os.Stderr, "sheet: -n and -columns must be positive, -size between 8 and", drawnworld.MaxSize)
		os.Exit(2)
	}
	var scenes []*drawnworld.Scene
	if *classes {
		for c := range drawnworld.Classes() {
			scenes = append(scenes, drawnworld.New(*seed+uint64(c), drawnworld.Options{Classes: []int{c}, Clean: true}))
		}
	} else {
		for i := range *n {
			scenes = append(scenes, drawnworld.New(*seed+uint64(i), drawnworld.Options{}))
		}
	}
	const gap = 4
	rows := (len(scenes) + *cols - 1) / *cols
	sheet := image.NewRGBA(image.Rect(0, 0, *cols*(*size+gap)-gap, rows*(*size+gap)-gap))
	draw.Draw(sheet, sheet.Rect, image.White, image.Point{}, draw.Src)
	for i, s := range scenes {
		pix := s.Picture(*size).Pix
		if *masks {
			for o := range s.Objects {
				tint(pix, s.BodyMask(o, *size), 1)
				tint(pix, s.PartMask(o, s.Objects[o].Class, *size), 0)
			}
		}
		x0, y0 := i%*cols*(*size+gap), i / *cols * (*size+gap)
		for p := range *size * *size {
			sheet.SetRGBA(x0+p%*size, y0 + p / *size, color.RGBA{pix[3*p], pix[3*p+1], pix[3*p+2], 255})
		}
	}
	if err := write(*out, sheet); err != nil {
		fmt.Fprintln(os.Stderr, "sheet:", err)
		os.Exit(1)
	}
}

func tint(pix []uint8, mask []float32, channel int) {
	for i, m := range mask {
		d := float32(pix[3*i+channel])
		pix[3*i+channel] = uint8(d + float32((255-d)*m*0.7))
	}
}

func write(name string, m image.Image) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := png.Encode(f, m); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
