package kubelet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A stand-in for the kubelet that writes a line at every start and dies at once the
// first time.
const script = `#!/bin/sh
echo start >> "$1"
test "$(wc -l < "$1")" -gt 1 || exit 3
trap 'echo stop >> "$1"; exit 0' TERM
echo "$HTTP2_PING_TIMEOUT_SECONDS" >> "$1"
while :; do sleep 0.05; done
`

func TestSuperviseRestartsAndStops(t *testing.T) {
	dir := t.TempDir()
	binary, log := filepath.Join(dir, "kubelet"), filepath.Join(dir, "log")
	if err := os.WriteFile(binary, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Supervise(ctx, binary, []string{log}) }()
	read := func() string {
		data, _ := os.ReadFile(log)
		return strings.Join(strings.Fields(string(data)), " ")
	}
	for deadline := time.Now().Add(20 * time.Second); read() != "start start 5"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %q, want a second start", read())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := read(); got != "start start 5 stop" {
		t.Errorf("got %q, want an orderly stop", got)
	}
}

func TestFindBinary(t *testing.T) {
	if _, err := FindBinary(filepath.Join(t.TempDir(), "kubelet")); err == nil || !strings.Contains(err.Error(), "--kubelet-binary") {
		t.Errorf("got %v, want the flag's name", err)
	}
}
