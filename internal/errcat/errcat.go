// Package errcat is the catalog of the errors that users see: for every code its cause and
// its remedy, in English and Chinese. docs/errors.md and the Chinese texts of the web UI
// are made of it (go generate). What exactly went wrong, with which value, is the message
// of the error itself.
package errcat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

//go:generate go run ./gen ../..

// Entry is one code.
type Entry struct {
	// Code is stable: programs may depend on it.
	Code string
	// Status is the HTTP status of answers with this code; 0 where none has it.
	Status int
	// Exit is the exit code of edgeway, Device that of edgectl; 0 stands for 1.
	Exit, Device int
	// InMessage: the message of the error says what to do.
	InMessage bool
	// Cause and Remedy are sentences.
	Cause, Remedy     string
	CauseZH, RemedyZH string
}

// Find gives the entry of a code.
func Find(code string) (Entry, bool) {
	i := slices.IndexFunc(Catalog, func(e Entry) bool { return e.Code == code })
	if i < 0 {
		return Entry{}, false
	}
	return Catalog[i], true
}

// Files are what is made of the catalog, by path in the repository.
func Files() (map[string][]byte, error) {
	texts := map[string]map[string]map[string]string{"errors": {}}
	for _, e := range Catalog {
		if e.Status == 0 {
			continue // the web UI never gets it
		}
		texts["errors"][e.Code] = map[string]string{"cause": e.CauseZH, "remedy": e.RemedyZH}
	}
	raw, err := json.MarshalIndent(texts, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the Chinese texts: %w", err)
	}
	return map[string][]byte{
		"docs/errors.md":                 []byte(document()),
		"web/src/locales/errors/zh.json": append(raw, '\n'),
	}, nil
}

func document() string {
	var b strings.Builder
	b.WriteString("# Errors\n\nMade from `internal/errcat` by `go generate ./internal/errcat`; do not edit.\n\n" +
		"Every answer of the REST API that is not a success has a `code` of this list, a `message` that says what exactly went wrong, and\n" +
		"mostly a `remedy`. Answers to devices (`/api/v1/join/`) have the same form. `edgeway` and `edgectl` print message, remedy and code\n" +
		"on standard error.\n\n## Exit codes\n\n" + exitCodes + "\n## Codes\n\n" +
		"`status` is that of the REST API, `exit` the exit code of `edgeway` / `edgectl`. A refusal that `edgectl` gets from the console ends it with 1.\n\n" +
		"| code | status | exit | cause | what to do | 原因 | 处理方法 |\n|---|---|---|---|---|---|---|\n")
	for _, e := range Catalog {
		status := "–"
		if e.Status != 0 {
			status = strconv.Itoa(e.Status)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d / %d | %s | %s | %s | %s |\n", e.Code, status, e.ExitEdgeway(), e.ExitEdgectl(), e.Cause, e.Remedy, e.CauseZH, e.RemedyZH)
	}
	return b.String()
}

// exitCodes are what scripts get. TestInstaller of internal/edge/cli holds the join line to it.
const exitCodes = "| program | 0 | 1 | 2 | 3 | 4 | 5 | 128 + N |\n|---|---|---|---|---|---|---|---|\n" +
	"| `edgeway` | done | failed | bad input | conflict with another change or another KubeEdge | no permission | | |\n" +
	"| `edgectl` | done; `join`: the node is as far as `--wait` asks | failed, nothing of the join is left unless the message says so | wrong command line | a pre-flight check failed, nothing was changed | joined, but not as far as `--wait` asks | | |\n" +
	"| the join line, batch scripts | the device has joined | as `edgectl join`; also: no root, or an architecture without edgectl | unusable options | as `edgectl join` | as `edgectl join` | edgectl could not be fetched, or is not the expected one | ended by signal N before edgectl ran |\n\n" +
	"Only 0 means that the device has joined as far as was asked for, so Ansible, cloud-init and `set -e` can rely on it.\n"

// ExitEdgeway is the exit code of edgeway.
func (e Entry) ExitEdgeway() int { return cmp.Or(e.Exit, 1) }

// ExitEdgectl is the exit code of edgectl.
func (e Entry) ExitEdgectl() int { return cmp.Or(e.Device, 1) }
