package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/edgeway-io/edgeway/internal/edge/journal"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

// binaries puts EdgeCore and edgectl itself in place.
func (r *joining) binaries(ctx context.Context) error {
	if err := r.edgeCore(ctx); err != nil {
		return err
	}
	if err := r.install(r.At.Edgectl(), func(w io.Writer) error { return copyFile(r.Self, w) }); err != nil {
		return err
	}
	if r.At.Programs != "" {
		r.say("/usr/local is read-only: edgectl is %s", r.At.Edgectl())
		return nil
	}
	// Somebody's own edgectl in the path may stay.
	err := r.journal.Claim(paths.EdgectlLink)
	if errors.Is(err, journal.ErrForeign) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Symlink(r.At.Edgectl(), r.At.At(paths.EdgectlLink)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("linking %s: %w", paths.EdgectlLink, err)
	}
	return nil
}

func (r *joining) edgeCore(ctx context.Context) error {
	switch {
	case r.EdgeCore == r.At.At(r.At.EdgeCore()):
		// Given where it belongs: used as it is, and not removed on leaving.
		return nil
	case r.EdgeCore != "":
		return r.install(r.At.EdgeCore(), func(w io.Writer) error { return copyFile(r.EdgeCore, w) })
	}
	return r.install(r.At.EdgeCore(), func(w io.Writer) error { return r.origin.edgeCore(ctx, r, w) })
}

// install writes beside the place and renames when everything, a checksum too,
// was right.
func (r *joining) install(place string, fill func(io.Writer) error) error {
	part := filepath.Join(filepath.Dir(place), paths.Partial)
	if err := errors.Join(r.journal.Claim(place), r.journal.Claim(part)); err != nil {
		return err
	}
	partial := r.At.At(part)
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("writing %s: %w", place, err)
	}
	defer os.Remove(partial)
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("installing %s: %w", place, err)
	}
	if err := os.Rename(partial, r.At.At(place)); err != nil {
		return fmt.Errorf("installing %s: %w", place, err)
	}
	return nil
}

func copyFile(name string, w io.Writer) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("copying %s: %w", name, err)
	}
	return nil
}

// complete ends the part of the join that would be undone. The key is in place by
// now; its first copy goes.
func (r *joining) complete() error {
	for _, place := range []string{paths.PendingKey, paths.PendingCSR} {
		if err := os.Remove(r.At.At(place)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", place, err)
		}
	}
	r.journal.Complete = true
	return r.journal.Save()
}
