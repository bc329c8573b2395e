package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The shells that devices have as sh.
var shells = map[string]string{"dash": "/host/bin/dash", "bash": "/host/bin/bash", "ash": "/host/bin/busybox"}

// kind is what a device is like. All fields are optional.
type kind struct {
	// fetchers are what it has to fetch files with; curl when empty.
	fetchers []string
	// busybox: every tool is Busybox's, fetchers too.
	busybox bool
	// others are programs that the device has besides.
	others string
	// mounts change the device's root directory $R before anything runs.
	mounts string
	// env sets up the environment in front of the line; it ends with a blank.
	env string
	// line is LINE or the name of another one.
	line string
	// check runs on the device when it has joined.
	check string
}

var kinds = map[string]kind{
	"plain":         {},
	"tmp-noexec":    {mounts: `mount -t tmpfs -o noexec tmpfs "$R/tmp"; socket`},
	"tmp-readonly":  {mounts: `mount -t tmpfs tmpfs "$R/tmp"; socket; mount -o remount,ro "$R/tmp"`},
	"tmp-full":      {mounts: `mount -t tmpfs -o size=1m tmpfs "$R/tmp"; socket`},
	"no-home":       {env: "env -u HOME "},
	"readonly-root": {mounts: `mount -o remount,bind,ro "$R"`, check: "test -x /var/lib/edgeway/bin/edgecore; test ! -e /usr/local/bin/edgecore"},
	"umask-077":     {env: "umask 077; ", check: `test "$(stat -c %a /usr/local/bin/edgecore /usr/local/lib/edgeway /etc/kubeedge /etc/kubeedge/certs/server.key | tr '\n' ' ')" = "755 755 755 600 "`},
	"https-proxy":   {env: "https_proxy=$PROXY ", line: "FARLINE"},
	"wget":          {fetchers: []string{"wget"}, others: "openssl"},
	"wget-proxy":    {fetchers: []string{"wget"}, env: "https_proxy=$PROXY ", line: "FARLINE"},
	// Busybox's wget knows no tunnel through a proxy: openssl makes it.
	"busybox-proxy": {busybox: true, fetchers: []string{"wget"}, others: "openssl", env: "https_proxy=$PROXY ", line: "FARLINE"},
	// Busybox's wget leaves TLS to openssl where there is one.
	"busybox": {busybox: true, fetchers: []string{"wget"}, others: "openssl"},
	"bare":    {env: "env -i PATH=/usr/bin TMPDIR=/nowhere "},
}

// broken is a device or a line with which no join is possible.
type broken struct {
	kind
	// edit is a sed program for the line.
	edit string
	// status that the line must end with, and what it must say.
	status int
	says   string
}

var brokens = map[string]broken{
	"closed-port": {edit: `s#127.0.0.1:[0-9]*#127.0.0.1:1#g`, status: 5, says: "could not be fetched"},
	"no-fetcher":  {kind: kind{fetchers: []string{"none"}}, status: 5, says: "could not be fetched"},
	// Its own TLS names no signature algorithms, and the console takes none of SHA-1.
	"busybox-tls": {kind: kind{busybox: true, fetchers: []string{"wget"}}, status: 5, says: "could not be fetched"},
	"wrong-pin":   {edit: `s#sha256//.#sha256//_#; s#sha256//_#sha256//A#`, status: 1, says: "the server's key is not the pinned one"},
	"installer":   {edit: `s#in [0-9a-f]\{8\}#in 00000000#`, status: 5, says: "not the installer that this command is for"},
	"checksum":    {edit: `s#--sha256 [0-9a-f]\{8\}#--sha256 00000000#`, status: 5, says: "is not the one in the command"},
	"bad-code":    {edit: `s#EDGEWAY_CODE=[^ ]*#EDGEWAY_CODE=0000-0000#`, status: 1, says: "this join code is not known"},
	"preflight":   {kind: kind{mounts: `mkdir -p "$R/etc/kubeedge/config"; touch "$R/etc/kubeedge/config/edgecore.yaml"`}, status: 3, says: "found /etc/kubeedge/config/edgecore.yaml"},
	"no-option":   {edit: `s#--server#--sever#`, status: 2, says: "unknown option --sever"},
}

// TestInstaller pastes the console's line into every shell of every kind of device,
// and the device joins; then with everything that can be wrong, and the line ends
// with a status that says so.
func TestInstaller(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("edgectl works as root: run the tests as root")
	}
	scripts := t.TempDir()
	for shell := range shells {
		for name := range kinds {
			write(t, scripts, shell+"-"+name, "joins "+shell+" "+name+"\n")
		}
		for name := range brokens {
			write(t, scripts, shell+"-"+name, "refuses "+shell+" "+name+"\n")
		}
		write(t, scripts, shell+"-interrupted", "interrupted "+shell+"\n")
	}
	testscript.Run(t, testscript.Params{Dir: scripts, Setup: setup, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"joins": joins, "refuses": refuses, "interrupted": interruptedLine,
	}})
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rootfs makes a device's root directory $R out of this machine's programs: /usr/bin
// holds what the device has and nothing else. It runs in namespaces of its own.
const rootfs = `set -eu
R=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$R"
cd "$R"
mkdir -p host/bin usr/bin usr/lib usr/lib64 usr/local/bin proc sys dev etc var tmp run root
ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
mount --bind /usr/bin host/bin
mount --bind /usr/lib usr/lib
if [ -d /usr/lib64 ]; then mount --bind /usr/lib64 usr/lib64; fi
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs etc
mount -t tmpfs -o mode=755 tmpfs var
echo '127.0.0.1 localhost' >etc/hosts
mkdir -p var/lib var/tmp var/log var/site
mount --bind "$WORK/root" var/site
socket() {
	mkdir -p "$R$(dirname "$SOCKET")"
	touch "$R$SOCKET"
	mount --bind "$SOCKET" "$R$SOCKET"
}
socket
for tool in uname id mktemp df rm chmod sha256sum dirname touch sleep env cat stat find sort tr kill; do
	if [ "$BUSYBOX" = yes ] || [ ! -e "host/bin/$tool" ]; then ln -s /host/bin/busybox "usr/bin/$tool"; else ln -s "/host/bin/$tool" "usr/bin/$tool"; fi
done
for tool in $FETCHERS; do
	if [ "$BUSYBOX" = yes ]; then ln -s /host/bin/busybox "usr/bin/$tool"; elif [ "$tool" != none ]; then ln -s "/host/bin/$tool" "usr/bin/$tool"; fi
done
for tool in $OTHERS; do ln -s "/host/bin/$tool" "usr/bin/$tool"; done
ln -s "$SHELL_FILE" usr/bin/sh
cd /
export PATH=/usr/sbin:/usr/bin HOME=/root
unset TMPDIR https_proxy HTTPS_PROXY
`

// onDevice runs a script on a device of its own and returns what it printed.
func onDevice(ts *testscript.TestScript, shell string, k kind, script string) string {
	fetchers := k.fetchers
	if fetchers == nil {
		fetchers = []string{"curl"}
	}
	cmd := exec.Command("unshare", "--kill-child", "--mount", "--pid", "--fork", "--uts", "--propagation", "private", "/bin/sh", "-c", rootfs+k.mounts+"\n"+script)
	cmd.Env = append(os.Environ(), "FETCHERS="+strings.Join(fetchers, " "), fmt.Sprintf("BUSYBOX=%s", map[bool]string{true: "yes", false: "no"}[k.busybox]),
		"OTHERS="+k.others, "SHELL_FILE="+shells[shell])
	for _, name := range []string{"WORK", "SOCKET", "LINE", "FARLINE", "PROXY", "IGNORE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.CombinedOutput()
	ts.Logf("%s", out)
	ts.Check(err)
	return string(out)
}

// pasted is a command that runs the line in a shell of the device.
func (k kind) pasted() string {
	line := k.line
	if line == "" {
		line = "LINE"
	}
	return k.env + `/usr/sbin/chroot "$R" /usr/bin/sh -c "$` + line + ` -- --ignore-preflight $IGNORE" </dev/null`
}

func joins(ts *testscript.TestScript, _ bool, args []string) {
	k := kinds[args[1]]
	check := k.check
	if check == "" {
		check = "test -x /usr/local/bin/edgecore"
	}
	edgectl := `"$R"/usr/local/lib/edgeway/edgectl; [ -e "$E" ] || E="$R"/var/lib/edgeway/bin/edgectl`
	out := onDevice(ts, args[0], k, `
before=$(cd "$R"; find etc var run tmp usr/local root ! -path 'var/site*' | sort)
( `+k.pasted()+` )
echo "status $?"
chroot "$R" /usr/bin/sh -ec `+quoted(check+"; test -s /etc/kubeedge/certs/server.crt; test -z \"$(find /tmp /var/tmp /run /root -name 'edgeway.*')\"")+`
E=`+edgectl+`
chroot "$R" "${E#"$R"}" status
chroot "$R" "${E#"$R"}" leave
after=$(cd "$R"; find etc var run tmp usr/local root ! -path 'var/site*' | sort)
[ "$before" = "$after" ] || { echo "left: $after"; exit 1; }
echo all well
`)
	for _, want := range []string{"status 0\n", "Ready", "edge-code", "all well"} {
		if !strings.Contains(out, want) {
			ts.Fatalf("%q is not in:\n%s", want, out)
		}
	}
}

func refuses(ts *testscript.TestScript, _ bool, args []string) {
	b := brokens[args[1]]
	out := onDevice(ts, args[0], b.kind, `
LINE=$(printf %s "$LINE" | sed `+quoted(b.edit)+`)
status=0
( `+b.pasted()+` ) || status=$?
test ! -e "$R/etc/kubeedge/certs"
test -z "$(find "$R"/tmp "$R"/var/tmp "$R"/run "$R"/root -name 'edgeway.*')"
echo "status $status"
`)
	if want := fmt.Sprintf("status %d\n", b.status); !strings.Contains(out, want) || !regexp.MustCompile(b.says).MatchString(out) {
		ts.Fatalf("want %q and %q, got:\n%s", want, b.says, out)
	}
}

// interruptedLine ends the shell of a join that waits for its node: the join is
// undone before the shell ends, and the status is not 0.
func interruptedLine(ts *testscript.TestScript, _ bool, args []string) {
	k := kind{mounts: `touch "$WORK/hold"`}
	out := onDevice(ts, args[0], k, `
LINE=$(printf %s "$LINE" | sed 's/^\(EDGEWAY_CODE=[^ ]*\) /export \1; exec /')
chroot "$R" /usr/bin/sh -c "$LINE -- --ignore-preflight $IGNORE" </dev/null &
pid=$!
while [ ! -e "$WORK/root/registered" ]; do sleep 0.1; done
kill -TERM $pid
status=0
wait $pid || status=$?
test ! -e "$R/etc/kubeedge/certs"
test ! -e "$R/usr/local/bin/edgecore"
echo "status $status"
`)
	if !strings.Contains(out, "status 1\n") || !strings.Contains(out, "the join was interrupted") {
		ts.Fatalf("the interrupted line gives:\n%s", out)
	}
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// newProxy is an HTTP proxy through which everything leads to one address.
func newProxy(to string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer server.Close()
		client, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n") // a client that left ends the copies
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(client, server)
	}))
}
