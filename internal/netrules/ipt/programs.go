package ipt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Variant is which of the kernel's two interfaces iptables writes to.
type Variant string

// The variants, as CloudNodeRoutes reports them behind "iptables-".
const (
	Legacy Variant = "legacy"
	NFT    Variant = "nft"
)

const (
	// lockWait is how long, in seconds, other users of legacy tables are waited for.
	lockWait = "10"
	// programTime bounds one run of a program.
	programTime = 60 * time.Second
)

// programs runs one variant's programs in one network namespace.
type programs struct {
	variant Variant
	netNS   int
	// save and restore are paths of the programs, by family: IPv4, IPv6.
	save, restore [2]string
}

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// ErrNoPrograms is wrapped when a variant's programs are not installed.
var ErrNoPrograms = errors.New("iptables is not installed")

// find looks for a variant's programs; those of IPv6 may be missing.
func find(v Variant, netNS int) (programs, error) {
	p := programs{variant: v, netNS: netNS}
	for f, name := range []string{"iptables", "ip6tables"} {
		for verb, into := range map[string]*string{"save": &p.save[f], "restore": &p.restore[f]} {
			path, err := lookUp(v, name, verb)
			if err != nil && f == 0 {
				return programs{}, err
			}
			*into = path
		}
	}
	return p, nil
}

// lookUp finds a program under the variant's own name or, where a system has one
// variant only, under the plain name.
func lookUp(v Variant, name, verb string) (string, error) {
	own := fmt.Sprintf("%s-%s-%s", name, v, verb)
	if path, ok := inPath(own); ok {
		return path, nil
	}
	plain := name + "-" + verb
	if path, ok := inPath(plain); ok {
		out, err := exec.Command(path, "--version").Output()
		isNFT := strings.Contains(string(out), "nf_tables")
		if err == nil && isNFT == (v == NFT) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: neither %s nor a %s of variant %s is in PATH", ErrNoPrograms, own, plain, v)
}

// inPath looks where administrators' programs are, too, which a container's PATH
// may leave out.
func inPath(name string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path, true
		}
	}
	return "", false
}

// saved runs a family's iptables-save and gives each its output.
func (p programs) saved(ctx context.Context, v6 bool, each func(io.Reader) error, args ...string) error {
	path := p.save[family(v6)]
	if path == "" {
		return fmt.Errorf("%w: no ip6tables-save of variant %s", ErrNoPrograms, p.variant)
	}
	return p.run(ctx, nil, each, path, args...)
}

// restored gives text to a family's iptables-restore. Nothing but what the text
// names is changed.
func (p programs) restored(ctx context.Context, v6 bool, text []byte, args ...string) error {
	path := p.restore[family(v6)]
	if path == "" {
		return fmt.Errorf("%w: no ip6tables-restore of variant %s", ErrNoPrograms, p.variant)
	}
	err := p.run(ctx, text, nil, path, append([]string{"--noflush", "--wait=" + lockWait}, args...)...)
	if err != nil {
		return fmt.Errorf("%w%s", err, lineOf(err, text))
	}
	return nil
}

// run runs a program in the network namespace.
func (p programs) run(ctx context.Context, in []byte, out func(io.Reader) error, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, programTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var pipe io.ReadCloser
	if out != nil {
		var err error
		if pipe, err = cmd.StdoutPipe(); err != nil {
			return err
		}
	}
	if err := inNetNS(p.netNS, cmd.Start); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	var rerr error
	if out != nil {
		if rerr = out(pipe); rerr != nil {
			_, _ = io.Copy(io.Discard, pipe) // lets the program end
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, complaint(stderr.String()))
	}
	return rerr
}

// complaint is what a program said, without its notes about other variants.
func complaint(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// lineOf quotes the line of the text that the error names.
func lineOf(err error, text []byte) string {
	_, after, ok := strings.Cut(err.Error(), "line ")
	if !ok {
		_, after, ok = strings.Cut(err.Error(), "line: ")
	}
	n := 0
	if _, serr := fmt.Sscanf(after, "%d", &n); !ok || serr != nil {
		return ""
	}
	lines := bytes.Split(text, []byte("\n"))
	if n < 1 || n > len(lines) {
		return ""
	}
	return fmt.Sprintf(" (line %d is %q)", n, lines[n-1])
}

// inNetNS calls f in a network namespace, 0 for the process's own. What f starts
// stays in it.
func inNetNS(netNS int, f func() error) error {
	if netNS == 0 {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		// The thread ends with the goroutine, so it never has to be set back.
		runtime.LockOSThread()
		if err := unix.Setns(netNS, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		result <- f()
	}()
	return <-result
}
