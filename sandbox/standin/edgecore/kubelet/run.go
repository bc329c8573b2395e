package kubelet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	// A kubelet that dies is started again, more and more seldom unless it ran for
	// steady.
	firstWait, longestWait, steady = time.Second, 30 * time.Second, time.Minute
	// stopGrace is how long a kubelet may take to stop.
	stopGrace = 10 * time.Second
)

// deadLink makes the kubelet notice within 15 s that its connection to CloudCore
// is dead: a link that was cut answers nothing, not even a reset.
func deadLink() []string {
	return []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS=5", "HTTP2_PING_TIMEOUT_SECONDS=5"}
}

// FindBinary gives the kubelet's path: the named one, else a kubelet beside our
// own binary.
func FindBinary(named string) (string, error) {
	if named == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find EdgeCore's own binary: %w; name the kubelet with --kubelet-binary", err)
		}
		named = filepath.Join(filepath.Dir(self), "kubelet")
	}
	path, err := exec.LookPath(named)
	if err != nil {
		return "", fmt.Errorf("find the kubelet: %w; name it with --kubelet-binary or EDGEWAY_KUBELET", err)
	}
	return path, nil
}

// Supervise keeps a kubelet running until ctx ends, then stops it and waits for
// its end.
func Supervise(ctx context.Context, binary string, args []string) error {
	// The kernel ends the kubelet with the thread that started it, so that none is
	// left behind when EdgeCore is killed; the thread must live as long as we do.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wait := firstWait
	for {
		started := time.Now()
		slog.Info("starting the kubelet", "binary", binary)
		err := command(ctx, binary, args).Run()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("start the kubelet: %w", err)
		}
		if time.Since(started) > steady {
			wait = firstWait
		}
		slog.Warn("the kubelet ended", "err", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, longestWait)
	}
}

func command(ctx context.Context, binary string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), deadLink()...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	return cmd
}
