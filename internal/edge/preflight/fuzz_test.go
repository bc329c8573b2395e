package preflight

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// addCorpus gives the fuzzer the corpus' files of one name.
func addCorpus(f *testing.F, base string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range a.Files {
			if filepath.Base(part.Name) == base {
				f.Add(string(part.Data))
			}
		}
	}
}

func FuzzMounts(f *testing.F) {
	addCorpus(f, "mountinfo")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseMounts(text) {
			if _, ok := mountOf([]mount{m}, m.At); !ok && m.At != "." {
				t.Errorf("%+v does not hold its own mount point", m)
			}
		}
	})
}

// FuzzCloudHub: an answer is refused with the code that says so, or it is a whole one
// with a time that can be written and read again.
func FuzzCloudHub(f *testing.F) {
	const date = "Tue, 10 Nov 2026 23:00:00 GMT"
	for _, seed := range []struct {
		status int
		date   string
		body   string
	}{
		{200, date, "0\x82\x01\n"}, {200, "", "ca"}, {200, "Tuesday, 10-Nov-26 23:00:00 UTC", "ca"}, {200, "Tue Nov 10 23:00:00 2026", ""},
		{200, "Thu, 01 Jan 1970 00:00:00 GMT", "<html>"}, {200, date, strings.Repeat("x", maxCA+1)}, {404, date, "404 page not found"}, {502, "", ""}, {302, date, ""},
	} {
		f.Add(seed.status, seed.date, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, status int, date string, body []byte) {
		res := &http.Response{StatusCode: status, Status: strconv.Itoa(status), Header: http.Header{"Date": {date}}, Body: io.NopCloser(bytes.NewReader(body))}
		ca, when, err := readHub(res)
		if err != nil {
			if errcat.Code(err) != "CloudHubAnswer" || ca != nil || !when.IsZero() {
				t.Errorf("%v with %d bytes of %s", err, len(ca), when)
			}
			return
		}
		again, err := http.ParseTime(when.UTC().Format(http.TimeFormat))
		if status != http.StatusOK || !bytes.Equal(ca, body) || len(ca) > maxCA || err != nil || !again.Equal(when) {
			t.Errorf("status %d, date %q, %d bytes: %d bytes of %s, %v", status, date, len(body), len(ca), when, err)
		}
	})
}

// FuzzDeviceFiles puts any text into every file that the probes read: none of them
// may stop, and each finding has a remedy.
func FuzzDeviceFiles(f *testing.F) {
	places := []string{"proc/self/mountinfo", "proc/cmdline", "proc/cgroups", "proc/net/tcp", "proc/net/route", "proc/net/ipv6_route", "proc/sys/kernel/hostname",
		"proc/sys/kernel/osrelease", "proc/sys/kernel/random/entropy_avail", "sys/class/net/lo/flags", "sys/class/net/eth0/mtu", "etc/machine-id", "etc/hosts",
		"etc/kubeedge/config/edgecore.yaml", "etc/kubeedge/config/cloudcore.yaml", "etc/containerd/config.toml", "var/lib/kubelet/cpu_manager_state",
		"sys/fs/cgroup/cgroup.controllers", "sys/class/dmi/id/product_uuid", "proc/1/comm"}
	for i := range places {
		f.Add(i, "x")
	}
	f.Add(13, "kind: EdgeCore\nmodules: {edged: {hostnameOverride: a}}\n")
	f.Fuzz(func(t *testing.T, i int, text string) {
		root := t.TempDir()
		place := filepath.Join(root, places[(i%len(places)+len(places))%len(places)])
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := snapshot{root: root, facts: recordedFacts{NoCRI: true, Resolve: "notfound"}}
		for _, r := range findings(Run(t.Context(), Device(s.device(t)))) {
			if r.Remedy == "" {
				t.Errorf("%s is %s without a remedy", r.ID, r.Status)
			}
		}
	})
}
