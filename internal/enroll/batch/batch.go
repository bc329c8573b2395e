// Package batch reads lists of devices that join together. It asks no cluster.
//
// CSV has a header line that names its columns; only nodeName is needed:
//
//	nodeName,nodeIP,arch,labels,runtimeEndpoint,cgroupDriver
//	edge-1,192.168.100.1,arm64,site=a;row=2,,
//
// YAML is a list of the same fields, with labels as a map. What a device leaves out
// it takes from the base request; an address is taken from the pool.
package batch

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/enroll"
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
var ErrList = errors.New("the list of devices cannot be read")

// Device is one entry of a list. Empty fields take the base request's.
type Device struct {
	NodeName        string            `json:"nodeName"`
	NodeIP          string            `json:"nodeIP,omitempty"`
	Arch            string            `json:"arch,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	RuntimeEndpoint string            `json:"runtimeEndpoint,omitempty"`
	CgroupDriver    string            `json:"cgroupDriver,omitempty"`
}

// Parse reads a list in one of the formats. Every error names the line or the field.
func Parse(format, text string) ([]Device, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d; split it", ErrList, len(text), MaxText)
	}
	parse := map[string]func(string) ([]Device, error){CSV: parseCSV, YAML: parseYAML}[format]
	if parse == nil {
		return nil, fmt.Errorf("%w: format %q: choose csv or yaml", ErrList, format)
	}
	devices, err := parse(text)
	switch {
	case err != nil:
		return nil, err
	case len(devices) == 0:
		return nil, fmt.Errorf("%w: there is no device in it", ErrList)
	case len(devices) > MaxDevices:
		return nil, fmt.Errorf("%w: it has %d devices, more than %d; split it", ErrList, len(devices), MaxDevices)
	}
	return devices, nil
}

func parseYAML(text string) ([]Device, error) {
	var out []Device
	if err := yaml.UnmarshalStrict([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	return out, nil
}

// columns say where a CSV field goes.
var columns = map[string]func(*Device, string) error{
	"nodeName":        func(d *Device, v string) error { d.NodeName = v; return nil },
	"nodeIP":          func(d *Device, v string) error { d.NodeIP = v; return nil },
	"arch":            func(d *Device, v string) error { d.Arch = v; return nil },
	"runtimeEndpoint": func(d *Device, v string) error { d.RuntimeEndpoint = v; return nil },
	"cgroupDriver":    func(d *Device, v string) error { d.CgroupDriver = v; return nil },
	"labels": func(d *Device, v string) (err error) {
		d.Labels, err = labels(v)
		return err
	},
}

func parseCSV(text string) ([]Device, error) {
	// Spreadsheets put a byte order mark first.
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	for i, name := range head {
		head[i] = strings.TrimSpace(name)
		if columns[head[i]] == nil {
			return nil, fmt.Errorf("%w: line 1: there is no column %q; choose from %s", ErrList, head[i], strings.Join(slices.Sorted(maps.Keys(columns)), ", "))
		}
	}
	var out []Device
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrList, err)
		}
		var d Device
		for i, value := range record {
			if err := columns[head[i]](&d, strings.TrimSpace(value)); err != nil {
				line, _ := r.FieldPos(i)
				return nil, fmt.Errorf("%w: line %d, column %s: %w", ErrList, line, head[i], err)
			}
		}
		out = append(out, d)
	}
}

// labels reads key=value;key=value.
func labels(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return nil, fmt.Errorf("%q is not a label: write key=value, with ; between two", pair)
		}
		out[key] = value
	}
	return out, nil
}

// Requests completes the devices and finds everything wrong with them, with fields
// like "devices[2].nodeIP", counted from 0. address gives the next free one.
func Requests(devices []Device, base enroll.Request, address func() (string, error)) ([]enroll.Request, enroll.Problems) {
	var problems enroll.Problems
	var out []enroll.Request
	names, addresses := map[string]int{}, map[string]int{}
	for i, d := range devices {
		at := fmt.Sprintf("devices[%d].", i)
		r, err := d.request(base, address)
		if err != nil {
			problems = append(problems, enroll.Problem{Field: at + "nodeIP", Code: "Required", Message: "is missing, and " + err.Error(), Remedy: "give every device an address"})
		}
		for _, p := range r.WithDefaults().Validate() {
			p.Field = at + p.Field
			problems = append(problems, p)
		}
		problems = append(problems, twice(names, r.NodeName, i, at+"nodeName")...)
		problems = append(problems, twice(addresses, r.NodeIP, i, at+"nodeIP")...)
		out = append(out, r)
	}
	return out, problems
}

func twice(seen map[string]int, value string, i int, field string) enroll.Problems {
	first, again := seen[value]
	if !again || value == "" {
		seen[value] = i
		return nil
	}
	return enroll.Problems{{Field: field, Value: value, Code: "Duplicate", Message: fmt.Sprintf("is that of devices[%d] already", first), Remedy: "give every device its own"}}
}

func (d Device) request(base enroll.Request, address func() (string, error)) (enroll.Request, error) {
	r := base
	r.NodeName, r.NodeIP = d.NodeName, d.NodeIP
	if d.Arch != "" {
		r.Arch = d.Arch
	}
	if d.RuntimeEndpoint != "" {
		r.RuntimeEndpoint = d.RuntimeEndpoint
	}
	if d.CgroupDriver != "" {
		r.CgroupDriver = d.CgroupDriver
	}
	if len(d.Labels) > 0 {
		r.Labels = maps.Clone(base.WithDefaults().Labels)
		maps.Copy(r.Labels, d.Labels)
	}
	var err error
	if r.NodeIP == "" {
		r.NodeIP, err = address()
	}
	return r, err
}
