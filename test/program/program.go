// Package program runs other programs for tests and measurements. They write into a
// log file and die with this process, whatever ends it.
package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Program is one that was started.
type Program struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed once it ended
}

// Start runs a command line, whose output is appended to the file log. env is added
// to this process's environment.
func Start(log string, env []string, line ...string) (*Program, error) {
	p := &Program{log: log, done: make(chan struct{})}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", line[0], err)
	}
	defer func() { _ = out.Close() }() // the program has a descriptor of its own
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", line[0], err)
	}
	return p, nil
}

// run keeps the thread that started the program until the program ended: the kernel
// sends the death signal when that thread ends, not when the process does, and a
// goroutine that has entered a network namespace ends its thread.
func (p *Program) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.done)
	}
}

// Pid is its process id.
func (p *Program) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Program) Done() <-chan struct{} { return p.done }

// Stop asks the program to end, and kills it when it has not after patience.
func (p *Program) Stop(patience time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		return p.Kill()
	}
}

// Kill ends a program with its children and waits for it; nil is none.
func (p *Program) Kill() error {
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

func (p *Program) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.Pid(), s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Tail is the end of the log.
func (p *Program) Tail() string {
	const most = 2000
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}
