// Command edgeway manages KubeEdge on clusters and serves the console.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // images have no certificates of their own

	"github.com/edgeway-io/edgeway/internal/cli"
)

// version is set at build time.
var version = "v0.1.0-dev"

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Execute(ctx, cli.NewRoot(version))
}
