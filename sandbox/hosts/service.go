package hosts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Service is a long-running program of a host. It is started again whenever it
// ends, a second later, as an init system would.
type Service struct {
	Name string
	Args []string
	Env  []string
}

// StartService starts a service unless it runs already. self is the path of
// this program, which supervises it from inside the host.
func (h Host) StartService(ctx context.Context, self string, s Service) error {
	if _, err := readPid(h.pidFile(s.Name)); err == nil {
		return nil
	}
	args := append([]string{self, "supervise", h.configFile(), s.Name, "--"}, s.Args...)
	cmd, err := h.Command(context.WithoutCancel(ctx), args...)
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s on %s: %w", s.Name, h.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if _, err := readPid(h.pidFile(s.Name)); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("starting %s on %s: supervisor ended (%v): %s", s.Name, h.Name, err, tail(h.LogFile(s.Name), 5))
		case <-ctx.Done():
			// Half started it is in no cgroup yet, so nobody else would find it.
			_ = cmd.Process.Kill()
			<-ended
			return fmt.Errorf("starting %s on %s: %w", s.Name, h.Name, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ServiceRunning tells whether a service's supervisor is alive.
func (h Host) ServiceRunning(name string) bool {
	_, err := readPid(h.pidFile(name))
	return err == nil
}

// Supervise is the body of a service's supervisor: it runs args inside the host
// again and again, until SIGTERM.
func Supervise(configFile, name string, args []string) error {
	// The kernel sends Pdeathsig when the thread that started a child ends.
	runtime.LockOSThread()
	h, err := load(configFile)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.LogFile(name)), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(h.LogFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := h.EnterCgroups(); err != nil {
		return err
	}
	if err := writePid(h.pidFile(name), os.Getpid()); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	for {
		if runOnce(log, args, stop) {
			return nil
		}
		select {
		case <-stop:
			return nil
		case <-time.After(time.Second):
		}
	}
}

// runOnce runs the program once; true means that the supervisor was told to stop.
func runOnce(log *os.File, args []string, stop <-chan os.Signal) bool {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// A supervisor that is killed takes its program with it: two of a kind never run.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(log, "supervisor: starting %s: %v\n", args[0], err)
		return false
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		fmt.Fprintf(log, "supervisor: %s ended: %v; starting it again\n", args[0], err)
		return false
	case <-stop:
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
	return true
}
