package units

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Directories of a host; a test has its own.
type Directories struct {
	// Units holds NAME.service files, State what runs and what it prints.
	Units, State string
}

// Host is where a host of the sandbox keeps units.
var Host = Directories{Units: "/etc/systemd/system", State: "/run/sandbox/units"}

// ErrNoUnit is returned for a name without a unit file.
var ErrNoUnit = errors.New("unit not found")

// unit is the part of a service file that is used here.
type unit struct {
	command []string
	env     []string
	restart bool
	pause   time.Duration
}

func (d Directories) file(name string) string { return filepath.Join(d.Units, name+".service") }
func (d Directories) enabled(name string) string {
	return filepath.Join(d.Units, "multi-user.target.wants", name+".service")
}
func (d Directories) pidFile(name string) string { return filepath.Join(d.State, name+".pid") }
func (d Directories) logFile(name string) string { return filepath.Join(d.State, name+".log") }

// load reads a unit file: systemd.service(5), one ExecStart of plain words.
func (d Directories) load(name string) (unit, error) {
	b, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return unit{}, fmt.Errorf("%s.service: %w", name, ErrNoUnit)
	}
	if err != nil {
		return unit{}, err
	}
	u := unit{pause: 100 * time.Millisecond} // systemd's default
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ExecStart":
			u.command = strings.Fields(value)
		case "Environment":
			for _, word := range strings.Fields(value) {
				u.env = append(u.env, strings.Trim(word, `"`))
			}
		case "Restart":
			u.restart = value == "always" || value == "on-failure"
		case "RestartSec":
			if !strings.HasSuffix(value, "s") {
				value += "s"
			}
			if u.pause, err = time.ParseDuration(value); err != nil {
				return unit{}, fmt.Errorf("%s.service: RestartSec: %w", name, err)
			}
		}
	}
	if len(u.command) == 0 {
		return unit{}, fmt.Errorf("%s.service has no ExecStart", name)
	}
	return u, nil
}
