package settings

// Port numbers of CloudCore's containers, which are the same for every service type.
const (
	ContainerWebSocket = 10000
	ContainerQUIC      = 10001
	ContainerHTTPS     = 10002
	ContainerStream    = 10003
	ContainerTunnel    = 10004
)

// nodePortOffset turns a container port into the default NodePort.
const nodePortOffset = 21000

// Default images.
const (
	ImageCloudCore        = "kubeedge/cloudcore:v1.23.1"
	ImageEdgeWatcher      = "edgeway/edge-watcher:v0.1.0"
	ImageIptablesOperator = "edgeway/iptables-operator:v0.1.0"
	ImageStreamGate       = "edgeway/stream-gate:v0.1.0"
	ImageProbe            = "edgeway/probe:v0.1.0"
)

// defaultPort of a service whose container listens on containerPort.
func defaultPort(t ServiceType, containerPort int) int {
	if t == LoadBalancer {
		return containerPort
	}
	return containerPort + nodePortOffset
}

// Default settings for a service type, with every port filled in.
func Default(t ServiceType) Settings {
	s := Settings{
		ServiceType: t,
		CloudHub: CloudHub{
			AdvertiseAddress: []string{},
			NodeLimit:        100,
			Authorization:    true,
			WebSocket:        EdgePort{Enable: true},
			HTTPS:            EdgePort{Enable: true},
		},
		CloudStream: CloudStream{Enable: true},
		EdgeWatcher: EdgeWatcher{LogPort: 10350, MetricsPort: 10250, ServiceCIDRs: []string{}},
		StreamGuard: StreamGuard{Enable: true},

		IptablesOperator: IptablesOperator{Backend: BackendAuto},
		Images: Images{
			CloudCore:        ImageCloudCore,
			EdgeWatcher:      ImageEdgeWatcher,
			IptablesOperator: ImageIptablesOperator,
			StreamGate:       ImageStreamGate,
			Probe:            ImageProbe,
			PullPolicy:       "IfNotPresent",
			PullSecrets:      []string{},
		},
		Pods: Pods{
			// On a busy node the processors are shared by requests: with less, a changed
			// route waits for its turn.
			CloudCore:        defaultPod("100m", "128Mi", controlPlane()),
			EdgeWatcher:      defaultPod("100m", "64Mi", controlPlane()),
			IptablesOperator: defaultPod("100m", "32Mi", []Toleration{{Operator: "Exists"}}),
		},
		Cluster: Cluster{AdvertiseAddress: []string{}},
	}
	return s.Complete()
}

func defaultPod(cpu, memory string, tolerations []Toleration) Pod {
	return Pod{
		Resources: Resources{
			Requests: map[string]string{"cpu": cpu, "memory": memory},
			Limits:   map[string]string{},
		},
		NodeSelector: map[string]string{},
		Tolerations:  tolerations,
	}
}

// controlPlane tolerates what keeps ordinary pods off control-plane nodes, so
// that a cluster of nothing but control planes can run KubeEdge too.
func controlPlane() []Toleration {
	return []Toleration{
		{Key: "node-role.kubernetes.io/control-plane", Operator: "Exists", Effect: "NoSchedule"},
		{Key: "node-role.kubernetes.io/master", Operator: "Exists", Effect: "NoSchedule"},
	}
}

// Complete returns s with every zero port replaced by the default of its
// service type, and absent lists and maps by empty ones.
func (s Settings) Complete() Settings {
	for _, p := range s.portFields() {
		if *p.port == 0 {
			*p.port = defaultPort(s.ServiceType, p.container)
		}
	}
	if s.EdgeWatcher.DestinationAddress != "" && s.EdgeWatcher.DestinationPort == 0 {
		s.EdgeWatcher.DestinationPort = s.CloudStream.Port
	}
	if s.IptablesOperator.Backend == "" { // a release from before there was a choice
		s.IptablesOperator.Backend = BackendAuto
	}
	for _, list := range []*[]string{
		&s.CloudHub.AdvertiseAddress, &s.Cluster.AdvertiseAddress, &s.EdgeWatcher.ServiceCIDRs,
		&s.Images.PullSecrets,
	} {
		if *list == nil {
			*list = []string{}
		}
	}
	for _, p := range []*Pod{&s.Pods.CloudCore, &s.Pods.EdgeWatcher, &s.Pods.IptablesOperator} {
		completePod(p)
	}
	return s
}

func completePod(p *Pod) {
	for _, m := range []*map[string]string{&p.NodeSelector, &p.Resources.Requests, &p.Resources.Limits} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	if p.Tolerations == nil {
		p.Tolerations = []Toleration{}
	}
}

// WithServiceType changes the service type. Ports that still have the default
// of the old type follow to the default of the new one; chosen ones stay.
func (s Settings) WithServiceType(t ServiceType) Settings {
	old := s.ServiceType
	s.ServiceType = t
	for _, p := range s.portFields() {
		if *p.port == 0 || *p.port == defaultPort(old, p.container) {
			*p.port = defaultPort(t, p.container)
		}
	}
	s.Cluster.AdvertiseAddress = []string{}
	return s
}
