// Command edge-watcher watches edge Nodes and CloudCore and decides the routes.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/edgeway-io/edgeway/internal/watcher"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := watcher.NewCommand(log, extensions(log)...).ExecuteContext(ctx)
	stop()
	if err != nil {
		log.Error("edge-watcher ends", "error", err)
		os.Exit(1)
	}
}
