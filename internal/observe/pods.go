package observe

import (
	"cmp"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Pod is one row of a pod list.
type Pod struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Status    string    `json:"status" doc:"As kubectl's STATUS: Running, Init:0/1, CrashLoopBackOff, Terminating …"`
	Ready     int       `json:"ready" doc:"Containers and sidecars that are ready"`
	Total     int       `json:"total" doc:"Containers and sidecars"`
	Restarts  int32     `json:"restarts"`
	Restarted time.Time `json:"restarted,omitzero" doc:"When the last of the restarts was"`
	IP        string    `json:"ip,omitempty"`
	Node      string    `json:"node,omitempty"`
	NodeIP    string    `json:"nodeIP,omitempty"`
	QoS       string    `json:"qos,omitempty"`
	Owner     string    `json:"owner,omitempty" doc:"Kind/name of the controller"`
	App       string    `json:"app,omitempty" doc:"Label app.kubernetes.io/name or app"`
	Created   time.Time `json:"created"`
}

// Port that a container declares.
type Port struct {
	Name     string `json:"name,omitempty"`
	Port     int32  `json:"port"`
	Protocol string `json:"protocol"`
}

// EnvVar of a container. A value that comes from elsewhere is shown as a
// reference: a Secret's content never leaves the API server through this page.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	From  string `json:"from,omitempty" doc:"Reference, such as secret web/password or field status.podIP"`
}

// Mount of a volume in a container.
type Mount struct {
	Container string `json:"container"`
	Path      string `json:"path"`
	SubPath   string `json:"subPath,omitempty"`
	ReadOnly  bool   `json:"readOnly"`
}

// Volume of a pod with its mounts.
type Volume struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Source string  `json:"source,omitempty"`
	Mounts []Mount `json:"mounts"`
}

// Container of a pod; Kind is container, init or ephemeral.
type Container struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind" enum:"container,init,ephemeral"`
	Image    string     `json:"image"`
	State    string     `json:"state" enum:"running,waiting,terminated,unknown"`
	Reason   string     `json:"reason,omitempty"`
	Message  string     `json:"message,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	ExitCode *int32     `json:"exitCode,omitempty" doc:"Of a container that has terminated"`
	Ready    bool       `json:"ready"`
	Restarts int32      `json:"restarts"`
	// LastEnd is how the life before ended.
	LastEnd *ContainerEnd `json:"lastEnd,omitempty" doc:"How the life before ended"`
	Ports   []Port        `json:"ports"`
	Env     []EnvVar      `json:"env"`

	// sidecar: an init container that runs along.
	sidecar bool
}

// ContainerEnd is how one life of a container ended.
type ContainerEnd struct {
	Reason   string    `json:"reason,omitempty"`
	Message  string    `json:"message,omitempty"`
	ExitCode int32     `json:"exitCode"`
	At       time.Time `json:"at"`
}

// PodDetail is one pod with everything that the detail page shows.
type PodDetail struct {
	Pod
	UID          string            `json:"uid"`
	Workload     string            `json:"workload,omitempty" doc:"Kind/name of what the pod belongs to in the end, such as Deployment/web"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Containers   []Container       `json:"containers"`
	Volumes      []Volume          `json:"volumes"`
	Conditions   []Condition       `json:"conditions"`
	NodeSelector map[string]string `json:"nodeSelector"`
	Tolerations  []string          `json:"tolerations"`
	Scheduler    string            `json:"scheduler,omitempty"`
	Priority     string            `json:"priority,omitempty"`
	Account      string            `json:"account,omitempty"`
}

// PodOf turns a Kubernetes pod into a row.
func PodOf(p *corev1.Pod) Pod {
	status := podStatusOf(p)
	out := Pod{
		Namespace: p.Namespace, Name: p.Name, Status: status.status, Ready: status.ready, Total: status.total,
		Restarts: status.restarts.count, IP: p.Status.PodIP, Node: p.Spec.NodeName,
		NodeIP: p.Status.HostIP, QoS: string(p.Status.QOSClass), Created: p.CreationTimestamp.Time,
		App: cmp.Or(p.Labels["app.kubernetes.io/name"], p.Labels["app"]),
	}
	if out.Restarts > 0 {
		out.Restarted = status.restarts.last
	}
	for _, o := range p.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			out.Owner = o.Kind + "/" + o.Name
		}
	}
	return out
}

// PodDetailOf turns a Kubernetes pod into its detail page.
func PodDetailOf(p *corev1.Pod) PodDetail {
	d := PodDetail{
		Pod: PodOf(p), UID: string(p.UID),
		Labels: orEmpty(p.Labels), Annotations: orEmpty(p.Annotations),
		Containers: containersOf(p), Volumes: volumesOf(p),
		Conditions:   make([]Condition, 0, len(p.Status.Conditions)),
		NodeSelector: orEmpty(p.Spec.NodeSelector), Tolerations: make([]string, 0, len(p.Spec.Tolerations)),
		Scheduler: p.Spec.SchedulerName, Priority: p.Spec.PriorityClassName, Account: p.Spec.ServiceAccountName,
	}
	for _, c := range p.Status.Conditions {
		d.Conditions = append(d.Conditions, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason,
			Message: c.Message, Since: c.LastTransitionTime.Time,
		})
	}
	for _, t := range p.Spec.Tolerations {
		d.Tolerations = append(d.Tolerations, tolerationText(t))
	}
	return d
}

func containersOf(p *corev1.Pod) []Container {
	out := []Container{}
	add := func(kind string, specs []corev1.Container, statuses []corev1.ContainerStatus) {
		for i := range specs {
			out = append(out, containerOf(kind, &specs[i], statuses))
		}
	}
	add("init", p.Spec.InitContainers, p.Status.InitContainerStatuses)
	add("container", p.Spec.Containers, p.Status.ContainerStatuses)
	for i := range p.Spec.EphemeralContainers {
		c := corev1.Container(p.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		out = append(out, containerOf("ephemeral", &c, p.Status.EphemeralContainerStatuses))
	}
	return out
}

func containerOf(kind string, c *corev1.Container, statuses []corev1.ContainerStatus) Container {
	out := Container{Name: c.Name, Kind: kind, Image: c.Image, State: "unknown", Ports: []Port{}, Env: []EnvVar{}}
	out.sidecar = isSidecar(c)
	for _, p := range c.Ports {
		out.Ports = append(out.Ports, Port{Name: p.Name, Port: p.ContainerPort, Protocol: string(p.Protocol)})
	}
	for _, e := range c.Env {
		out.Env = append(out.Env, EnvVar{Name: e.Name, Value: e.Value, From: referenceOf(e.ValueFrom)})
	}
	for _, from := range c.EnvFrom {
		switch {
		case from.SecretRef != nil:
			out.Env = append(out.Env, EnvVar{Name: from.Prefix + "*", From: "secret " + from.SecretRef.Name})
		case from.ConfigMapRef != nil:
			out.Env = append(out.Env, EnvVar{Name: from.Prefix + "*", From: "configmap " + from.ConfigMapRef.Name})
		}
	}
	for i := range statuses {
		if statuses[i].Name == c.Name {
			setContainerState(&out, &statuses[i])
		}
	}
	return out
}

func setContainerState(out *Container, s *corev1.ContainerStatus) {
	out.Ready, out.Restarts = s.Ready, s.RestartCount
	if t := s.LastTerminationState.Terminated; t != nil {
		out.LastEnd = &ContainerEnd{Reason: t.Reason, Message: t.Message, ExitCode: t.ExitCode, At: t.FinishedAt.Time}
	}
	switch {
	case s.State.Running != nil:
		t := s.State.Running.StartedAt.Time
		out.State, out.Started = "running", &t
	case s.State.Waiting != nil:
		out.State, out.Reason, out.Message = "waiting", s.State.Waiting.Reason, s.State.Waiting.Message
	case s.State.Terminated != nil:
		t := s.State.Terminated
		out.State, out.Reason, out.ExitCode = "terminated", t.Reason, &t.ExitCode
		out.Message = cmp.Or(t.Message, fmt.Sprintf("exit code %d", t.ExitCode))
	}
}

func referenceOf(s *corev1.EnvVarSource) string {
	switch {
	case s == nil:
		return ""
	case s.SecretKeyRef != nil:
		return "secret " + s.SecretKeyRef.Name + "/" + s.SecretKeyRef.Key
	case s.ConfigMapKeyRef != nil:
		return "configmap " + s.ConfigMapKeyRef.Name + "/" + s.ConfigMapKeyRef.Key
	case s.FieldRef != nil:
		return "field " + s.FieldRef.FieldPath
	case s.ResourceFieldRef != nil:
		return "resource " + s.ResourceFieldRef.Resource
	}
	return "reference"
}

func tolerationText(t corev1.Toleration) string {
	text := cmp.Or(t.Key, "*")
	if t.Operator != corev1.TolerationOpExists && t.Value != "" {
		text += "=" + t.Value
	}
	if t.Effect != "" {
		text += ":" + string(t.Effect)
	}
	if t.TolerationSeconds != nil {
		text += fmt.Sprintf(" for %ds", *t.TolerationSeconds)
	}
	return text
}
