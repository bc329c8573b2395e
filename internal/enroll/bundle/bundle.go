// Package bundle is the offline bundle: all that a device needs to join that does
// not reach the console. The console writes it as a .tar.gz, a field engineer
// carries it to the device and unpacks it, edgectl reads the directory.
//
//	edgeway-NODE/
//	  README.txt
//	  edgectl         to run: ./edgectl join --bundle .
//	  edgecore        where the console has it
//	  join.json       Offline: who the device will be, its key and its certificate;
//	                  join.json.age instead when sealed with a passphrase
//	  images/*.tar    container images to import
//	  SHA256SUMS      of all of the above
//
// The checksums find a damaged file. Against a forged bundle nothing in it can
// help: it has to come from the console.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Names of the parts.
const (
	FileEdgectl  = "edgectl"
	FileEdgeCore = "edgecore"
	FileJoin     = "join.json"
	FileSealed   = "join.json.age"
	FileReadme   = "README.txt"
	FileSums     = "SHA256SUMS"
	DirImages    = "images"
)

// ErrDamaged is wrapped when a bundle is not what the console wrote.
var ErrDamaged = errcat.New("BundleDamaged", "the bundle is damaged")

// Offline is what join.json holds.
type Offline struct {
	wire.Lookup
	// Key and Certificate, in PEM, are the node's own, and CA is KubeEdge's: whoever has
	// them is the node. The enrollment ends at Expires if no device has come by then.
	Key         string    `json:"key"`
	Certificate string    `json:"certificate"`
	CA          string    `json:"ca"`
	Expires     time.Time `json:"expires"`
	// EdgeCoreConfig is edgecore.yaml.
	EdgeCoreConfig string `json:"edgecoreConfig"`
}

// Source is a file on the console that goes into the bundle.
type Source struct {
	// Name in the bundle.
	Name string
	Path string
	Mode int64
}

// Directory is the name of the bundle's directory for a node.
func Directory(nodeName string) string { return "edgeway-" + nodeName }

// Write writes the bundle as a .tar.gz. The node's name has passed enroll's
// validation, so it cannot lead out of the directory. With a passphrase, who the node
// is can be read by those who know it only.
func Write(w io.Writer, join Offline, passphrase string, sources []Source, now time.Time) error {
	zip := gzip.NewWriter(w)
	b := &writer{tar: tar.NewWriter(zip), dir: Directory(join.NodeName), now: now}
	raw, err := json.MarshalIndent(join, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", FileJoin, err)
	}
	b.bytes(FileReadme, readme(join, passphrase != "", sources), 0o644)
	name, data := FileJoin, append(raw, '\n')
	if passphrase != "" {
		name = FileSealed
		if data, err = seal(data, passphrase); err != nil {
			return err
		}
	}
	b.bytes(name, data, 0o600)
	for _, s := range sources {
		b.file(s)
	}
	b.bytes(FileSums, []byte(strings.Join(b.sums, "")), 0o644)
	if b.err != nil {
		return b.err
	}
	if err := errors.Join(b.tar.Close(), zip.Close()); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

// writer keeps the first error, so that a bundle is written straight down.
type writer struct {
	tar  *tar.Writer
	dir  string
	now  time.Time
	sums []string
	err  error
}

func (b *writer) bytes(name string, data []byte, mode int64) {
	b.entry(name, int64(len(data)), mode, bytes.NewReader(data))
}

func (b *writer) file(s Source) {
	if b.err != nil {
		return
	}
	f, err := os.Open(s.Path)
	if err != nil {
		b.err = fmt.Errorf("reading %s for the bundle: %w", s.Name, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.err = fmt.Errorf("reading %s for the bundle: %w", s.Name, err)
		return
	}
	b.entry(s.Name, info.Size(), s.Mode, f)
}

func (b *writer) entry(name string, size, mode int64, from io.Reader) {
	if b.err != nil {
		return
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: b.dir + "/" + name, Size: size, Mode: mode, ModTime: b.now, Format: tar.FormatPAX}
	if err := b.tar.WriteHeader(header); err != nil {
		b.err = fmt.Errorf("writing %s into the bundle: %w", name, err)
		return
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(b.tar, h), from); err != nil {
		b.err = fmt.Errorf("writing %s into the bundle: %w", name, err)
		return
	}
	b.sums = append(b.sums, hex.EncodeToString(h.Sum(nil))+"  "+name+"\n")
}

// Bundle is an unpacked bundle whose files are whole.
type Bundle struct {
	Offline
	Dir string
	// EdgeCore is the binary's file, empty when there is none.
	EdgeCore string
	// Images are archives to import.
	Images []string
}

// Open checks every file of the directory against the checksums and reads it. It calls
// passphrase for a sealed bundle only.
func Open(dir string, passphrase func() (string, error)) (*Bundle, error) {
	sums, err := readSums(filepath.Join(dir, FileSums))
	if err != nil {
		return nil, err
	}
	b := &Bundle{Dir: dir}
	for _, s := range sums {
		path := filepath.Join(dir, filepath.FromSlash(s.name))
		if err := check(path, s); err != nil {
			return nil, err
		}
		switch {
		case s.name == FileEdgeCore:
			b.EdgeCore = path
		case strings.HasPrefix(s.name, DirImages+"/"):
			b.Images = append(b.Images, path)
		}
	}
	raw, err := readJoin(dir, sums, passphrase)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &b.Offline); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, FileJoin, err)
	}
	return b, nil
}

// readJoin reads join.json, sealed or not.
func readJoin(dir string, sums []sum, passphrase func() (string, error)) ([]byte, error) {
	has := func(name string) bool { return slices.ContainsFunc(sums, func(s sum) bool { return s.name == name }) }
	name := FileJoin
	switch {
	case has(FileSealed):
		name = FileSealed
	case !has(FileJoin):
		return nil, fmt.Errorf("%w: %s has no line for %s", ErrDamaged, FileSums, FileJoin)
	}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("reading the bundle: %w", err)
	}
	if name == FileJoin {
		return raw, nil
	}
	secret, err := passphrase()
	if err != nil {
		return nil, err
	}
	return unseal(raw, secret)
}

type sum struct{ hex, name string }

// maxSums bounds the checksum file in bytes.
const maxSums = 64 << 10

func readSums(path string) ([]sum, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errcat.Errorf("BundleDamaged", "%s is no bundle: it has no %s", filepath.Dir(path), FileSums).Fix("give the directory that the archive was unpacked to")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the bundle: %w", err)
	}
	if len(raw) > maxSums {
		return nil, fmt.Errorf("%w: %s is too long", ErrDamaged, FileSums)
	}
	var out []sum
	for line := range strings.Lines(string(raw)) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || len(hash) != 2*sha256.Size || !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%w: %s has the line %.100q", ErrDamaged, FileSums, line)
		}
		out = append(out, sum{hash, name})
	}
	return out, nil
}

func check(path string, s sum) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("%w: %s is missing: %w", ErrDamaged, s.name, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file", ErrDamaged, s.name)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("reading the bundle: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != s.hex {
		return fmt.Errorf("%w: SHA-256 of %s is %s, expected %s; copy it again", ErrDamaged, s.name, got, s.hex)
	}
	return nil
}
