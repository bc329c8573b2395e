// Command gen writes the JSON schema of the settings to the file named by its argument.
package main

import (
	"fmt"
	"os"

	"github.com/edgeway-io/edgeway/internal/settings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: gen FILE")
	}
	schema, err := settings.Schema()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], schema, 0o644)
}
