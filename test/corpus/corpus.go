// Package corpus holds inputs in the shapes that people have, each with its expected
// outcome beside it. See README.md for how to add one. It decides nothing: the walker
// beside it and the fuzz tests of the parsers use it.
package corpus

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/txtar"
)

//go:embed */*.txtar
var files embed.FS

// Case is one input with its outcome.
type Case struct {
	// Kind is the directory, Name the file without its suffix.
	Kind, Name string
	// Options are the lines "key: value" before the first file.
	Options map[string]string
	Input   []byte
	Want    string
}

// Path of the case in this directory.
func (c Case) Path() string { return c.Kind + "/" + c.Name + suffix }

const suffix = ".txtar"

// Names of the files of a case.
const (
	inputFile = "input"
	wantFile  = "want"
)

// Kinds are the directories with cases.
func Kinds() ([]string, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, nil
}

// Cases of one kind.
func Cases(kind string) ([]Case, error) {
	names, err := fs.Glob(files, kind+"/*"+suffix)
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		c, err := parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.Kind, c.Name = kind, strings.TrimSuffix(path.Base(name), suffix)
		out = append(out, c)
	}
	return out, nil
}

func parse(raw []byte) (Case, error) {
	archive := txtar.Parse(raw)
	c := Case{Options: map[string]string{}}
	for line := range strings.Lines(string(archive.Comment)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "#") {
			c.Options[key] = value
		}
	}
	for _, f := range archive.Files {
		switch f.Name {
		case inputFile:
			c.Input = f.Data
		case wantFile:
			c.Want = string(f.Data)
		default:
			return Case{}, fmt.Errorf("file %q: the files of a case are %s and %s", f.Name, inputFile, wantFile)
		}
	}
	var err error
	c.Input, err = c.encode()
	return c, err
}

// encode does to the input what a text file in a repository cannot hold.
func (c Case) encode() ([]byte, error) {
	text := string(c.Input)
	switch c.Options["lines"] {
	case "":
	case "crlf":
		text = strings.ReplaceAll(text, "\n", "\r\n")
	case "cr":
		text = strings.ReplaceAll(text, "\n", "\r")
	case "none":
		text = strings.TrimSuffix(text, "\n")
	default:
		return nil, fmt.Errorf("lines: %q: choose crlf, cr or none", c.Options["lines"])
	}
	mark := "\ufeff"
	switch c.Options["encoding"] {
	case "":
		return []byte(text), nil
	case "utf-8-bom":
		return []byte(mark + text), nil
	case "utf-16le":
		return utf16Bytes(mark+text, 0), nil
	case "utf-16be":
		return utf16Bytes(mark+text, 1), nil
	case "utf-16le-unmarked":
		return utf16Bytes(text, 0), nil
	case "latin-1":
		var out []byte
		for _, r := range text {
			out = append(out, byte(r))
		}
		return out, nil
	}
	return nil, fmt.Errorf("encoding: %q is not known", c.Options["encoding"])
}

// utf16Bytes puts the low byte of each unit at position low.
func utf16Bytes(text string, low int) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		pair := [2]byte{}
		pair[low], pair[1-low] = byte(unit), byte(unit>>8)
		out = append(out, pair[:]...)
	}
	return out
}
