// Command edgectl runs on an edge device: it joins it to a cluster and takes it
// out again.
package main

import (
	"os"

	"github.com/edgeway-io/edgeway/internal/edge/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
