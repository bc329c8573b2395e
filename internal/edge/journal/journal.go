// Package journal remembers what a join made on the device, before it makes it.
// So a join that fails, or is killed, can be undone exactly, and leaving removes
// what joining brought and nothing else.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNotJoined is returned by Load when the device has no state of ours.
var ErrNotJoined = errcat.New("NotJoined", "this device has not joined a cluster with edgectl")

// ErrRecord is wrapped when the record is there and cannot be read.
var ErrRecord = errcat.New("JoinRecordUnreadable", "the record of the join cannot be read")

// ErrForeign is wrapped when a join would overwrite somebody else's file.
var ErrForeign = errcat.New("ForeignFile", "was there before and is not ours")

// Record is what the state file holds.
type Record struct {
	NodeName string `json:"nodeName"`
	// Server and Pin are the console's; StatusToken reads this join's status there.
	Server      string `json:"server"`
	Pin         string `json:"pin,omitempty"`
	StatusToken string `json:"statusToken,omitempty"`
	// Complete is set once the node has registered.
	Complete bool `json:"complete"`
	// Service that runs EdgeCore: systemd, openrc or supervisor; empty before it is installed.
	Service         string `json:"service,omitempty"`
	RuntimeEndpoint string `json:"runtimeEndpoint,omitempty"`
	CgroupRoot      string `json:"cgroupRoot,omitempty"`
	// Programs is the directory of edgecore and edgectl; empty for /usr/local.
	Programs string `json:"programs,omitempty"`
	// Files, Dirs and Trees that the join made, in that order of making. A tree is a
	// directory that was empty or absent: all that is in it now came with EdgeCore.
	Files []string `json:"files"`
	Dirs  []string `json:"dirs"`
	Trees []string `json:"trees"`
}

// Journal is a Record on disk.
type Journal struct {
	Record
	at paths.Layout
}

// New starts a journal for a device that has none.
func New(at paths.Layout) *Journal { return &Journal{at: at} }

// Assume makes the journal of a join whose record was lost: everything at the usual
// places is taken for ours, as only a device with a record has a state directory.
func Assume(at paths.Layout, service string) *Journal {
	j := New(at)
	j.Service = service
	j.Files = append(paths.Identity(), paths.Config, at.EdgeCore(), at.Edgectl(), paths.EdgectlLink, paths.SystemdUnit, paths.OpenRCScript, paths.PIDFile)
	j.Trees = paths.Trees()
	return j
}

// Load reads the device's journal; ErrNotJoined when there is none, ErrRecord when
// it cannot be read.
func Load(at paths.Layout) (*Journal, error) {
	raw, err := os.ReadFile(at.At(paths.State))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotJoined
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	j := New(at)
	if err := json.Unmarshal(raw, &j.Record); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRecord, at.At(paths.State), err)
	}
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRecord, at.At(paths.State), err)
	}
	j.at.Programs = j.Programs
	return j, nil
}

// check refuses places that no join makes: a damaged record must not have "/" emptied.
func (j *Journal) check() error {
	for _, place := range slices.Concat(j.Files, j.Dirs) {
		if !filepath.IsAbs(place) || filepath.Clean(place) != place || place == "/" {
			return errcat.Errorf("JoinRecordUnreadable", "%q is no place of a join", place)
		}
	}
	for _, tree := range j.Trees {
		if !slices.Contains(paths.Trees(), tree) {
			return errcat.Errorf("JoinRecordUnreadable", "%q is no directory of EdgeCore", tree)
		}
	}
	if j.Programs != "" && j.Programs != paths.VarPrograms {
		return errcat.Errorf("JoinRecordUnreadable", "%q is no directory of programs", j.Programs)
	}
	return nil
}

// Save writes the record, whole or not at all.
func (j *Journal) Save() error {
	for _, dir := range missing(j.at, paths.StateDir) {
		// The record's own directory is not in the record until it can be written.
		if !slices.Contains(j.Dirs, dir) {
			j.Dirs = append(j.Dirs, dir)
		}
	}
	raw, err := json.MarshalIndent(&j.Record, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the state of the join: %w", err)
	}
	if err := os.MkdirAll(j.at.At(paths.StateDir), 0o700); err != nil {
		return fmt.Errorf("making %s: %w", paths.StateDir, err)
	}
	return j.replace(paths.State, append(raw, '\n'), 0o600)
}

// missing lists the directories to be made for dir, outermost first.
func missing(at paths.Layout, dir string) []string {
	var out []string
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(at.At(dir)); err == nil {
			break
		}
		out = append(out, dir)
		dir = filepath.Dir(dir)
	}
	slices.Reverse(out)
	return out
}

// WriteFile makes a file with its missing directories.
func (j *Journal) WriteFile(place string, data []byte, mode fs.FileMode) error {
	if err := j.Claim(place); err != nil {
		return err
	}
	return j.replace(place, data, mode)
}

// Claim makes the place's directories and records the place as ours.
func (j *Journal) Claim(place string) error {
	if err := j.Mkdir(filepath.Dir(place)); err != nil {
		return err
	}
	if slices.Contains(j.Files, place) {
		return nil
	}
	if _, err := os.Lstat(j.at.At(place)); err == nil {
		return fmt.Errorf("%s %w: move it away and try again", place, ErrForeign)
	}
	j.Files = append(j.Files, place)
	return j.Save()
}

// Mkdir makes a directory and its missing parents, readable for everybody.
func (j *Journal) Mkdir(dir string) error {
	if _, err := os.Stat(j.at.At(dir)); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := j.Mkdir(parent); err != nil {
			return err
		}
	}
	j.Dirs = append(j.Dirs, dir)
	if err := j.Save(); err != nil {
		return err
	}
	if err := os.Mkdir(j.at.At(dir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	return nil
}

// OwnTree takes a directory that is absent or empty as EdgeCore's own. One with
// something in it stays another's, and only our files in it will be removed.
func (j *Journal) OwnTree(dir string) error {
	if slices.Contains(j.Trees, dir) {
		return nil
	}
	entries, err := os.ReadDir(j.at.At(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking into %s: %w", dir, err)
	}
	if len(entries) > 0 {
		return nil
	}
	j.Trees = append(j.Trees, dir)
	return j.Mkdir(dir)
}

// replace writes beside and renames, so that nobody reads half a file.
func (j *Journal) replace(place string, data []byte, mode fs.FileMode) error {
	name := j.at.At(place)
	tmp, err := os.CreateTemp(filepath.Dir(name), ".edgectl-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", place, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", place, err)
	}
	return nil
}
