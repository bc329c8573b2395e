package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestWrongUsageSaysWhatIsRight: what was typed, what to type, and where it is described.
func TestWrongUsageSaysWhatIsRight(t *testing.T) {
	t.Setenv(codeEnv, "")
	for line, want := range map[string][]string{
		"join --serve x": {"--serve", "see 'edgectl join --help'"},
		"leave now":      {`"now"`, "see 'edgectl leave --help'"},
		"depart":         {`"depart"`, "see 'edgectl --help'"},
		"join":           {"--server", "--bundle", "see 'edgectl join --help'"},
		"join --server https://192.0.2.1 --bundle /x":    {`--server "https://192.0.2.1" and --bundle "/x": give one of them`},
		"join --server https://192.0.2.1":                {"set EDGEWAY_CODE, or give --code-file"},
		"join --server https://192.0.2.1 --wait Forever": {`--wait "Forever": choose Registered`},
		"status -o yaml": {`--output "yaml": choose text or json`},
		"logs -n 0":      {"--lines 0: give at least 1", "see 'edgectl logs --help'"},
	} {
		var stdout, stderr bytes.Buffer
		if got := Main(strings.Fields(line), strings.NewReader(""), &stdout, &stderr); got != 2 {
			t.Errorf("%s: exit code %d", line, got)
		}
		for _, part := range append(want, "(Usage)") {
			if !strings.Contains(stderr.String(), part) {
				t.Errorf("%s: %q does not say %q", line, stderr.String(), part)
			}
		}
		if stdout.Len() > 0 {
			t.Errorf("%s: %q on standard output", line, stdout.String())
		}
	}
}
