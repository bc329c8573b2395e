// Command gen prints the console's OpenAPI document, from which the web UI's
// client is generated.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/edgeway-io/edgeway/internal/server"
	"github.com/edgeway-io/edgeway/internal/webui"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	files, err := webui.Files()
	if err != nil {
		return err
	}
	s, err := server.New(server.Config{Version: "v1", UI: files})
	if err != nil {
		return err
	}
	doc, err := s.OpenAPI()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = out.WriteTo(os.Stdout)
	return err
}
