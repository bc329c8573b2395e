package server

import (
	"context"
	"testing"
	"time"
)

// The longest drain timeout that the API accepts has passed before the operation ends.
func TestALongDrainIsNotCutOff(t *testing.T) {
	operation, cancel := context.WithTimeout(t.Context(), operationLimit)
	defer cancel()
	const longest = 3600 * time.Second
	begin := time.Now()
	ctx, end := leaveContext(operation, longest)
	defer end()
	if deadline, ok := ctx.Deadline(); !ok || deadline.Sub(begin) < longest+time.Minute {
		t.Errorf("the operation ends after %s (%v)", deadline.Sub(begin), ok)
	}
}
