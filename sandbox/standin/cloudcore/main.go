// Command cloudcore is the sandbox's stand-in for KubeEdge's CloudCore. It reads
// the same configuration file, keeps the same Secrets, speaks the same wire format
// for certificates and tunnel; edge nodes reach the Kubernetes API through it.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/app"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/config"
)

func main() {
	path := flag.String("config", config.DefaultPath, "the configuration `file`")
	verbose := flag.Bool("verbose", false, "log details")
	flag.Parse()
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(logger)
	klog.SetSlogLogger(logger) // client-go's own lines

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	conf, err := config.Load(*path)
	if err == nil {
		err = app.Run(ctx, conf)
	}
	if err != nil {
		slog.Error("CloudCore stopped", "err", err)
		os.Exit(1)
	}
}
