package bench_test

import (
	"context"
	"fmt"
	"log"

	"cwox/bench"
)

func ExampleModel() {
	err := bench.Model(context.Background(), bench.Options{Model: "demo", Batch: 4, Threads: 1, Seconds: 0.01}, func(r bench.Record) {
		fmt.Println(r.What, r.Model, r.Batch, r.Threads, r.Precision)
		fmt.Println(r.ImagesPerSecond.Best >= r.ImagesPerSecond.Median)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// model demo 4 1 f32
	// true
}
