//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestBundleJoin carries a sealed offline bundle to a device whose only open path to the
// cloud is CloudHub's two ports and the tunnel's, and which has no image: it joins as
// the bundle's README says, reaches Verified, and leaves without a trace.
func TestBundleJoin(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	clean := deviceState(t)
	request := joinRequest(t, c)
	forgetImages(t)
	closeAllBut(t, request["cloudCore"].(map[string]any))

	next := time.Now()
	enrollment := enrollNode(t, c, request)
	dir, line := carry(t, c, enrollment.Name, bundlePassphrase)
	if out := onHost(t, spare, "cd "+dir+" && "+line+" 2>&1 </dev/null || true"); !strings.Contains(out, "sealed with a passphrase") {
		t.Errorf("without the passphrase: %s", out)
	}
	pasted := time.Now()
	out := onHost(t, spare, "cd "+dir+" && EDGEWAY_PASSPHRASE='"+bundlePassphrase+"' "+line+" 2>&1")
	t.Log(out)
	waitPhase(t, c, enrollment.Name, "Verified")
	t.Logf("Verified %.1f s after the bundle's line was pasted, %.1f s after Next", time.Since(pasted).Seconds(), time.Since(next).Seconds())
	if !strings.Contains(out, "importing edgeway.tar") {
		t.Error("the bundle's images were not imported")
	}
	keyInOnePlace(t, dir)

	leaveByConsole(t, c)
	onHost(t, spare, "edgectl leave")
	nothingLeft(t, clean)
}

// bundlePassphrase seals the bundle of the test.
const bundlePassphrase = "correct horse battery"

// forgetImages takes away what `make up` has put there, until the test's end.
func forgetImages(t *testing.T) {
	t.Helper()
	archive := filepath.Join(root, ".sandbox", "console", "artifacts", "images-"+runtime.GOARCH+".tar")
	t.Cleanup(func() { onHost(t, spare, "ctr --namespace k8s.io images import "+archive) })
	onHost(t, spare, "ctr --namespace k8s.io images list -q | grep -E '/(pause|edgeway-probe):' | xargs ctr --namespace k8s.io images remove")
}

// closeAllBut lets nothing out of the spare host or into it but connections to
// CloudCore's ports, until the test's end.
func closeAllBut(t *testing.T, cloudCore map[string]any) {
	t.Helper()
	rules := fmt.Sprintf(`table inet onlycloudcore {
		chain output {
			type filter hook output priority 0
			oifname "eth0" ip daddr %v tcp dport { %v, %v, %v } accept
			oifname "eth0" drop
		}
		chain input {
			type filter hook input priority 0
			iifname "eth0" ct state established accept
			iifname "eth0" drop
		}
		chain forward {
			type filter hook forward priority 0
			oifname "eth0" drop
			iifname "eth0" drop
		}
	}`, cloudCore["host"], cloudCore["webSocketPort"], cloudCore["certPort"], cloudCore["tunnelPort"])
	t.Cleanup(func() { onHost(t, spare, "nft delete table inet onlycloudcore") })
	site.OnHostWith(t, spare, rules, "nft -f -")
	if out := onHost(t, spare, "curl -sk --max-time 2 "+site.Console.URL+" || echo closed"); !strings.HasSuffix(out, "closed\n") {
		t.Fatalf("the device reaches the console: %s", out)
	}
}

// carry downloads the bundle, sealed unless the passphrase is empty, and unpacks it, as a
// person does with a USB stick. It returns the directory and the line that the README
// tells to run in it.
func carry(t *testing.T, c console, enrollment, passphrase string) (dir, line string) {
	t.Helper()
	var body any
	if passphrase != "" {
		body = map[string]any{"passphrase": passphrase}
	}
	archive, err := c.Fetch(http.MethodPost, clusterPath+"/enrollments/"+enrollment+"/bundle", body)
	if err != nil {
		t.Fatal(err)
	}
	stick := t.TempDir()
	tar := exec.Command("tar", "-xz", "-C", stick)
	tar.Stdin = bytes.NewReader(archive)
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("unpacking: %v: %s", err, out)
	}
	dir = filepath.Join(stick, "edgeway-"+spare)
	readme, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(readme)) {
		if line = strings.TrimSpace(text); strings.HasPrefix(line, "./edgectl join") {
			t.Logf("a bundle of %d MB", len(archive)>>20)
			return dir, line
		}
	}
	t.Fatalf("the README tells no line to run:\n%s", readme)
	return "", ""
}

// keyInOnePlace: nothing in a sealed bundle tells the node's key or a token of KubeEdge,
// and the device keeps the key where EdgeCore reads it and nowhere else.
func keyInOnePlace(t *testing.T, dir string) {
	t.Helper()
	for _, text := range []string{"PRIVATE KEY", "\"token\"", "eyJhbGciOi"} {
		if out := onHost(t, spare, "grep -lF '"+text+"' "+dir+"/*.json* "+dir+"/*.txt || true"); out != "" {
			t.Errorf("%s is readable in %s", text, out)
		}
	}
	if out := onHost(t, spare, "grep -rlF 'PRIVATE KEY' /etc/kubeedge /var/lib/edgeway || true"); strings.TrimSpace(out) != "/etc/kubeedge/certs/server.key" {
		t.Errorf("the node's key is in %s", out)
	}
}
