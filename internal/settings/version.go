package settings

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNoVersion is returned when the settings do not tell KubeEdge's version.
var ErrNoVersion = errcat.New("NoKubeEdgeVersion", "the settings do not tell the version of KubeEdge")

// kubeEdgeVersion is how KubeEdge numbers its releases.
var kubeEdgeVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)

// DeviceVersion is the version of KubeEdge that keadm installs on devices: the one
// that is set, else the tag of CloudCore's image. ErrNoVersion when neither is one.
func (s Settings) DeviceVersion() (string, error) {
	version, where := s.KubeEdgeVersion, "kubeEdgeVersion"
	if version == "" {
		version, where = imageTag(s.Images.CloudCore), "the tag of images.cloudcore"
	}
	if !kubeEdgeVersion.MatchString(version) {
		return "", fmt.Errorf("%w: %s is %q; set kubeEdgeVersion to a version such as v1.23.1", ErrNoVersion, where, version)
	}
	return version, nil
}

// imageTag is empty for an image without a tag.
func imageTag(image string) string {
	reference, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		return reference[i+1:]
	}
	return ""
}

// checkVersion refuses what is no version. A tag that is none is only a warning:
// nothing but keadm needs the version.
func checkVersion(s Settings, _ ClusterFacts) []Problem {
	_, err := s.DeviceVersion()
	switch {
	case err == nil:
		return nil
	case s.KubeEdgeVersion != "":
		return []Problem{refuse("kubeEdgeVersion", s.KubeEdgeVersion, "NotAVersion", "not a version of KubeEdge",
			"write it as v1.23.1, or leave it empty to use the tag of CloudCore's image")}
	}
	return []Problem{warning("kubeEdgeVersion", "", "UnknownVersion",
		"the tag of CloudCore's image is no version of KubeEdge, so there is no join command for keadm",
		"set kubeEdgeVersion to the version that CloudCore has, such as v1.23.1")}
}

// checkAuthorization warns of what an admin gives up.
func checkAuthorization(s Settings, _ ClusterFacts) []Problem {
	if s.CloudHub.Authorization {
		return nil
	}
	return []Problem{warning("cloudHub.authorization", false, "NoAuthorization",
		"whoever holds the certificate of one edge node can read every Secret and get tokens of every ServiceAccount through CloudHub",
		"turn cloudHub.authorization on")}
}
