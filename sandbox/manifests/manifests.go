// Package manifests holds the objects that the sandbox puts into its cluster
// besides the product's own chart.
package manifests

import (
	"bytes"
	"embed"
	"fmt"
	"text/template"
)

//go:embed *.yaml
var files embed.FS

// Render fills a manifest's placeholders.
func Render(name string, values map[string]string) (string, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(files, name)
	if err != nil {
		return "", fmt.Errorf("manifest %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return "", fmt.Errorf("manifest %s: %w", name, err)
	}
	return out.String(), nil
}
