//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/test/onsite"
)

// failure is one way in which a join goes wrong.
type failure struct {
	name string
	// form changes the wizard's form.
	form func(t *testing.T, request map[string]any)
	// before happens between "Next" and the paste at the device.
	before func(t *testing.T, c console, e enrollment)
	// around are shell commands that the device runs first, in mounts of its own.
	around string
	// device is what the person at the device reads.
	device string
	// condition and says is what the person at the wizard reads.
	condition, says string
}

var failures = []failure{
	{name: "wrong-ca", form: cloudCoreAt(strangersCloudHub), device: "CloudHub shows another authority than the console.*\n.*check address and port mapping",
		condition: "DeviceChecked", says: "PreflightFailed: certificate authority: CloudHub shows another authority"},
	{name: "expired", before: expire, device: "this join code has expired\n.*create a new one in the console", condition: "CodeAccepted", says: "CodeExpired: this join code has expired"},
	{name: "reused", before: redeemElsewhere, device: "this join code has been used already", condition: "CodeAccepted", says: "CodeUsed: this join code has been used already"},
	{name: "revoked", before: revoke, device: "this join code has been revoked", condition: "CodeAccepted", says: "CodeRevoked: this join code has been revoked"},
	{name: "name-taken", before: become("nodeName", "jetson-xavier"), device: `"jetson-xavier" is a node of this cluster already\n.*retire the node`,
		condition: "Reserved", says: `NameTaken: "jetson-xavier" is a node`},
	{name: "ip-taken", before: become("nodeIP", edgeNodes["raspberrypi"]), device: `is the address of node "raspberrypi"\n.*another address`,
		condition: "Reserved", says: "IPTaken: 192.168.100.2 is the address of node"},
	{name: "no-runtime", around: "mount -t tmpfs tmpfs /run/containerd", device: "container runtime: there is no socket /run/containerd/containerd.sock\n.*install and start containerd",
		condition: "DeviceChecked", says: "PreflightFailed: container runtime: there is no socket"},
	{name: "port-busy", before: occupy, device: "port 10350 is free: something listens on it\n.*stop it", condition: "DeviceChecked", says: "PreflightFailed: port 10350 is free: something listens on it"},
	{name: "clock-off", form: cloudCoreAt(lateCloudHub), device: "clock: this device's clock is off by -?(1h0m|59m)[0-9]+s\n.*set the clock",
		condition: "DeviceChecked", says: "PreflightFailed: clock: this device's clock is off by"},
	{name: "unreachable", form: cloudCoreAt(nobody), device: "certificate port [0-9]+: .*connection refused\n.*nothing listens on TCP port", condition: "DeviceChecked", says: "PreflightFailed: certificate port [0-9]+: .*connection refused"},
	{name: "disk-small", around: "mount -t tmpfs -o size=64m tmpfs /var/lib/kubelet", device: "disk space: 64 MiB free for /var/lib/kubelet\n.*free at least 200 MiB",
		condition: "DeviceChecked", says: "PreflightFailed: disk space: 64 MiB free"},
	{name: "disk-full", around: "mount -t tmpfs -o size=2m tmpfs /usr/local/bin", device: "installing /usr/local/bin/edgecore: .*no space left on device(.*\n)*.*the join code is used up",
		condition: "DeviceChecked", says: "JoinFailed: installing /usr/local/bin/edgecore: .*no space left on device"},
}

// TestJoinFailures: whatever goes wrong, a join stops with one clear message on the
// device, the same is in the enrollment for the wizard, and the device is as it was.
func TestJoinFailures(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	clean := deviceState(t)
	start := time.Now()
	t.Cleanup(func() { onHost(t, spare, edgectl()+" leave 2>&1") })
	killed := killHalfWay(t, c, clean)
	for i, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			e := enrollNode(t, c, f.request(t, c, 60+i))
			if f.before != nil {
				f.before(t, c, e)
			}
			stopsClearly(t, f, paste(t, f.around, e.Command))
			waitCondition(t, c, e.Name, f.condition, f.says)
			sameDevice(t, clean)
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		e := enrollNode(t, c, failure{name: "interrupted"}.request(t, c, 58))
		stopsClearly(t, failure{device: "the join was interrupted\n.*the join code is used up"}, endHalfWay(t, e, syscall.SIGTERM))
		waitCondition(t, c, e.Name, "DeviceChecked", "JoinFailed: the join was interrupted")
		sameDevice(t, clean)
	})
	t.Run("another-name", func(t *testing.T) { requestForAnotherName(t, c, clean) })
	t.Run("killed", func(t *testing.T) {
		waitCondition(t, c, killed.Name, "NodeReady", "NotRegistered: .*run the same command there again, or edgectl leave")
	})
	t.Logf("%d failures in %.0f s", len(failures)+3, time.Since(start).Seconds())
}

func (f failure) request(t *testing.T, c console, last int) map[string]any {
	t.Helper()
	request := joinRequest(t, c)
	request["nodeName"], request["nodeIP"] = "fails-"+f.name, fmt.Sprintf("192.168.100.%d", last)
	if f.form != nil {
		f.form(t, request)
	}
	return request
}

// edgectl is the program itself, for a device on which none is installed.
func edgectl() string { return filepath.Join(root, "bin", "edgectl") }

// paste runs the wizard's line in a shell of the device.
func paste(t *testing.T, around, line string) string {
	t.Helper()
	return site.OnHostWith(t, spare, around+"\n"+line+"\n", "if unshare -m sh -es 2>&1; then echo JOINED; fi")
}

func stopsClearly(t *testing.T, f failure, out string) {
	t.Helper()
	if strings.Contains(out, "JOINED") || !regexp.MustCompile(f.device).MatchString(out) {
		t.Errorf("the device says, instead of %q:\n%s", f.device, out)
	}
	if n := strings.Count(out, "edgectl: error:"); n != 1 {
		t.Errorf("the device tells %d errors:\n%s", n, out)
	}
}

func sameDevice(t *testing.T, clean string) {
	t.Helper()
	if after := deviceState(t); after != clean {
		t.Errorf("the device differs:\nbefore\n%s\nafter\n%s", clean, after)
	}
}

// waitCondition waits for what the wizard shows.
func waitCondition(t *testing.T, c console, name, kind, says string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		var e struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
		if err := c.Call(http.MethodGet, clusterPath+"/enrollments/"+name, nil, &e); err != nil {
			return err
		}
		for _, x := range e.Conditions {
			if x.Type == kind && x.Status == "False" && regexp.MustCompile(says).MatchString(x.Reason+": "+x.Message) {
				return nil
			}
		}
		return fmt.Errorf("no condition %s says %q: %+v", kind, says, e.Conditions)
	})
}

// cloudCoreAt enrolls with a CloudCore on this machine, which devices reach.
func cloudCoreAt(serve func(t *testing.T, l net.Listener, cloudHub string)) func(*testing.T, map[string]any) {
	return func(t *testing.T, request map[string]any) {
		t.Helper()
		l, err := net.Listen("tcp", net.JoinHostPort(machineAddress(t), "0"))
		if err != nil {
			t.Fatal(err)
		}
		core := request["cloudCore"].(map[string]any)
		serve(t, l, fmt.Sprintf("https://%v:%v", core["host"], core["certPort"]))
		at := l.Addr().(*net.TCPAddr)
		core["host"] = at.IP.String()
		core["webSocketPort"], core["certPort"], core["tunnelPort"] = at.Port, at.Port, at.Port
	}
}

// machineAddress is where the site's hosts reach this machine.
func machineAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.Dial("udp", strings.TrimPrefix(site.Console.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

func expire(t *testing.T, c console, e enrollment) {
	t.Helper()
	mustKubectl(t, "-n", "edgeway-join", "patch", "edgeenrollment", e.Name, "--type=merge", "-p", `{"spec":{"lifetime":"1s"}}`)
	waitPhase(t, c, e.Name, "Expired")
}

func revoke(t *testing.T, c console, e enrollment) {
	t.Helper()
	if err := c.Call(http.MethodPatch, clusterPath+"/enrollments/"+e.Name, map[string]string{"state": "Revoked"}, nil); err != nil {
		t.Fatal(err)
	}
}

// redeemElsewhere: another device was faster.
func redeemElsewhere(t *testing.T, c console, e enrollment) {
	t.Helper()
	if err := redeem(c, e, e.NodeName); err != nil {
		t.Fatal(err)
	}
}

// redeem spends the code for a name, as edgectl does.
func redeem(c console, e enrollment, name string) error {
	_, csr, err := pki.NewRequest(name)
	if err != nil {
		return err
	}
	return c.Call(http.MethodPost, wire.PathRedeem, wire.RedeemRequest{Code: e.Code, CSR: string(csr)}, nil)
}

// requestForAnotherName: edgectl makes no such request, somebody else may.
func requestForAnotherName(t *testing.T, c console, clean string) {
	e := enrollNode(t, c, failure{name: "another-name"}.request(t, c, 59))
	if err := redeem(c, e, "jetson-xavier"); err == nil || !strings.Contains(err.Error(), "system:node:fails-another-name") {
		t.Errorf("a request for another name gets %v", err)
	}
	waitCondition(t, c, e.Name, "CodeAccepted", "CSRInvalid: ")
	sameDevice(t, clean)
}

// become puts another enrollment with the same code in the place of this one: the
// console's form refuses such a field, a file that is applied does not.
func become(field, value string) func(*testing.T, console, enrollment) {
	return func(t *testing.T, c console, e enrollment) {
		t.Helper()
		var object map[string]any
		if err := json.Unmarshal([]byte(mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollment", e.Name, "-o", "json")), &object); err != nil {
			t.Fatal(err)
		}
		mustKubectl(t, "-n", "edgeway-join", "delete", "edgeenrollment", e.Name)
		object["metadata"] = map[string]any{"name": e.Name, "namespace": "edgeway-join"}
		object["spec"].(map[string]any)[field] = value
		delete(object, "status")
		raw, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kubectl(t, string(raw), "create", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		waitPhase(t, c, e.Name, "Refused")
	}
}

// occupy listens on EdgeCore's port of the device.
func occupy(t *testing.T, _ console, _ enrollment) {
	t.Helper()
	err := site.Namespace(t, spare).Do(func() error {
		l, err := net.Listen("tcp", "127.0.0.1:10350")
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killHalfWay kills edgectl in the middle of a join: the device tells so, and leaving
// clears it.
func killHalfWay(t *testing.T, c console, clean string) enrollment {
	t.Helper()
	e := enrollNode(t, c, failure{name: "killed"}.request(t, c, 57))
	endHalfWay(t, e, syscall.SIGKILL)
	if out := onHost(t, spare, edgectl()+" status 2>&1"); !strings.Contains(out, "interrupted: run edgectl join again, or edgectl leave") {
		t.Errorf("the device's status after the kill:\n%s", out)
	}
	onHost(t, spare, edgectl()+" leave")
	sameDevice(t, clean)
	return e
}

// endHalfWay sends edgectl a signal when it has written its certificate.
func endHalfWay(t *testing.T, e enrollment, signal syscall.Signal) string {
	t.Helper()
	out := make(chan string, 1)
	go func() { out <- paste(t, ":", e.Command) }()
	certificate := filepath.Join(root, ".sandbox", "hosts", spare, "fs", "etc", "kubeedge", "certs", "server.crt")
	onsite.Eventually(t, time.Minute, 2*time.Millisecond, func() error {
		_, err := os.Stat(certificate)
		return err
	})
	for _, pid := range onsite.Processes(t, spare, "edgectl") {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Errorf("ending edgectl: %v", err)
		}
	}
	return <-out
}
