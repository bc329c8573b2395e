package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/runtime"
)

// output is the format of a command's result.
type output struct{ format string }

func (o *output) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "text", "text, json or yaml")
}

// check refuses formats that there are not, before anything is done.
func (o *output) check() error {
	switch o.format {
	case "text", "json", "yaml":
		return nil
	}
	return usage(fmt.Errorf("--output %q: choose text, json or yaml", o.format))
}

// write prints value, with text for the format of that name.
func (o *output) write(w io.Writer, value any, text func(io.Writer)) error {
	switch o.format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	case "yaml":
		data, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("encode result: %w", err)
		}
		_, err = w.Write(data)
		return err
	default:
		text(w)
		return nil
	}
}

// progress prints steps to w, one line for each change.
func progress(w io.Writer) runtime.Progress {
	return func(s runtime.Step) {
		mark := map[runtime.StepState]string{runtime.StepRunning: "..", runtime.StepDone: "ok", runtime.StepFailed: "!!"}[s.State]
		if s.Message == "" {
			fmt.Fprintf(w, "%s %s\n", mark, s.Name)
			return
		}
		fmt.Fprintf(w, "%s %-17s %s\n", mark, s.Name, s.Message)
	}
}
