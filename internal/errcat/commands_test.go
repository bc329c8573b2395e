package errcat_test

import (
	"go/ast"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/cli"
	edgecli "github.com/edgeway-io/edgeway/internal/edge/cli"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// own are the programs whose commands people are told to run.
func own() map[string]*cobra.Command {
	return map[string]*cobra.Command{"edgeway": cli.NewRoot("test"), "edgectl": edgecli.NewRoot()}
}

// foreign programs have flags of their own.
var foreign = map[string]bool{
	"kubectl": true, "systemctl": true, "journalctl": true, "firewall-cmd": true, "aws": true, "gcloud": true, "az": true, "iptables": true,
	"dbus-uuidgen": true, "kube-apiserver": true, "metrics-server": true, "wget": true, "keadm": true,
}

// prose are words that follow a program's name in a sentence.
var prose = map[string]bool{
	"and": true, "asks": true, "cannot": true, "could": true, "does": true, "downloaded": true, "for": true, "from": true, "has": true, "is": true, "on": true,
	"or": true, "runs": true, "switches": true, "that": true, "to": true, "with": true, "writes": true,
}

// scripts are files whose texts are programs and units, not sentences.
var scripts = map[string]bool{"../edge/service/init.go": true, "../enroll/command.go": true}

var (
	word     = regexp.MustCompile(`[\w./=:%<>&{}\[\]-]+|[^\w\s]`)
	flagWord = regexp.MustCompile(`^--[a-z][a-z0-9-]*`)
)

// faultsOf are the commands and flags of a text that none of the programs has.
func faultsOf(programs map[string]*cobra.Command, text string) (faults []string) {
	var in *cobra.Command // what the words before ran
	path, other := "", false
	words := word.FindAllString(text, -1)
	for i, w := range words {
		bare := strings.TrimRight(w, ".:")
		program := programs[bare]
		switch {
		case program != nil:
			in, path, other = program, bare, false
		case foreign[bare]:
			in, other = nil, true
		case flagWord.MatchString(w):
			name := strings.TrimPrefix(flagWord.FindString(w), "--")
			switch {
			case other || name == "help":
			case in != nil && !hasFlag(in, name):
				faults = append(faults, path+" has no --"+name)
			case in == nil && !anyFlag(programs, name):
				faults = append(faults, "no program has --"+name)
			case name == "set" && i+1 < len(words) && strings.Contains(words[i+1], "="):
				if _, err := settings.Set(settings.Default(settings.NodePort), words[i+1]); err != nil {
					faults = append(faults, "--set "+words[i+1]+": "+err.Error())
				}
			}
		case in != nil && regexp.MustCompile(`^[a-z-]+$`).MatchString(bare):
			sub := subcommand(in, bare)
			if sub == nil && in.HasAvailableSubCommands() && !(prose[bare] && in.Parent() == nil) {
				faults = append(faults, path+" has no command "+bare)
			}
			if sub != nil {
				in, path = sub, path+" "+bare
			} else if prose[bare] {
				in = nil
			}
		}
		if strings.HasSuffix(w, ":") || strings.HasSuffix(w, ".") || regexp.MustCompile(`^[,;。，；'"()]$`).MatchString(w) {
			in, other = nil, false
		}
	}
	return faults
}

func subcommand(c *cobra.Command, name string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	return nil
}

func hasFlag(c *cobra.Command, name string) bool {
	return c.Flags().Lookup(name) != nil || c.InheritedFlags().Lookup(name) != nil
}

func anyFlag(programs map[string]*cobra.Command, name string) bool {
	for _, c := range programs {
		if hasFlag(c, name) || anyFlagBelow(c, name) {
			return true
		}
	}
	return false
}

func anyFlagBelow(c *cobra.Command, name string) bool {
	for _, sub := range c.Commands() {
		if hasFlag(sub, name) || anyFlagBelow(sub, name) {
			return true
		}
	}
	return false
}

// TestRemediesNameCommandsThatExist: every command, flag and setting that a remedy of the
// catalog or a message in the source tells people to use.
func TestRemediesNameCommandsThatExist(t *testing.T) {
	programs, named := own(), 0
	check := func(where, text string) {
		if strings.Contains(text, " --") || strings.HasPrefix(text, "--") || strings.Contains(text, "edgectl ") || strings.Contains(text, "edgeway ") {
			named++
		}
		for _, fault := range faultsOf(programs, text) {
			t.Errorf("%s: %q: %s", where, text, fault)
		}
	}
	for _, e := range errcat.Catalog {
		for _, text := range []string{e.Cause, e.Remedy, e.CauseZH, e.RemedyZH} {
			check(e.Code, text)
		}
	}
	for _, name := range shown {
		for path, file := range parse(t, filepath.Join("..", name)) {
			if scripts[path] {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				// What has no space is an argument of a program, not a sentence.
				if e, ok := n.(ast.Expr); ok {
					if text, ok := literal(e); ok && strings.Contains(text, " ") {
						check(files.Position(n.Pos()).String(), text)
					}
				}
				return true
			})
		}
	}
	if named < 60 {
		t.Errorf("only %d texts name a command or flag", named)
	}
}

// TestWrongCommandsAreFound holds the test above to texts that it must refuse.
func TestWrongCommandsAreFound(t *testing.T) {
	programs := own()
	for text, want := range map[string]string{
		"run edgectl leave --force, and join again":         "",
		"Run edgectl leaf first.":                           "edgectl has no command leaf",
		"run edgectl leave --forced":                        "edgectl leave has no --forced",
		"run edgeway nodes leave NODE --force":              "",
		"run edgeway nodes depart NODE":                     "edgeway nodes has no command depart",
		"edgeway configure --set cloudHub.htps.enable=true": "--set cloudHub.htps.enable=true: ",
		"请运行 edgectl leaves 移除":                             "edgectl has no command leaves",
		"give one with --edgecoer":                          "no program has --edgecoer",
		"systemctl enable --now containerd":                 "",
		"systemctl enable --now x; edgectl join --now":      "edgectl join has no --now",
		"use the edgectl that this console serves":          "",
	} {
		got := strings.Join(faultsOf(programs, text), "; ")
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
