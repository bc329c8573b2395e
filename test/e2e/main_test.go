//go:build e2e

// Package e2e drives kubectl, from outside the product, against a running
// sandbox: what works here works for every client of the same API.
package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// site is the running sandbox.
var site onsite.Site

// root is the work tree.
var root string

// edgeNodes are the edge hosts that `make up` joins, with the address each reports.
var edgeNodes = map[string]string{"jetson-xavier": "192.168.100.1", "raspberrypi": "192.168.100.2"}

func TestMain(m *testing.M) {
	var err error
	if site, err = onsite.Read(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	root = site.Root
	os.Exit(m.Run())
}

// kubectl runs kubectl for at most a minute.
func kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	return site.RunKubectl(t, stdin, args...)
}

func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	return site.MustKubectl(t, args...)
}

// onHost runs a shell command on a host of the sandbox.
func onHost(t *testing.T, host, script string) string {
	t.Helper()
	return site.OnHost(t, host, script)
}

// eventually repeats a check until it passes and fails with its last error.
func eventually(t *testing.T, timeout time.Duration, check func() error) {
	t.Helper()
	onsite.Eventually(t, timeout, 500*time.Millisecond, check)
}

// forEachEdge runs a test once for every edge node.
func forEachEdge(t *testing.T, test func(t *testing.T, node string)) {
	for node := range edgeNodes {
		t.Run(node, func(t *testing.T) { test(t, node) })
	}
}
