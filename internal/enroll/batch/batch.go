// Package batch reads lists of devices that join together. It asks no cluster.
//
// CSV has a header line that names its columns; only nodeName is needed:
//
//	nodeName,nodeIP,arch,labels,runtimeEndpoint,cgroupDriver
//	edge-1,192.168.100.1,arm64,site=a;row=2,,
//
// It is read as spreadsheets write it: separated by comma, semicolon or tab, in UTF-8 or
// UTF-16, with empty columns and rows. YAML is a list of the same fields, with labels as
// a map. What a device leaves out it takes from the base request; an address is taken
// from the pool.
//
// A list is taken as a whole or not at all, and all its faults are told at once.
package batch

import (
	"fmt"
	"strings"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/usertext"
)

// Bounds of one list.
const (
	// MaxDevices in one list.
	MaxDevices = 500
	// MaxText in bytes.
	MaxText = 1 << 20
)

// Formats of a list.
const (
	CSV  = "csv"
	YAML = "yaml"
)

// ErrList is wrapped when a list cannot be read at all.
var ErrList = errcat.New("ListUnreadable", "the list of devices cannot be read")

// Device is one entry of a list. Empty fields take the base request's.
type Device struct {
	NodeName        string            `json:"nodeName"`
	NodeIP          string            `json:"nodeIP,omitempty"`
	Arch            string            `json:"arch,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	RuntimeEndpoint string            `json:"runtimeEndpoint,omitempty"`
	CgroupDriver    string            `json:"cgroupDriver,omitempty"`
	// Line of the list on which the entry begins; 0 when unknown.
	Line int `json:"-"`
}

// SetLine implements strictyaml.Lined.
func (d *Device) SetLine(line int) { d.Line = line }

// List is the entries of a list.
type List struct {
	Devices []Device
	// problems of single entries, which Requests tells with its own.
	problems enroll.Problems
	// unread are the entries of which nothing could be read.
	unread map[int]bool
}

// Parse reads a list in one of the formats. It fails with ErrList when the list cannot be
// read as a whole; the faults of single entries come with those that Requests finds.
func Parse(format, text string) (List, error) {
	if len(text) > MaxText {
		return List{}, fmt.Errorf("%w: it has %d bytes, more than %d; split it", ErrList, len(text), MaxText)
	}
	parse := map[string]func(string) (List, error){CSV: parseCSV, YAML: parseYAML}[format]
	if parse == nil {
		return List{}, fmt.Errorf("%w: format %q: choose csv or yaml", ErrList, format)
	}
	text, err := usertext.Decode([]byte(text))
	if err != nil {
		return List{}, fmt.Errorf("%w: %w", ErrList, err)
	}
	list, err := parse(text)
	switch {
	case err != nil:
		return List{}, fmt.Errorf("%w: %w", ErrList, err)
	case len(list.Devices) == 0:
		return List{}, fmt.Errorf("%w: there is no device in it", ErrList)
	case len(list.Devices) > MaxDevices:
		return List{}, fmt.Errorf("%w: it has %d devices, more than %d; split it", ErrList, len(list.Devices), MaxDevices)
	}
	return list, nil
}

// fieldOf is the path of a field of the i-th device.
func fieldOf(i int, field string) string {
	return strings.TrimSuffix(fmt.Sprintf("devices[%d].%s", i, field), ".")
}
