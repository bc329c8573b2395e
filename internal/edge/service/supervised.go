package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	startPatience = 10 * time.Second
	stopPatience  = 45 * time.Second
	killPatience  = 5 * time.Second
	lookEvery     = 50 * time.Millisecond
)

// supervised runs EdgeCore below "edgectl supervise". It does not survive a
// reboot: on such a device whoever starts things must run "edgectl start".
type supervised struct{ at paths.Layout }

func (*supervised) Name() string { return Supervisor }

func (*supervised) Files() []File { return nil }

func (s *supervised) Start(ctx context.Context) error {
	running, err := s.Running(ctx)
	if err != nil || running {
		return err
	}
	args := []string{"supervise"}
	if s.at.Relocated() {
		args = append(args, "--root", s.at.Root)
	}
	if s.at.Programs != "" {
		args = append(args, "--programs", s.at.Programs)
	}
	cmd := exec.Command(s.at.At(s.at.Edgectl()), args...)
	// A session of its own: it outlives the shell in which the join was typed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := os.MkdirAll(s.at.At(paths.LogDir), 0o755); err != nil {
		return fmt.Errorf("making %s: %w", paths.LogDir, err)
	}
	log, err := os.OpenFile(s.at.At(paths.Log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("opening EdgeCore's log: %w", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return s.awaitStart(ctx, ended)
}

func (s *supervised) awaitStart(ctx context.Context, ended <-chan error) error {
	deadline := time.After(startPatience)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return errcat.Errorf("ServiceFailed", "the supervisor ended at once (%v): see %s", err, paths.Log)
		case <-deadline:
			return errcat.Errorf("ServiceFailed", "the supervisor did not come up within %s: see %s", startPatience, paths.Log)
		case <-time.After(lookEvery):
			if running, err := s.Running(ctx); err != nil || running {
				return err
			}
		}
	}
}

// Stop ends the supervisor, which ends EdgeCore first. One that does not end is
// killed, and the kernel ends EdgeCore with it.
func (s *supervised) Stop(ctx context.Context) error {
	pid, err := s.pid()
	if err != nil || pid == 0 {
		return err
	}
	if ended, err := s.end(ctx, pid, unix.SIGTERM, stopPatience); ended || err != nil {
		return err
	}
	if ended, err := s.end(ctx, pid, unix.SIGKILL, killPatience); ended || err != nil {
		return err
	}
	return errcat.Errorf("ServiceFailed", "the supervisor (process %d) did not end within %s, nor after it was killed", pid, stopPatience)
}

// end sends a signal and tells whether the supervisor ended within a time.
func (s *supervised) end(ctx context.Context, pid int, signal unix.Signal, patience time.Duration) (bool, error) {
	if err := unix.Kill(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return false, fmt.Errorf("ending the supervisor: %w", err)
	}
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if running, err := s.Running(ctx); err != nil || !running {
			return !running, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	return false, nil
}

func (s *supervised) Running(context.Context) (bool, error) {
	pid, err := s.pid()
	return pid != 0, err
}

// pid is the supervisor's process, 0 when none runs. The lock on the file tells:
// a number alone may be another process's by now.
func (s *supervised) pid() (int, error) {
	for _, place := range pidFiles {
		if pid, err := s.pidIn(place); pid != 0 || err != nil {
			return pid, err
		}
	}
	return 0, nil
}

func (s *supervised) pidIn(place string) (int, error) {
	f, err := os.Open(s.at.At(place))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the supervisor's process id: %w", err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return 0, nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return 0, fmt.Errorf("looking for the supervisor: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0, fmt.Errorf("reading the supervisor's process id: %w", err)
	}
	if len(raw) == 0 {
		return 0, nil // locked but not written yet: it is coming up
	}
	pid, ok := parsePID(string(raw))
	if !ok {
		return 0, errcat.Errorf("ServiceFailed", "%s is locked and holds %q, which is no process id: end the process that fuser %s shows, and try again", f.Name(), raw, f.Name())
	}
	return pid, nil
}

// parsePID takes what formatPID writes and nothing else. Signals go to the number: a
// negative one would be every process, and one beyond 31 bits may be any.
func parsePID(text string) (pid int, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "\n"), 10, 32)
	pid = int(n)
	return pid, err == nil && pid > 0 && formatPID(pid) == text
}

func formatPID(pid int) string { return strconv.Itoa(pid) + "\n" }

func (s *supervised) Log(_ context.Context, w io.Writer, part Part) error {
	return tail(s.at.At(paths.Log), w, part)
}

// tail writes the last lines of a file; a missing file has none.
func tail(name string, w io.Writer, part Part) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	defer f.Close()
	// Lines of EdgeCore's log are rarely longer than this.
	const perLine = 1024
	if info, err := f.Stat(); err == nil {
		from := info.Size() - int64(part.Lines)*perLine
		if part.Skip <= info.Size() { // else it was rotated
			from = max(from, part.Skip)
		}
		if _, err := f.Seek(max(from, 0), io.SeekStart); err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
	}
	var kept []string
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		if kept = append(kept, scan.Text()); len(kept) > part.Lines {
			kept = kept[1:]
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("reading the log %s: %w", filepath.Base(name), err)
	}
	for _, line := range kept {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("writing the log: %w", err)
		}
	}
	return nil
}
