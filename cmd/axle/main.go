// Command axle makes an AWS organization of many accounts feel like one place.
package main

import (
	"context"
	"os"

	"axle/internal/cli"
)

func main() {
	os.Exit(cli.New().Run(context.Background(), os.Args[1:]))
}
