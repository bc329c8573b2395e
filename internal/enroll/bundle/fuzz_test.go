package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzOpen: a bundle with any checksum file and any join.json is refused or read, and
// no file outside its directory is taken for a part of it.
func FuzzOpen(f *testing.F) {
	f.Add("", "{}")
	f.Add(strings.Repeat("0", 64)+"  join.json\n", "{}")
	f.Add("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  join.json\n", "{}")
	f.Add(strings.Repeat("0", 64)+"  ../../etc/passwd\n", "null")
	f.Fuzz(func(t *testing.T, sums, join string) {
		dir := t.TempDir()
		for name, text := range map[string]string{FileSums: sums, FileJoin: join} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := Open(dir, func() (string, error) { return "", ErrPassphraseMissing })
		if err != nil {
			return
		}
		for _, path := range append(b.Images, b.EdgeCore) {
			if path != "" && !strings.HasPrefix(path, dir+"/") {
				t.Errorf("%q is outside %q", path, dir)
			}
		}
	})
}
