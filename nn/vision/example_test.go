package vision_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"cwox/nn/vision"
)

// A picture from a file's bytes to network input.
func Example() {
	m := image.NewNRGBA(image.Rect(0, 0, 640, 480))
	for i := range m.Pix {
		m.Pix[i] = 128 // alpha as well
	}
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		fmt.Println(err)
		return
	}

	pic, err := vision.Decode("grey.png", file.Bytes(), vision.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	x := vision.Paper.Tensor(pic)
	fmt.Println(pic.Width, pic.Height, pic.Format, len(x))
	fmt.Printf("%.4f %.4f %.4f\n", x[0], x[224*224], x[2*224*224])
	for _, n := range pic.Notes {
		fmt.Println(n.Code)
	}
	// Output:
	// 640 480 png 150528
	// 0.0741 0.2052 0.4265
	// alpha-dropped
}

// How torchvision makes its input, refined by hand, and what it leaves out.
func ExampleTransform() {
	var t vision.Transform
	err := json.Unmarshal([]byte(`{"preset": "torchvision", "size": 160, "interpolation": "bicubic"}`), &t)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t)
	seen, unseen := t.Region(640, 480)
	fmt.Printf("from %.1f, %.1f on %.1f x %.1f pixels, %.0f %% unseen\n", seen.X, seen.Y, seen.Width, seen.Height, 100*unseen)
	fmt.Println(t.Validate(1))
	// Output:
	// shorter side to 182, middle 160x160, bicubic; rgb / 255, mean 0.485 0.456 0.406, std 0.229 0.224 0.225
	// from 108.4, 29.0 on 423.1 x 422.0 pixels, 42 % unseen
	// vision: the network's input has 1 channel, the transform makes 3 (rgb): choose the channels grey
}

func ExamplePicture_Resize() {
	// A white column beside a black one: halving averages them, doubling
	// interpolates.
	m := image.NewGray(image.Rect(0, 0, 2, 1))
	m.SetGray(0, 0, color.Gray{255})
	pic := vision.FromImage(m)
	fmt.Println(pic.Resize(1, 1).Pix)
	fmt.Println(pic.Resize(4, 1).Pix)
	// Output:
	// [128 128 128]
	// [255 255 255 191 191 191 64 64 64 0 0 0]
}
