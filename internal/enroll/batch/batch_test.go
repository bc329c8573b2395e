package batch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/batch"
)

func TestBothFormatsSayTheSame(t *testing.T) {
	want := []batch.Device{
		{NodeName: "edge-1", NodeIP: "192.168.100.1", Arch: "arm64", Labels: map[string]string{"site": "a", "row": "2"}},
		{NodeName: "edge-2", RuntimeEndpoint: "unix:///run/crio/crio.sock", CgroupDriver: "systemd"},
	}
	exceptLine := cmpopts.IgnoreFields(batch.Device{}, "Line")
	for format, text := range map[string]string{
		batch.CSV: "\ufeffnodeName, nodeIP, arch, labels, runtimeEndpoint, cgroupDriver\r\n" +
			"edge-1, 192.168.100.1, arm64, site=a; row=2,,\r\nedge-2,,,,unix:///run/crio/crio.sock,systemd\r\n",
		batch.YAML: "- {nodeName: edge-1, nodeIP: 192.168.100.1, arch: arm64, labels: {site: a, row: \"2\"}}\n" +
			"- nodeName: edge-2\n  runtimeEndpoint: unix:///run/crio/crio.sock\n  cgroupDriver: systemd\n",
	} {
		got, err := batch.Parse(format, text)
		if err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if diff := cmp.Diff(want, got.Devices, exceptLine); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

func TestAListThatCannotBeReadSaysWhere(t *testing.T) {
	for name, test := range map[string]struct{ format, text, want string }{
		"no format":         {"xls", "x", `format "xls": choose csv or yaml`},
		"nothing":           {batch.CSV, "", "no device"},
		"a head alone":      {batch.CSV, "nodeName\n", "no device"},
		"another column":    {batch.CSV, "nodeName,password\nedge-1,x\n", `line 1: there is no column "password"`},
		"an open quote":     {batch.CSV, "nodeName\n\"edge-1\n", "line 2"},
		"no list":           {batch.YAML, "nodeName: edge-1\n", "got an object where a list is expected"},
		"too many":          {batch.CSV, "nodeName\n" + strings.Repeat("x\n", batch.MaxDevices+1), "501 devices, more than 500"},
		"too large":         {batch.CSV, strings.Repeat("x", batch.MaxText+1), "split it"},
		"a bomb of aliases": {batch.YAML, "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "got an object where a list is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := batch.Parse(test.format, test.text)
			if !errors.Is(err, batch.ErrList) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func base() enroll.Request {
	return enroll.Request{Arch: "amd64", CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004}}
}

func pool(addresses ...string) func() (string, error) {
	return func() (string, error) {
		if len(addresses) == 0 {
			return "", errors.New("the pool is empty")
		}
		next := addresses[0]
		addresses = addresses[1:]
		return next, nil
	}
}

func TestDevicesTakeTheRestFromTheBase(t *testing.T) {
	got, problems := batch.List{Devices: []batch.Device{{NodeName: "edge-1", Labels: map[string]string{"site": "a"}}, {NodeName: "edge-2", NodeIP: "192.168.100.9", Arch: "arm"}}}.Requests(base(), pool("192.168.100.1"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	first, second := base(), base()
	first.NodeName, first.NodeIP, first.Labels = "edge-1", "192.168.100.1", map[string]string{v1alpha1.LabelEdge: "", "site": "a"}
	second.NodeName, second.NodeIP, second.Arch = "edge-2", "192.168.100.9", "arm"
	if diff := cmp.Diff([]enroll.Request{first, second}, got); diff != "" {
		t.Error(diff)
	}
}

// TestEveryFaultOfAListIsTold with its device, so that it is mended in one go. The
// values reach commands, scripts and archive names.
func TestEveryFaultOfAListIsTold(t *testing.T) {
	_, problems := batch.List{Devices: []batch.Device{
		{NodeName: "edge-1", NodeIP: "192.168.100.1"},
		{NodeName: "edge-1", NodeIP: "192.168.100.1"},
		{NodeName: "../../etc", NodeIP: "127.0.0.1", Arch: "mips"},
		{NodeName: "$(reboot)", NodeIP: "1.2.3.4;id", RuntimeEndpoint: "unix:///a/../b"},
		{NodeName: "edge-5"},
	}}.Requests(base(), pool())
	got := map[string]string{}
	for _, p := range problems {
		got[p.Field] = p.Code
		if p.Message == "" || p.Remedy == "" {
			t.Errorf("%+v has no message or no remedy", p)
		}
	}
	want := map[string]string{"devices[1].nodeName": "Duplicate", "devices[1].nodeIP": "Duplicate", "devices[2].nodeName": "Invalid", "devices[2].nodeIP": "Invalid",
		"devices[2].arch": "Invalid", "devices[3].nodeName": "Invalid", "devices[3].nodeIP": "Invalid", "devices[3].runtimeEndpoint": "Invalid", "devices[4].nodeIP": "Required"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// faults of a list, as "line field code".
func faults(t *testing.T, format, text string) []string {
	t.Helper()
	list, err := batch.Parse(format, text)
	if err != nil {
		t.Fatal(err)
	}
	_, problems := list.Requests(base(), pool("192.168.100.200", "192.168.100.201", "192.168.100.202"))
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%d %s %s", p.Line, p.Field, p.Code))
		if p.Message == "" || p.Remedy == "" {
			t.Errorf("%+v has no message or no remedy", p)
		}
	}
	return out
}

// TestFaultsOfReadingAndOfValuesComeTogether with the line in the file.
func TestFaultsOfReadingAndOfValuesComeTogether(t *testing.T) {
	csv := "sep=;\r\nnodeName;nodeIP;;labels\r\nedge-1;2001:db8::1;;\r\n;;;\r\nedge-2;2001:0DB8:0::1;;\"site=a\nrow\nsite=b\"\r\nEdge_3;;x;\r\nedge-1;127.0.0.1;;;y\r\n"
	want := []string{"5 devices[1].labels NotALabel", "5 devices[1].labels Duplicate", "5 devices[1].nodeIP Duplicate", "8 devices[2] NoColumn", "8 devices[2].nodeName Invalid",
		"9 devices[3] NoColumn", "9 devices[3].nodeIP Invalid", "9 devices[3].nodeName Duplicate"}
	if diff := cmp.Diff(want, faults(t, batch.CSV, csv)); diff != "" {
		t.Error(diff)
	}
	yaml := "- nodeName: 0123\n- nodeName: edge-2\n  labels: {slot: 010, firmware: 1.10, gpu: }\n- nodeName: edge-2\n  token: x\n  nodeIP: 192.168.100.1\n- nodeName: edge-4\n  nodeIP: \"::ffff:192.168.100.1\"\n"
	want = []string{"1 devices[0].nodeName NotQuoted", "3 devices[1].labels.slot NotQuoted", "3 devices[1].labels.firmware NotQuoted", "3 devices[1].labels.gpu NoValue",
		"4 devices[2].nodeName Duplicate", "5 devices[2].token UnknownField", "7 devices[3].nodeIP Invalid", "7 devices[3].nodeIP Duplicate"}
	if diff := cmp.Diff(want, faults(t, batch.YAML, yaml)); diff != "" {
		t.Error(diff)
	}
}

// TestNodeNamesFitALabel: every node carries its name as label kubernetes.io/hostname.
func TestNodeNamesFitALabel(t *testing.T) {
	long := strings.Repeat("a", 63)
	want := []string{"3 devices[1].nodeName Invalid", "4 devices[2].nodeName Invalid"}
	if diff := cmp.Diff(want, faults(t, batch.CSV, "nodeName\n"+long+"\n"+long+"b\nfarm.example."+long+"\n")); diff != "" {
		t.Error(diff)
	}
}
