package operator

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow by half between two collections instead of doubling:
// the operator runs on every cloud node, and after the first load it has next to
// nothing to do.
const gcPercent = 50

// keepSmall sets how eagerly memory is collected, unless GOGC says so.
func keepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// returnMemory gives back what the first load needed: every object of the API at
// once, and the first transaction.
func returnMemory() { debug.FreeOSMemory() }
