// Command axle makes an AWS organization of many accounts feel like one place.
package main

import (
	"context"
	"os"
	"runtime"

	"axle/internal/cli"
	"axle/internal/early"
)

func main() {
	code := cli.New().Run(context.Background(), os.Args[1:])
	runtime.KeepAlive(early.Reserve)
	os.Exit(code)
}
