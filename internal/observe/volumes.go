package observe

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

func volumesOf(p *corev1.Pod) []Volume {
	out := make([]Volume, 0, len(p.Spec.Volumes))
	for _, v := range p.Spec.Volumes {
		kind, source := volumeSource(v.VolumeSource)
		vol := Volume{Name: v.Name, Type: kind, Source: source, Mounts: []Mount{}}
		mounts := func(container string, all []corev1.VolumeMount) {
			for _, m := range all {
				if m.Name == v.Name {
					vol.Mounts = append(vol.Mounts, Mount{Container: container, Path: m.MountPath, SubPath: m.SubPath, ReadOnly: m.ReadOnly})
				}
			}
		}
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			mounts(c.Name, c.VolumeMounts)
		}
		for _, c := range p.Spec.EphemeralContainers {
			mounts(c.Name, c.VolumeMounts)
		}
		out = append(out, vol)
	}
	return out
}

// volumeSource names a volume's kind and what it refers to.
func volumeSource(s corev1.VolumeSource) (kind, source string) {
	switch {
	case s.Secret != nil:
		return "Secret", s.Secret.SecretName
	case s.ConfigMap != nil:
		return "ConfigMap", s.ConfigMap.Name
	case s.PersistentVolumeClaim != nil:
		return "PersistentVolumeClaim", s.PersistentVolumeClaim.ClaimName
	case s.HostPath != nil:
		return "HostPath", s.HostPath.Path
	case s.EmptyDir != nil:
		return "EmptyDir", ""
	case s.Projected != nil:
		return "Projected", ""
	case s.DownwardAPI != nil:
		return "DownwardAPI", ""
	case s.NFS != nil:
		return "NFS", s.NFS.Server + ":" + s.NFS.Path
	case s.CSI != nil:
		return "CSI", s.CSI.Driver
	}
	return kindOf(s), ""
}

// kindOf is the name of the source that is set: Kubernetes adds kinds, and all of them
// have a field of their name.
func kindOf(s corev1.VolumeSource) string {
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		if field := v.Field(i); field.Kind() == reflect.Pointer && !field.IsNil() {
			return v.Type().Field(i).Name
		}
	}
	return "Volume"
}
