package ipset

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// dial connects in a network namespace that ends with the test. The thread ends
// with it too, so nothing has to be set back.
func dial(t testing.TB) *Conn {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("IP sets need root: run this test as root")
	}
	type result struct {
		c   *Conn
		err error
	}
	opened := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			opened <- result{nil, err}
			return
		}
		c, err := Dial(0)
		opened <- result{c, err}
	}()
	r := <-opened
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { _ = r.c.Close() })
	return r.c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addresses(first string, n int) []netip.Prefix {
	addr := netip.MustParseAddr(first)
	var out []netip.Prefix
	for range n {
		out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
		addr = addr.Next()
	}
	return out
}

func read(t *testing.T, c *Conn, name string) []netip.Prefix {
	t.Helper()
	got, err := c.Members(name)
	must(t, err)
	slices.SortFunc(got, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return got
}

func TestWhatIsAddedIsRead(t *testing.T) {
	c := dial(t)
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.1/32")}
	cases := []struct {
		set     Set
		members []netip.Prefix
	}{
		{Set{Name: "four", Type: HashIP, MaxElem: 1 << 20}, addresses("172.16.0.1", 2500)},
		{Set{Name: "six", Type: HashIP, V6: true, MaxElem: 1 << 20}, addresses("fd00::1", 2500)},
		{Set{Name: "networks", Type: HashNet, MaxElem: 100}, networks},
		{Set{Name: "empty", Type: HashNet, V6: true, MaxElem: 100}, nil},
	}
	for _, tc := range cases {
		must(t, c.Create(tc.set))
		must(t, c.Add(tc.set.Name, tc.members))
		must(t, c.Add(tc.set.Name, tc.members))
		if got := read(t, c, tc.set.Name); !slices.Equal(got, tc.members) {
			t.Errorf("%s holds %d members, want the %d that were added", tc.set.Name, len(got), len(tc.members))
		}
	}
	headers, err := c.Headers()
	must(t, err)
	for _, tc := range cases {
		i := slices.IndexFunc(headers, func(s Set) bool { return s.Same(tc.set) })
		if i < 0 || int(headers[i].Count) != len(tc.members) {
			t.Errorf("headers are %+v, want %+v with %d members", headers, tc.set, len(tc.members))
		}
	}
	must(t, c.Delete("four", cases[0].members[1:]))
	must(t, c.Delete("four", cases[0].members[1:]))
	if got := read(t, c, "four"); !slices.Equal(got, cases[0].members[:1]) {
		t.Errorf("after deletions the set holds %v, want the first member only", got)
	}
	for range 2 {
		must(t, c.Destroy("six"))
	}
	if _, err := c.Members("six"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("reading a destroyed set says %v, want that it is not there", err)
	}
}

func TestSwap(t *testing.T) {
	c := dial(t)
	for name, first := range map[string]string{"a": "10.0.0.1", "b": "10.0.1.1"} {
		must(t, c.Create(Set{Name: name, Type: HashIP, MaxElem: 10}))
		must(t, c.Add(name, addresses(first, 2)))
	}
	must(t, c.Swap("a", "b"))
	if got := read(t, c, "a"); !slices.Equal(got, addresses("10.0.1.1", 2)) {
		t.Errorf("after the swap a holds %v, want what b held", got)
	}
}

func TestErrorsAreTold(t *testing.T) {
	c := dial(t)
	must(t, c.Create(Set{Name: "small", Type: HashIP, MaxElem: 2}))
	if err := c.Add("small", addresses("10.0.0.1", 500)); !errors.Is(err, ErrFull) {
		t.Errorf("adding too much says %v, want that the set is full", err)
	}
	if err := c.Create(Set{Name: "small", Type: HashIP, MaxElem: 2}); !errors.Is(err, unix.EEXIST) {
		t.Errorf("creating it again says %v, want that it exists", err)
	}
	if err := c.Create(Set{Name: "a-name-that-is-much-longer-than-sets-take", Type: HashIP, MaxElem: 2}); err == nil {
		t.Error("a name that is too long was taken")
	}
	if err := c.Create(Set{Name: "odd", Type: "hash:nothing", MaxElem: 2}); err == nil {
		t.Error("an unknown type was taken")
	}
}

// BenchmarkChange adds and deletes one member of a set of 100,000.
func BenchmarkChange(b *testing.B) {
	c := dial(b)
	must(b, c.Create(Set{Name: "big", Type: HashIP, MaxElem: 1 << 20}))
	must(b, c.Add("big", addresses("172.16.0.1", 100000)))
	one := addresses("10.0.0.1", 1)
	for b.Loop() {
		must(b, c.Add("big", one))
		must(b, c.Delete("big", one))
	}
}

// BenchmarkHeaders looks at the count of a set of 100,000.
func BenchmarkHeaders(b *testing.B) {
	c := dial(b)
	must(b, c.Create(Set{Name: "big", Type: HashIP, MaxElem: 1 << 20}))
	must(b, c.Add("big", addresses("172.16.0.1", 100000)))
	for b.Loop() {
		if _, err := c.Headers(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad fills a set with 100,000 members.
func BenchmarkLoad(b *testing.B) {
	c := dial(b)
	members := addresses("172.16.0.1", 100000)
	for b.Loop() {
		must(b, c.Create(Set{Name: "big", Type: HashIP, MaxElem: 1 << 20}))
		must(b, c.Add("big", members))
		must(b, c.Destroy("big"))
	}
}
