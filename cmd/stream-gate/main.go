// Command stream-gate stands beside CloudCore and decides who reaches edge nodes, and
// which device is which node.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/edgeway-io/edgeway/internal/gate"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := gate.NewCommand(log).ExecuteContext(ctx)
	stop()
	if err != nil {
		log.Error("stream-gate ends", "error", err)
		os.Exit(1)
	}
}
