// Command edgeway-probe is what the pod that verifies a joined edge node runs: it
// prints its arguments as one line and waits to be ended, so that there is a log
// to read.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	fmt.Println(strings.Join(os.Args[1:], " "))
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	// A probe that nobody comes to delete ends by itself.
	select {
	case <-end:
	case <-time.After(10 * time.Minute):
	}
}
