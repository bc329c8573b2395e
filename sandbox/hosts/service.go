package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
	// The supervisor stays in the machine's PID namespace, so its id is the same
	// everywhere; its program runs in the host's.
	args, err := h.enterArgs()
	if err != nil {
		return err
	}
	args = append(append(args, self, "supervise", h.configFile(), s.Name, "--"), s.Args...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
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

// StopService ends a service and waits until it is gone; no error when it does not run.
func (h Host) StopService(ctx context.Context, name string) error {
	pid, err := readPid(h.pidFile(name))
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGTERM)
	}
	for err == nil && h.ServiceRunning(name) {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err != nil {
		return fmt.Errorf("stopping %s on %s: %w", name, h.Name, err)
	}
	return nil
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
	if err := h.bearInside(); err != nil {
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

// bearInside lets the calling thread's children be born in the host's PID namespace.
func (h Host) bearInside() error {
	pid, err := h.Pid()
	if err != nil {
		return err
	}
	ns, err := os.Open(filepath.Join(procDir(), strconv.Itoa(pid), "ns/pid"))
	if err != nil {
		return fmt.Errorf("finding the PID namespace of %s: %w", h.Name, err)
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("entering the PID namespace of %s: %w", h.Name, err)
	}
	return nil
}

// runOnce runs the program once; true means that the supervisor was told to stop.
func runOnce(log *os.File, args []string, stop <-chan os.Signal) bool {
	// A supervisor that is killed takes its program with it: two of a kind never run.
	// Pdeathsig of SysProcAttr cannot do it: it looks for the parent's process id, which
	// does not exist in the child's PID namespace.
	cmd := exec.Command("setpriv", append([]string{"--pdeathsig", "KILL", "--"}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
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
