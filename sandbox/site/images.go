package site

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/sandbox/images"
)

// imageSet is every image of the site.
type imageSet struct {
	pause, busybox, metricsServer    images.Image
	cloudCore, edgeWatcher, operator images.Image
	streamGate                       images.Image
	probe, burner                    images.Image
	// installation is what the real keadm takes EdgeCore from; nil with the stand-ins.
	installation *images.Image
}

// cloud, worker and edge are what the hosts of each kind load: the product may
// run on every cloud node, everything else on workers only.
func (i imageSet) cloud() []images.Image {
	return []images.Image{i.pause, i.cloudCore, i.edgeWatcher, i.operator, i.streamGate}
}

func (i imageSet) worker() []images.Image {
	return append(i.cloud(), i.busybox, i.metricsServer)
}

func (i imageSet) edge() []images.Image {
	set := []images.Image{i.pause, i.busybox, i.probe, i.burner}
	if i.installation != nil {
		set = append(set, *i.installation)
	}
	return set
}

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
		{s.program("stream-gate"), &set.streamGate},
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
	return set, s.buildInstallation(&set, busybox)
}

// buildInstallation lays the real EdgeCore out as KubeEdge's image for keadm does: a
// shell, and the program where keadm copies it from.
func (s Site) buildInstallation(set *imageSet, shell images.Spec) error {
	version, err := s.kubeEdgeVersion()
	if err != nil || version == "" {
		return err
	}
	shell.Name, shell.Ref = "installation-package", "docker.io/kubeedge/installation-package:"+version
	shell.Files = append(slices.Clip(shell.Files), images.File{Path: "/usr/local/bin/edgecore", From: filepath.Join(s.KubeEdgeDir, "edgecore")})
	set.installation = new(images.Image)
	*set.installation, err = images.Build(filepath.Join(s.Root, ".cache", "images"), shell)
	return err
}

// keadm is the real program; empty where there is none.
func (s Site) keadm() string {
	if s.KubeEdgeDir == "" {
		return ""
	}
	program := filepath.Join(s.KubeEdgeDir, "keadm")
	if _, err := os.Stat(program); err != nil {
		return ""
	}
	return program
}

// kubeEdgeVersion is what the real keadm says of itself, such as v1.23.1: CloudCore
// does not tell its own. Empty without keadm.
func (s Site) kubeEdgeVersion() (string, error) {
	program := s.keadm()
	if program == "" {
		return "", nil
	}
	out, err := exec.Command(program, "version", "--output=short").Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", program, err)
	}
	return strings.TrimSpace(string(out)), nil
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
