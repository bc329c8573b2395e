package main

import (
	"io"
	"strings"
	"testing"
)

// What cannot be done is refused with a reason and a remedy before anything is changed.
func TestLimitRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"limit jetson --cpu 0.5":                  `no such host: "jetson"`,
		"limit jetson-xavier on":                  `"on" is not off`,
		"limit jetson-xavier off --cpu 1":         "give it without --memory and --cpu",
		"limit jetson-xavier --cpu half":          `--cpu "half" is not a number of CPUs: give`,
		"limit jetson-xavier --memory 12 --cpu 1": "--memory 12: give a size",
		"limit jetson-xavier --memory 512Mi":      "limit jetson-xavier: host is not running; run make up first",
		"limit jetson-xavier off":                 "limit jetson-xavier: host is not running; run make up first",
		"limit jetson-xavier":                     "limit jetson-xavier: host is not running; run make up first",
	} {
		c := command()
		c.SetArgs(append(strings.Fields(line), "--root", t.TempDir()))
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", line, err, want)
		}
	}
}
