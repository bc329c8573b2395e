package units

import (
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
)

// Exit statuses of systemctl(1) for a question whose answer is no.
const (
	exitFailed   = 1
	exitInactive = 3
	exitNoUnit   = 4
)

// superviseCommand is the argument with which the program starts itself to keep a
// unit running.
const superviseCommand = "supervise-unit"

// stopPatience is how long a program has to end after SIGTERM.
const stopPatience = 20 * time.Second

// Run is systemctl with these arguments; it returns the exit status.
func (d Directories) Run(args []string, out, errOut io.Writer) int {
	words, now := plainWords(args)
	if len(words) == 0 {
		fmt.Fprintln(errOut, "systemctl: which command?")
		return exitFailed
	}
	if words[0] == "daemon-reload" {
		return 0
	}
	if len(words) != 2 {
		fmt.Fprintf(errOut, "systemctl %s: one unit, please\n", words[0])
		return exitFailed
	}
	command, name := words[0], strings.TrimSuffix(words[1], ".service")
	if command == superviseCommand {
		return d.report(d.supervise(name), errOut)
	}
	if question, ok := questions[command]; ok {
		return question(d, name, out)
	}
	return d.report(d.change(command, name, now), errOut)
}

// plainWords leaves out options; --now is told.
func plainWords(args []string) (words []string, now bool) {
	for _, a := range args {
		switch {
		case a == "--now":
			now = true
		case !strings.HasPrefix(a, "-"):
			words = append(words, a)
		}
	}
	return words, now
}

func (d Directories) report(err error, errOut io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(errOut, "systemctl: %v\n", err)
	if errors.Is(err, ErrNoUnit) {
		return exitNoUnit
	}
	return exitFailed
}

var questions = map[string]func(Directories, string, io.Writer) int{
	"is-active": func(d Directories, name string, out io.Writer) int {
		if d.running(name) == 0 {
			fmt.Fprintln(out, "inactive")
			return exitInactive
		}
		fmt.Fprintln(out, "active")
		return 0
	},
	"is-enabled": func(d Directories, name string, out io.Writer) int {
		if _, err := os.Lstat(d.enabled(name)); err != nil {
			fmt.Fprintln(out, "disabled")
			return exitFailed
		}
		fmt.Fprintln(out, "enabled")
		return 0
	},
	"status": func(d Directories, name string, out io.Writer) int {
		if _, err := d.load(name); err != nil {
			fmt.Fprintf(out, "Unit %s.service could not be found.\n   Loaded: not-found\n", name)
			return exitNoUnit
		}
		fmt.Fprintf(out, "%s.service\n   Loaded: loaded (%s)\n", name, d.file(name))
		if d.running(name) == 0 {
			fmt.Fprintln(out, "   Active: inactive (dead)")
			return exitInactive
		}
		fmt.Fprintln(out, "   Active: active (running)")
		return 0
	},
	"cat": func(d Directories, name string, out io.Writer) int {
		b, err := os.ReadFile(d.file(name))
		if err != nil {
			return exitFailed
		}
		fmt.Fprintf(out, "# %s\n%s", d.file(name), b)
		return 0
	},
}

func (d Directories) change(command, name string, now bool) error {
	switch command {
	case "enable", "disable":
		if err := d.setEnabled(name, command == "enable"); err != nil || !now {
			return err
		}
		if command == "enable" {
			return d.start(name)
		}
		return d.stop(name)
	case "start":
		return d.start(name)
	case "stop":
		return d.stop(name)
	case "restart":
		if err := d.stop(name); err != nil {
			return err
		}
		return d.start(name)
	}
	return fmt.Errorf("%q is not a command that the sandbox knows", command)
}

func (d Directories) setEnabled(name string, on bool) error {
	link := d.enabled(name)
	if !on {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if _, err := d.load(name); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(d.file(name), link); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (d Directories) start(name string) error {
	if _, err := d.load(name); err != nil || d.running(name) != 0 {
		return err
	}
	if err := os.MkdirAll(d.State, 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(d.logFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, superviseCommand, name)
	cmd.Args[0] = "systemctl"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	for deadline := time.Now().Add(stopPatience); d.running(name) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not start; see %s", name, d.logFile(name))
		}
	}
	return cmd.Process.Release()
}

func (d Directories) stop(name string) error {
	pid := d.running(name)
	if pid == 0 {
		return nil
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	for deadline := time.Now().Add(2 * stopPatience); d.running(name) != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not stop", name)
		}
	}
	return nil
}

// running is the process id of the unit's supervisor, 0 when it does not run: the
// supervisor holds a lock on its file as long as it lives.
func (d Directories) running(name string) int {
	f, err := os.Open(d.pidFile(name))
	if err != nil {
		return 0
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return 0 // nobody holds it
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}
