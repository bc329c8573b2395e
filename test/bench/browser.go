package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
)

// browserGroups are measured in a browser on a site.
var browserGroups = []group{
	inBrowser("first-line.bench.ts", spec{name: "log-first-line", unit: "ms", limit: limit(500),
		what: "From the click on a container's log to its first line in the browser, through the tunnel of an edge node."}),
	inBrowser("enable.bench.ts",
		spec{name: "enable-click-available", unit: "s", limit: limit(30),
			what: "From the click on Enable in the dialog to the console's word that CloudCore, edge-watcher and iptables-operator are available; images are on the nodes."},
		spec{name: "settings-form-usable", unit: "ms", limit: limit(1500),
			what: "From the address of a cluster's KubeEdge page to the settings form that can be filled in, with one click on Enable in between, in a browser whose window is open and at rest and that has loaded nothing of the console.",
			baselines: []baseline{{Name: "new window", Sense: share,
				What: "the same in a window that is opened at the same moment: the browser's own interface starts beside the page"}}}),
}

// inBrowser is a group of figures that one file of web/e2e takes.
func inBrowser(file string, figures ...spec) group {
	return group{figures: figures, measure: func(b *bed) error {
		siteUp(b)
		for range b.runs {
			values, err := browserRun(b.ctx, b.root, file)
			if err != nil {
				return err
			}
			for _, f := range figures {
				value, ok := values[f.name]
				if !ok {
					return fmt.Errorf("web/e2e/%s gave no %s", file, f.name)
				}
				b.record(f.name, value)
				for _, with := range f.baselines {
					value, ok := values[f.name+": "+with.Name]
					if !ok {
						return fmt.Errorf("web/e2e/%s gave no %s: %s", file, f.name, with.Name)
					}
					b.compare(f.name, with.Name, value)
				}
			}
		}
		return nil
	}}
}

var figuresJSON = regexp.MustCompile(`(?m)^figures (.*)$`)

func browserRun(ctx context.Context, root, file string) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "npx", "vitest", "run", "--config", "e2e/bench.config.ts", "e2e/"+file)
	cmd.Dir = filepath.Join(root, "web")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("browser: %w:\n%s", err, out)
	}
	m := figuresJSON.FindSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("the browser's run gave no figures:\n%s", out)
	}
	var values map[string]float64
	return values, json.Unmarshal(m[1], &values)
}
