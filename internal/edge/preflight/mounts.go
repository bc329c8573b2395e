package preflight

import (
	"fmt"
	"path"
	"strings"
)

// mount is one line of /proc/self/mountinfo.
type mount struct {
	// At is the mount point.
	At string
	// ReadOnly holds for the mount itself.
	ReadOnly bool
	Type     string
	// Options are the filesystem's, which for cgroup v1 are the controllers.
	Options []string
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func (s System) mounts() ([]mount, error) {
	raw, err := s.read("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	return parseMounts(raw), nil
}

// parseMounts reads mountinfo as proc(5) describes it and passes over other lines.
func parseMounts(text string) []mount {
	var out []mount
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(head), strings.Fields(tail)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		m := mount{At: path.Clean(mountEscapes.Replace(left[4])), Type: right[0], Options: strings.Split(right[2], ",")}
		for option := range strings.SplitSeq(left[5], ",") {
			m.ReadOnly = m.ReadOnly || option == "ro"
		}
		out = append(out, m)
	}
	return out
}

// mountOf is the mount that holds a path; the last one covers those before it.
func mountOf(mounts []mount, place string) (mount, bool) {
	var best mount
	found := false
	for _, m := range mounts {
		if within(place, m.At) && len(m.At) >= len(best.At) {
			best, found = m, true
		}
	}
	return best, found
}

func within(place, dir string) bool {
	return dir == "/" || place == dir || strings.HasPrefix(place, dir+"/")
}
