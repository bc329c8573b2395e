package cli

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"edgectl": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// The scripts in testdata run edgectl itself against a console, a CloudCore and
// a container runtime that answer really; only the cluster behind is made up.
func TestScripts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("edgectl works as root: run the tests as root")
	}
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: setup, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"waitfor": waitFor,
		"absent":  absent,
		"told":    told,
		"exits":   exits,
	}})
}

// exits runs edgectl and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGUMENT...")
	}
	err := ts.Exec("edgectl", args[1:]...)
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("edgectl %v ends with %d, want %s", args[1:], code, args[0])
	}
}
