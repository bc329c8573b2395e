// Command edgecore is the sandbox's stand-in for KubeEdge's EdgeCore. It reads the
// same configuration file, gets its certificate with the same token, keeps the same
// connection to CloudHub and opens the same tunnel; pods are run by a real kubelet that
// reaches the Kubernetes API through CloudHub's port only, and only while there is that
// connection.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/app"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/config"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/kubelet"
)

func main() {
	path := flag.String("config", config.DefaultPath, "the configuration `file`")
	binary := flag.String("kubelet-binary", os.Getenv("EDGEWAY_KUBELET"),
		"the kubelet's `path`; by default $EDGEWAY_KUBELET, else a kubelet beside this binary")
	verbose := flag.Bool("verbose", false, "log details")
	flag.Parse()
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *path, *binary); err != nil {
		slog.Error("EdgeCore stopped", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path, binary string) error {
	conf, err := config.Load(path, config.BootstrapPath)
	if err != nil {
		return err
	}
	if conf.Modules.Edged.Enable {
		if binary, err = kubelet.FindBinary(binary); err != nil {
			return err
		}
	}
	return app.Run(ctx, conf, path, binary)
}
