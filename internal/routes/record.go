package routes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// ErrBadRecord says that CloudCore's tunnel port record could not be read.
var ErrBadRecord = errors.New("tunnel port record is not valid")

// Record is what CloudCore writes about its tunnel ports.
type Record struct {
	// Current maps the IP of a CloudCore's default-route interface to the tunnel
	// port that it uses now.
	Current map[netip.Addr]int32
	// Ports were given to some CloudCore at some time. KubeEdge never frees them.
	Ports map[int32]bool
}

// ParseRecord reads the JSON of the tunnelportrecord.kubeedge.io annotation. An
// empty text is an empty record: no CloudCore has recorded itself yet.
func ParseRecord(text string) (Record, error) {
	record := Record{Current: map[netip.Addr]int32{}, Ports: map[int32]bool{}}
	if text == "" {
		return record, nil
	}
	var raw struct {
		IPTunnelPort map[string]int64 `json:"ipTunnelPort"`
		Port         map[string]bool  `json:"port"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	for ip, port := range raw.IPTunnelPort {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return Record{}, fmt.Errorf("%w: ipTunnelPort has %q, which is no IP address", ErrBadRecord, ip)
		}
		if port < 1 || port > 65535 {
			return Record{}, fmt.Errorf("%w: ipTunnelPort[%q] is %d, which is no TCP port", ErrBadRecord, ip, port)
		}
		record.Current[addr.Unmap()] = int32(port)
		record.Ports[int32(port)] = true
	}
	for text := range raw.Port {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return Record{}, fmt.Errorf("%w: port has %q, which is no TCP port", ErrBadRecord, text)
		}
		record.Ports[int32(port)] = true
	}
	return record, nil
}
