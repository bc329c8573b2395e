package observe

import (
	corev1 "k8s.io/api/core/v1"
)

func volumesOf(p *corev1.Pod) []Volume {
	out := make([]Volume, 0, len(p.Spec.Volumes))
	for _, v := range p.Spec.Volumes {
		kind, source := volumeSource(v.VolumeSource)
		vol := Volume{Name: v.Name, Type: kind, Source: source, Mounts: []Mount{}}
		for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
			for _, c := range list {
				for _, m := range c.VolumeMounts {
					if m.Name == v.Name {
						vol.Mounts = append(vol.Mounts, Mount{Container: c.Name, Path: m.MountPath, ReadOnly: m.ReadOnly})
					}
				}
			}
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
	return "Volume", ""
}
