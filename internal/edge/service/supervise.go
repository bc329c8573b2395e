package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrSupervised is returned when another supervisor holds the device.
var ErrSupervised = errcat.New("ServiceFailed", "a supervisor runs already")

const (
	firstPause = time.Second
	longPause  = 30 * time.Second
	// soundRun is how long EdgeCore must have run for a fresh start of the pauses.
	soundRun = time.Minute
	// gracePeriod for EdgeCore to end after SIGTERM.
	gracePeriod = 20 * time.Second
	maxLog      = 10 << 20
)

// Supervise runs EdgeCore, and runs it again whenever it ends, until ctx does.
func Supervise(ctx context.Context, at paths.Layout) error {
	pidFile, err := takePIDFile(at)
	if err != nil {
		return err
	}
	defer pidFile.Close()
	out := &rotating{name: at.At(paths.Log)}
	defer out.Close()
	log := slog.New(slog.NewTextHandler(out, nil))
	pause := firstPause
	for {
		started := time.Now()
		err := runOnce(ctx, at, out)
		if ctx.Err() != nil {
			log.Info("EdgeCore was stopped", "err", err)
			return nil
		}
		if time.Since(started) > soundRun {
			pause = firstPause
		}
		log.Error("EdgeCore ended and is started again", "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
	}
}

// pidFiles are where a supervisor's process id may be: /run is read-only on a device
// where only /var and /etc can be written.
var pidFiles = []string{paths.PIDFile, paths.VarPIDFile}

// takePIDFile holds a lock as long as this process lives, however it ends.
func takePIDFile(at paths.Layout) (*os.File, error) {
	var errs []error
	for _, place := range pidFiles {
		f, err := openPIDFile(at.At(place))
		if err == nil {
			return lockPIDFile(f)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("opening a file for the supervisor's process id: %w", errors.Join(errs...))
}

func openPIDFile(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
}

func lockPIDFile(f *os.File) (*os.File, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrSupervised
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteString(formatPID(os.Getpid()))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("taking %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

func runOnce(ctx context.Context, at paths.Layout, out io.Writer) error {
	// Pdeathsig follows the thread that started the child, so it must not go away.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, at.At(at.EdgeCore()), "--config", at.At(paths.Config))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = gracePeriod
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting EdgeCore: %w", err)
	}
	err := cmd.Wait()
	// What it started itself goes with it; ESRCH says that nothing was left.
	if kerr := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); kerr != nil && !errors.Is(kerr, unix.ESRCH) {
		err = errors.Join(err, fmt.Errorf("ending EdgeCore's children: %w", kerr))
	}
	return err
}

// rotating appends to a file and begins a new one when it is full, keeping one
// old one: devices have small disks.
type rotating struct {
	name string
	f    *os.File
	size int64
}

// Write implements io.Writer.
func (r *rotating) Write(p []byte) (int, error) {
	if r.f == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	if r.size > maxLog {
		if err := errors.Join(r.f.Close(), os.Rename(r.name, r.name+".1"), r.open()); err != nil {
			return 0, fmt.Errorf("rotating the log: %w", err)
		}
	}
	n, err := r.f.Write(p)
	r.size += int64(n)
	return n, err
}

func (r *rotating) open() error {
	if err := os.MkdirAll(filepath.Dir(r.name), 0o755); err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	f, err := os.OpenFile(r.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("opening the log: %w", err), f.Close())
	}
	r.f, r.size = f, info.Size()
	return nil
}

// Close ends the file.
func (r *rotating) Close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
