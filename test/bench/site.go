package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

var siteGroups = []group{
	{
		figures: []spec{{
			name: "make-up-warm", unit: "s", limit: limit(120),
			what: "`make up` after `make down`, everything built before: cluster, chart, two edge nodes, and a log line and a figure of each read through the tunnel.",
		}},
		measure: func(b *bed) error {
			leaveDown(b)
			for range b.runs {
				seconds, err := makeUpWarm(b.ctx, b.root)
				if err != nil {
					return err
				}
				b.record("make-up-warm", seconds)
			}
			return nil
		},
	},
	{
		figures: []spec{{
			name: "make-up-cold", unit: "s", limit: limit(1200),
			what: "`make up` on a checkout in which nothing was built, with empty Go build and module caches: downloads all modules and packages and builds Kubernetes from source. Debian's packages were installed before. One run.",
		}},
		cold: true,
		measure: func(b *bed) error {
			seconds, err := makeUpCold(b.ctx, b.root)
			if err == nil {
				b.record("make-up-cold", seconds)
			}
			return err
		},
	},
}

// leaveDown takes a sandbox down at the group's end, unless there was one before.
func leaveDown(b *bed) {
	if _, err := os.Stat(siteFile(b.root)); err == nil {
		return
	}
	b.undo(func() error {
		_, err := timed(context.WithoutCancel(b.ctx), b.root, nil, "make", "down")
		return err
	})
}

func makeUpWarm(ctx context.Context, root string) (float64, error) {
	if _, err := timed(ctx, root, nil, "make", "build"); err != nil {
		return 0, err
	}
	if _, err := timed(ctx, root, nil, "make", "down"); err != nil {
		return 0, err
	}
	return timed(ctx, root, nil, "make", "up")
}

func makeUpCold(ctx context.Context, root string) (float64, error) {
	if _, err := timed(ctx, root, nil, "make", "down"); err != nil {
		return 0, err
	}
	for _, built := range []string{"bin", ".cache", "web/node_modules", "internal/webui/dist/index.html", "internal/webui/dist/assets"} {
		if err := os.RemoveAll(filepath.Join(root, built)); err != nil {
			return 0, err
		}
	}
	caches, err := os.MkdirTemp("", "edgeway-cold-")
	if err != nil {
		return 0, err
	}
	env := []string{"GOCACHE=" + caches + "/build", "GOMODCACHE=" + caches + "/mod"}
	seconds, err := timed(ctx, root, env, "make", "up")
	// Module caches are read-only; go knows how to remove them.
	if _, cleanErr := timed(context.WithoutCancel(ctx), root, env, "go", "clean", "-cache", "-modcache"); err == nil {
		err = cleanErr
	}
	if removeErr := os.RemoveAll(caches); err == nil {
		err = removeErr
	}
	return seconds, err
}

// timed runs a command in the work tree and gives its seconds.
func timed(ctx context.Context, root string, env []string, args ...string) (float64, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%v: %w:\n%s", args, err, out)
	}
	return time.Since(start).Seconds(), nil
}
