package enroll

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

//go:embed install.sh
var installScript []byte

// InstallScript is the installer that the console serves at wire.PathInstall. It
// is the same for everybody: what differs comes as arguments of the join command.
func InstallScript() []byte { return slices.Clone(installScript) }

// CommandParams is where a device finds the console, and by what it knows it.
type CommandParams struct {
	// ConsoleURL as devices reach it, https://HOST[:PORT][/PATH].
	ConsoleURL string
	// Pin is "sha256//" + base64(SHA-256 of the console's SubjectPublicKeyInfo).
	// With a pin exactly that key is trusted, whoever signed its certificate;
	// empty trusts the device's own certificate authorities.
	Pin string
	// EdgectlSHA256 in hex, of the edgectl for the device's architecture.
	EdgectlSHA256 string
}

var (
	pinPattern    = regexp.MustCompile(`^sha256//[A-Za-z0-9+/]{43}=$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// bootstrap runs the installer at the URL $0, whose SHA-256 begins with the first
// verb, and ends with its exit status. A pipe into a shell would not do: the shell
// that got nothing to run ends with 0. The checksum decides what runs, so that
// curl and every wget will do, also those that know no pins. Busybox's wget, which its
// shell prefers to another, cannot ask a proxy for a tunnel; openssl does then.
const bootstrap = `w=/usr/bin/wget; [ -x $w ] || w=wget; ` +
	`s=$(if command -v curl >/dev/null; then curl -fsS%[2]s "$0"; ` +
	`elif [ -n "$https_proxy" ] && ! $w --version >/dev/null 2>&1 && command -v openssl >/dev/null; then ` +
	`h=${0#*://}; p=/${h#*/}; h=${h%%%%/*}; case $h in *:*) ;; *) h=$h:443;; esac; x=${https_proxy#*://}; ` +
	`printf "GET %%s HTTP/1.0\r\nHost: %%s\r\n\r\n" "$p" "$h" | openssl s_client -quiet -proxy "${x%%%%/*}" -connect "$h" 2>/dev/null | { while IFS= read -r l && [ ${#l} -gt 1 ]; do :; done; cat; }; ` +
	`else $w -q%[3]s -O - "$0"; fi); ` +
	`case $(printf "%%s\n" "$s" | sha256sum) in %[1]s*) exec sh -c "$s" edgeway "$@";; esac; ` +
	`echo "edgeway: $0 could not be fetched, or is not the installer that this command is for; nothing was changed" >&2; exit 5`

// JoinCommand is the one line that a person pastes into a shell at the device, or
// a script runs: its exit status is 0 when the device has joined, and only then.
// The code is in it as an assignment to the environment of the shell that runs
// the installer: in no URL, and in no argument list that other users can read.
func JoinCommand(p CommandParams, code string) (string, error) {
	base, err := p.check()
	if err != nil {
		return "", err
	}
	args := []string{base + wire.PathInstall, "--server", base}
	var curl, wget string
	if p.Pin != "" {
		curl, wget = "k", " --no-check-certificate"
		args = append(args, "--pin", p.Pin)
	}
	args = append(args, "--sha256", p.EdgectlSHA256)
	sum := sha256.Sum256(installScript)
	script := fmt.Sprintf(bootstrap, hex.EncodeToString(sum[:]), curl, wget)
	return fmt.Sprintf("EDGEWAY_CODE=%s sh -c %s %s", Quote(code), Quote(script), quoteAll(args)), nil
}

// InstallCommand is the line for whoever downloaded edgectl by hand.
func InstallCommand(p CommandParams, code string) (string, error) {
	base, err := p.check()
	if err != nil {
		return "", err
	}
	args := []string{"./edgectl", "join", "--server", base}
	if p.Pin != "" {
		args = append(args, "--pin", p.Pin)
	}
	return fmt.Sprintf("EDGEWAY_CODE=%s %s", Quote(code), quoteAll(args)), nil
}

// check returns the base URL without a trailing slash.
func (p CommandParams) check() (string, error) {
	u, err := url.Parse(p.ConsoleURL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		(u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname()))) {
		return "", errcat.Errorf("Invalid", "console URL %q is not usable for joining: give https://HOST[:PORT] as devices reach it", p.ConsoleURL)
	}
	if p.Pin != "" && !pinPattern.MatchString(p.Pin) {
		return "", errcat.Errorf("Invalid", "pin %q is not sha256//BASE64 of 32 bytes", p.Pin)
	}
	if !sha256Pattern.MatchString(p.EdgectlSHA256) {
		return "", errcat.Errorf("Invalid", "edgectl's SHA-256 %q is not 64 hex digits: does the console have edgectl for this architecture?", p.EdgectlSHA256)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// KeadmCommand is the join command of stock keadm. token is KubeEdge's own: it is
// reusable and bound to no node until it expires, which the reader must be told.
// version is KubeEdge's, like v1.22.0.
func KeadmCommand(spec *v1alpha1.EdgeEnrollmentSpec, token, version string) string {
	c := spec.CloudCore
	endpoint := spec.RuntimeEndpoint
	if endpoint == "" {
		endpoint = DefaultRuntimeEndpoint
	}
	args := []string{"keadm", "join",
		"--cloudcore-ipport=" + hostPort(c.Host, c.WebSocketPort),
		fmt.Sprintf("--certport=%d", c.CertPort),
		"--edgenode-name=" + spec.NodeName,
		"--token=" + token,
		"--kubeedge-version=" + version,
		"--remote-runtime-endpoint=" + endpoint,
	}
	if spec.CgroupDriver != "" {
		args = append(args, "--cgroupdriver="+spec.CgroupDriver)
	}
	// keadm sets the edge label itself, with the empty value that CloudCore needs.
	labels := selfLabels(spec.Labels)
	if len(labels) > 0 {
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			pairs = append(pairs, key+"="+labels[key])
		}
		args = append(args, "--labels="+strings.Join(pairs, ","))
	}
	// keadm finds this field by its name in Go alone.
	set := []string{"Modules.Edged.NodeIP=" + spec.NodeIP}
	if spec.Components.EdgeStream && c.TunnelPort > 0 {
		set = append(set, "modules.edgeStream.enable=true", "modules.edgeStream.server="+hostPort(c.Host, c.TunnelPort))
	}
	if spec.Components.EventBus {
		set = append(set, "modules.eventBus.enable=true", "modules.eventBus.mqttMode=0")
	}
	return quoteAll(append(args, "--set", strings.Join(set, ",")))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@,+-]+$`)

// Quote makes one word of s for a POSIX shell, whatever is in it.
func Quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}
