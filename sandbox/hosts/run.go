package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Start makes the host if it is not there: its directories, cgroups, namespaces
// and anchor. self is the path of this program, which is started again inside.
func (h Host) Start(ctx context.Context, self string) error {
	if _, err := h.Pid(); err == nil {
		return nil
	}
	if err := h.save(); err != nil {
		return err
	}
	if err := h.makeCgroups(); err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	log, err := os.OpenFile(h.LogFile("anchor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "anchor", h.configFile())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID,
		Setsid:     true,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("host %s: starting its anchor: %w", h.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return h.waitAnchor(ctx, cmd.Process, ended)
}

func (h Host) waitAnchor(ctx context.Context, anchor *os.Process, ended <-chan error) error {
	for {
		if _, err := h.Pid(); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("host %s: its anchor ended (%v); %s says:\n%s", h.Name, err, h.LogFile("anchor"), tail(h.LogFile("anchor"), 5))
		case <-ctx.Done():
			// Half started it is in no cgroup yet, so nobody else would find it.
			_ = anchor.Kill()
			<-ended
			return fmt.Errorf("host %s: waiting for its anchor: %w", h.Name, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// EnterArgs is the command line that runs a program inside the host:
// append the program and its arguments. The program ends with the caller:
// nsenter stays outside the PID namespace and passes no signal on.
func (h Host) EnterArgs() ([]string, error) {
	args, err := h.enterArgs("--pid")
	return append(args, "setpriv", "--pdeathsig", "KILL", "--"), err
}

// enterArgs joins the host's namespaces but for the PID namespace, which only
// children can be born into; more joins others.
func (h Host) enterArgs(more ...string) ([]string, error) {
	pid, err := h.Pid()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	args := append([]string{"nsenter", "--target", strconv.Itoa(pid), "--net", "--mount", "--uts", "--wdns=/"}, more...)
	return append(args, "--"), nil
}

// Command prepares a program to run inside the host.
func (h Host) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	enter, err := h.EnterArgs()
	if err != nil {
		return nil, err
	}
	all := append(enter, args...)
	return exec.CommandContext(ctx, all[0], all[1:]...), nil
}

// Run runs a program inside the host and returns what it printed; a failure's
// error holds that too.
func (h Host) Run(ctx context.Context, args ...string) (string, error) {
	cmd, err := h.Command(ctx, args...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("on %s: %s: %w: %s", h.Name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// tail gives the last n lines of a file, or why it cannot.
func tail(file string, n int) string {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return "(nothing)"
	}
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
