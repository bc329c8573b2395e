package fake

import (
	"io"
	"log"
)

// quiet swallows what an HTTP server says of clients that leave.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
