// Command gen writes what is made of the error catalog into the repository at the
// directory that is its argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: gen DIRECTORY")
	}
	files, err := errcat.Files()
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(args[0], path), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
