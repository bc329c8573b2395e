package images

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

var libPath = regexp.MustCompile(`(?:=> )?(/[^ ]+) \(0x`)

// Program gives the files that a program needs in an image at a path: itself
// and, when it is dynamically linked, its libraries and their loader.
func Program(from, path string) ([]File, error) {
	files := []File{{Path: path, From: from}}
	out, err := exec.Command("ldd", from).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "not a dynamic executable") || strings.Contains(string(out), "statically linked") {
			return files, nil
		}
		return nil, fmt.Errorf("finding the libraries of %s: %w: %s", from, err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if strings.Contains(line, "not found") {
			return nil, fmt.Errorf("%s needs a library that this machine lacks: %s", from, strings.TrimSpace(line))
		}
		if m := libPath.FindStringSubmatch(line); m != nil {
			files = append(files, File{Path: m[1], From: m[1]})
		}
	}
	return files, nil
}
