package nft

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRangeElements(t *testing.T) {
	cases := map[string]struct {
		prefixes []string
		want     []string // "+" starts an interval, "-" ends it
	}{
		"one address":       {[]string{"10.0.0.1/32"}, []string{"+10.0.0.1", "-10.0.0.2"}},
		"adjacent join":     {[]string{"10.0.0.0/31", "10.0.0.2/32"}, []string{"+10.0.0.0", "-10.0.0.3"}},
		"apart":             {[]string{"10.0.0.0/31", "10.0.0.4/30"}, []string{"+10.0.0.0", "-10.0.0.2", "+10.0.0.4", "-10.0.0.8"}},
		"up to the end":     {[]string{"255.255.255.0/24"}, []string{"+255.255.255.0"}},
		"everything":        {[]string{"0.0.0.0/0"}, []string{"+0.0.0.0"}},
		"other family only": {[]string{"fd00::/64"}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var prefixes []netip.Prefix
			for _, p := range c.prefixes {
				prefixes = append(prefixes, netip.MustParsePrefix(p))
			}
			var got []string
			for _, e := range rangeElements(prefixes, false) {
				addr, ok := netip.AddrFromSlice([]byte(e.key))
				if !ok {
					t.Fatalf("element %q is no address", e.key)
				}
				got = append(got, map[bool]string{true: "-", false: "+"}[e.end]+addr.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("elements (-want +got):\n%s", diff)
			}
		})
	}
}
