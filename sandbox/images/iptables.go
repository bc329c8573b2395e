package images

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
)

// IPTables gives the files of this machine's iptables, both variants, with the
// extensions that they load; none when it is not installed.
func IPTables() ([]File, error) {
	var files []File
	for variant, multi := range map[string]string{"nft": "xtables-nft-multi", "legacy": "xtables-legacy-multi"} {
		from, err := exec.LookPath(multi)
		if err != nil {
			continue
		}
		program, err := Program(from, "/usr/sbin/"+multi)
		if err != nil {
			return nil, err
		}
		files = append(files, program...)
		for _, family := range []string{"iptables", "ip6tables"} {
			for _, verb := range []string{"", "-save", "-restore"} {
				files = append(files, File{Path: "/usr/sbin/" + family + "-" + variant + verb, Link: multi})
			}
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	for _, pattern := range []string{"/usr/lib/xtables/*.so", "/usr/lib64/xtables/*.so", "/usr/lib/*/xtables/*.so"} {
		extensions, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, path := range extensions {
			files = append(files, File{Path: path, From: path})
		}
	}
	return inOrderOnce(files), nil
}

// inOrderOnce sorts files and drops those that several programs need.
func inOrderOnce(files []File) []File {
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return slices.CompactFunc(files, func(a, b File) bool { return a.Path == b.Path })
}
