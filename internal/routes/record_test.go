package routes

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseRecord(t *testing.T) {
	got, err := ParseRecord(`{"ipTunnelPort":{"198.18.0.2":10351,"::ffff:198.18.0.3":10352},"port":{"10351":true,"10353":true}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := Record{
		Current: map[netip.Addr]int32{netip.MustParseAddr("198.18.0.2"): 10351, netip.MustParseAddr("198.18.0.3"): 10352},
		Ports:   map[int32]bool{10351: true, 10352: true, 10353: true},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, test := range []struct{ text, names string }{
		{`{`, ""},
		{`[]`, ""},
		{`{"ipTunnelPort":{"cloudcore":10351}}`, `"cloudcore"`},
		{`{"ipTunnelPort":{"10.0.0.1":0}}`, "0"},
		{`{"ipTunnelPort":{"10.0.0.1":65536}}`, "65536"},
		{`{"ipTunnelPort":{"10.0.0.1":"10351"}}`, ""},
		{`{"port":{"ten":true}}`, `"ten"`},
		{`{"port":{"-1":true}}`, `"-1"`},
	} {
		t.Run(test.text, func(t *testing.T) {
			_, err := ParseRecord(test.text)
			if !errors.Is(err, ErrBadRecord) || !strings.Contains(err.Error(), test.names) {
				t.Errorf("error is %v, want ErrBadRecord naming %s", err, test.names)
			}
		})
	}
}
