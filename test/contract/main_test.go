package contract

import (
	"flag"
	"log"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Behaviors wait far more than they work.
	if err := flag.Set("test.parallel", "16"); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}
