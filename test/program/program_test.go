package program

import (
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The first thread of a process never ends; with it kept for the main goroutine,
// programs are started from others.
func init() { runtime.LockOSThread() }

// A thread that ends takes no program with it: threads end with goroutines that
// locked them.
func TestOutlivesThreads(t *testing.T) {
	var all []*Program
	for range 8 {
		p, err := Start(filepath.Join(t.TempDir(), "log"), nil, "sleep", "60")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	// Enough at a time for every thread there is, the ones that started programs too.
	var ended sync.WaitGroup
	for range 100 {
		ended.Go(func() {
			runtime.LockOSThread()
			ts := unix.NsecToTimespec(int64(20 * time.Millisecond))
			_ = unix.Nanosleep(&ts, nil) // keeps the thread, as time.Sleep does not
		})
	}
	ended.Wait()
	time.Sleep(100 * time.Millisecond)
	for i, p := range all {
		select {
		case <-p.Done():
			t.Errorf("program %d ended by itself", i)
		default:
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if err := unix.Kill(p.Pid(), 0); err == nil {
			t.Errorf("program %d lives after Kill", i)
		}
	}
}

func TestStopIsPatientOnlySoLong(t *testing.T) {
	stubborn, err := Start(filepath.Join(t.TempDir(), "log"), []string{"WHO=stubborn"},
		"sh", "-c", `trap 'echo "$WHO"' TERM; echo up; while :; do sleep 0.05; done`)
	if err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(stubborn.Tail(), "up") {
		time.Sleep(5 * time.Millisecond)
	}
	if err := stubborn.Stop(300 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	<-stubborn.Done()
	if got := stubborn.Tail(); !strings.Contains(got, "stubborn") {
		t.Errorf("log is %q: it was never asked to end", got)
	}
}
