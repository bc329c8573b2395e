package site

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/edgeway-io/edgeway/sandbox/images"
)

// imageSet is every image of the site.
type imageSet struct {
	pause, busybox, metricsServer    images.Image
	cloudCore, edgeWatcher, operator images.Image
	probe, burner                    images.Image
}

// cloud, worker and edge are what the hosts of each kind load: the product may
// run on every cloud node, everything else on workers only.
func (i imageSet) cloud() []images.Image {
	return []images.Image{i.pause, i.cloudCore, i.edgeWatcher, i.operator}
}

func (i imageSet) worker() []images.Image {
	return append(i.cloud(), i.busybox, i.metricsServer)
}

func (i imageSet) edge() []images.Image { return []images.Image{i.pause, i.busybox, i.probe, i.burner} }

const standIn = "stand-in"

// buildImages makes every image from the programs in bin.
func (s Site) buildImages() (imageSet, error) {
	cloudCore, err := s.cloudCoreSpec()
	if err != nil {
		return imageSet{}, err
	}
	busybox, err := busyboxSpec()
	if err != nil {
		return imageSet{}, err
	}
	operator, err := s.operatorSpec()
	if err != nil {
		return imageSet{}, err
	}
	var set imageSet
	for _, b := range []struct {
		spec images.Spec
		into *images.Image
	}{
		{s.program("pause"), &set.pause},
		{busybox, &set.busybox},
		{cloudCore, &set.cloudCore},
		{s.program("edge-watcher"), &set.edgeWatcher},
		{operator, &set.operator},
		{s.program("edgeway-probe"), &set.probe},
		{s.program("burner"), &set.burner},
		{images.Spec{
			Name:       "metrics-server",
			Files:      []images.File{{Path: "/usr/local/bin/metrics-server", From: filepath.Join(s.BinDir, "kube", "kubernetes")}},
			Entrypoint: []string{"/usr/local/bin/metrics-server"},
		}, &set.metricsServer},
	} {
		if *b.into, err = images.Build(filepath.Join(s.Root, ".cache", "images"), b.spec); err != nil {
			return imageSet{}, err
		}
	}
	return set, nil
}

func (s Site) program(name string) images.Spec {
	path := "/usr/local/bin/" + name
	return images.Spec{Name: name, Files: []images.File{{Path: path, From: filepath.Join(s.BinDir, name)}}, Entrypoint: []string{path}}
}

// operatorSpec adds iptables, which only a host without usable nf_tables needs.
func (s Site) operatorSpec() (images.Spec, error) {
	spec := s.program("iptables-operator")
	iptables, err := images.IPTables()
	spec.Files = append(spec.Files, iptables...)
	return spec, err
}

// cloudCoreSpec is CloudCore's image, from the stand-in or the real program.
func (s Site) cloudCoreSpec() (images.Spec, error) {
	const path = "/usr/local/bin/cloudcore"
	files, err := images.Program(filepath.Join(s.kubeEdgeBin(), "cloudcore"), path)
	if err != nil {
		return images.Spec{}, err
	}
	return images.Spec{Name: "cloudcore", Files: files, Entrypoint: []string{"cloudcore"}}, nil
}

func (s Site) kubeEdgeBin() string {
	if s.KubeEdgeDir != "" {
		return s.KubeEdgeDir
	}
	return filepath.Join(s.BinDir, "standin")
}

// busyboxSpec is Debian's static busybox with a link for each of its commands.
func busyboxSpec() (images.Spec, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return images.Spec{}, fmt.Errorf("busybox is missing (apt-get install busybox-static): %w", err)
	}
	out, err := exec.Command(path, "--list").Output()
	if err != nil {
		return images.Spec{}, fmt.Errorf("%s --list: %w", path, err)
	}
	spec := images.Spec{Name: "busybox", Files: []images.File{{Path: "/bin/busybox", From: path}}, Cmd: []string{"sh"}}
	for _, applet := range strings.Fields(string(out)) {
		if applet != "busybox" {
			spec.Files = append(spec.Files, images.File{Path: "/bin/" + applet, Link: "busybox"})
		}
	}
	return spec, nil
}
