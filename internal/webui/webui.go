// Package webui holds the built web UI. dist is filled by the web build; without
// it the console shows a page that says so.
package webui

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

//go:embed placeholder
var placeholder embed.FS

// Files is the UI's directory, or the placeholder when the UI was not built.
func Files() (fs.FS, error) {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	_, err = fs.Stat(built, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return fs.Sub(placeholder, "placeholder")
	}
	return built, err
}
