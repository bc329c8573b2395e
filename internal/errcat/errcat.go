// Package errcat is the catalog of the errors that users see: for every code its cause and
// its remedy, in English and Chinese. docs/errors.md and the Chinese texts of the web UI
// are made of it (go generate). What exactly went wrong, with which value, is the message
// of the error itself.
package errcat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:generate go run ./gen ../..

// Entry is one code.
type Entry struct {
	// Code is stable: programs may depend on it.
	Code string
	// Status is the HTTP status of answers with this code.
	Status int
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
		"mostly a `remedy`. Answers to devices (`/api/v1/join/`) have the same form.\n\n" +
		"| code | status | cause | what to do | 原因 | 处理方法 |\n|---|---|---|---|---|---|\n")
	for _, e := range Catalog {
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s | %s |\n", e.Code, e.Status, e.Cause, e.Remedy, e.CauseZH, e.RemedyZH)
	}
	return b.String()
}
