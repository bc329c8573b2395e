package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func mkdir(t *testing.T, parts ...string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(parts...), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Whatever ends a group, what it set up is undone, the last first.
func TestGroupCleansUp(t *testing.T) {
	broken := errors.New("broken")
	ctx, interrupt := context.WithCancel(t.Context())
	cases := map[string]struct {
		measure func(b *bed) error
		want    error
	}{
		"success":   {func(b *bed) error { b.record("f", 1); return nil }, nil},
		"error":     {func(*bed) error { return broken }, broken},
		"must":      {func(b *bed) error { b.must(broken); return nil }, broken},
		"part":      {func(b *bed) error { b.inside(func(b *bed) { b.must(broken) }); return nil }, broken},
		"clean-up":  {func(b *bed) error { b.undo(func() error { return broken }); b.record("f", 1); return nil }, broken},
		"interrupt": {func(b *bed) error { interrupt(); b.pause(1 << 40); return nil }, context.Canceled},
	}
	for _, name := range []string{"success", "error", "must", "part", "clean-up", "interrupt"} {
		var undone []int
		g := group{figures: []spec{{name: "f"}}, measure: func(b *bed) error {
			b.Cleanup(func() { undone = append(undone, 1) })
			b.Cleanup(func() { undone = append(undone, 2) })
			return cases[name].measure(b)
		}}
		figures, err := g.take(ctx, &session{runs: 1})
		if !errors.Is(err, cases[name].want) || (err == nil) != (len(figures) == 1) {
			t.Errorf("%s: %v figures and error %v, want %v", name, figures, err, cases[name].want)
		}
		if !slices.Equal(undone, []int{2, 1}) {
			t.Errorf("%s: undone %v, want 2 and then 1", name, undone)
		}
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	if err != nil || !all["nat-latency-nft"] || all["make-up-cold"] {
		t.Errorf("without names: %v (%v), want all but the cold ones", all, err)
	}
	two, err := choose("change-add,make-up-cold")
	if err != nil || !two["change-add"] || !two["make-up-cold"] || two["change-move"] {
		t.Errorf("two names: %v (%v)", two, err)
	}
	if _, err := choose("change-add,chnage-move"); err == nil || !strings.Contains(err.Error(), "chnage-move") {
		t.Errorf("error %v does not name the misspelt figure", err)
	}
}

// Names are unique, and every figure says what it is.
func TestGroups(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups {
		for _, f := range g.figures {
			if f.name == "" || f.unit == "" || f.what == "" || seen[f.name] {
				t.Errorf("figure %+v lacks something or is there twice", f)
			}
			seen[f.name] = true
		}
	}
}

func TestAddedAddresses(t *testing.T) {
	e := netlink.NewAttributeEncoder()
	e.String(unix.NFTA_SET_ELEM_LIST_TABLE, "edgeway")
	e.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(e *netlink.AttributeEncoder) error {
		for _, key := range [][]byte{{10, 201, 0, 1}, {0x28, 0x0a}, {10, 201, 0, 2}} {
			e.Nested(unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) error {
				e.Nested(unix.NFTA_SET_ELEM_KEY, func(e *netlink.AttributeEncoder) error {
					e.Bytes(unix.NFTA_DATA_VALUE, key)
					return nil
				})
				return nil
			})
		}
		return nil
	})
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := addedAddresses(append([]byte{unix.NFPROTO_INET, 0, 0, 0}, body...))
	if err != nil || len(addrs) != 2 || addrs[0].String() != "10.201.0.1" || addrs[1].String() != "10.201.0.2" {
		t.Errorf("addresses are %v (%v), want two and no port", addrs, err)
	}
}
