package units

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervise runs a unit's program until it is told to stop, and again whenever it
// ends, as the unit says.
func (d Directories) supervise(name string) error {
	// The kernel sends Pdeathsig when the thread that started a child ends.
	runtime.LockOSThread()
	u, err := d.load(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.pidFile(name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	// A start that asks at this very moment holds the file for an instant.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("%s is supervised already: %w", name, err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteString(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return err
	}
	for {
		if u.once(stop) || !u.restart {
			return nil
		}
		select {
		case <-stop:
			return nil
		case <-time.After(u.pause):
		}
	}
}

// once runs the program once; true says that it was told to stop.
func (u unit) once(stop <-chan os.Signal) bool {
	cmd := exec.Command(u.command[0], u.command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), u.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "systemctl: %v\n", err)
		return false
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		fmt.Fprintf(os.Stderr, "systemctl: %s ended: %v\n", u.command[0], err)
		return false
	case <-stop:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(stopPatience):
		_ = cmd.Process.Kill()
		<-ended
	}
	return true
}
