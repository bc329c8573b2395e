package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestIPTablesRunsFromItsFilesAlone runs the programs with nothing around them but
// their files, in a network namespace that ends with them.
func TestIPTablesRunsFromItsFilesAlone(t *testing.T) {
	files, err := IPTables()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("this machine has no iptables: install it, the netns tests need it too")
	}
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if f.Link != "" {
			err = os.Symlink(f.Link, path)
		} else {
			err = copyFile(f.From, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	rules := `*filter
:X - [0:0]
-A X -m conntrack --ctdir REPLY -j RETURN
-A X -p tcp -m multiport --dports 1,2 -m addrtype --dst-type LOCAL -j REJECT --reject-with tcp-reset
COMMIT
*nat
:X - [0:0]
-A X -p tcp -m tcp --dport 1 -j DNAT --to-destination ADDRESS:2
-A X -j MASQUERADE
COMMIT
`
	for program, address := range map[string]string{
		"iptables-nft-restore": "192.0.2.1", "ip6tables-nft-restore": "[2001:db8::1]",
		"iptables-legacy-restore": "192.0.2.1", "ip6tables-legacy-restore": "[2001:db8::1]",
	} {
		cmd := exec.Command("/usr/sbin/"+program, "--noflush")
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Cloneflags: syscall.CLONE_NEWNET}
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(rules, "ADDRESS", address))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}
