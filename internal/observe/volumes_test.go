package observe

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestVolumesAreNamed(t *testing.T) {
	for want, source := range map[string]corev1.VolumeSource{
		"EmptyDir":              {EmptyDir: &corev1.EmptyDirVolumeSource{}},
		"PersistentVolumeClaim": {PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}},
		"Ephemeral":             {Ephemeral: &corev1.EphemeralVolumeSource{}},
		"ISCSI":                 {ISCSI: &corev1.ISCSIVolumeSource{}},
		"Image":                 {Image: &corev1.ImageVolumeSource{}},
		"Volume":                {},
	} {
		if got, _ := volumeSource(source); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
