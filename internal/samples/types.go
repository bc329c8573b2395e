package samples

import "time"

// The aggregated API under which edge-watcher serves samples.
const (
	Group      = "samples.edgeway.io"
	Version    = "v1alpha1"
	APIVersion = Group + "/" + Version
	// Path of the API at the apiserver.
	Path = "/apis/" + APIVersion
)

// RecentCount is how many samples of an object an answer holds at least once they
// were taken.
const RecentCount = 8

// Causes for which figures are not there.
const (
	// CauseNotReported: the kubelet reports no such figure of this object.
	CauseNotReported = "NotReported"
	// CauseOneSample: a rate needs two samples, and there is one.
	CauseOneSample = "OneSample"
	// CauseNoSample: nothing was sampled yet.
	CauseNoSample = "NoSample"
	// CauseTimeout: the node did not answer in time.
	CauseTimeout = "Timeout"
	// CauseUnreachable: the apiserver has no way to the node, or its tunnel is down.
	CauseUnreachable = "NodeUnreachable"
	// CauseNotFound: there is no such node or pod, or it runs nowhere yet.
	CauseNotFound = "NotFound"
	// CauseBadAnswer: something answered that is not the node's statistics.
	CauseBadAnswer = "BadAnswer"
	// CauseTooMany: more nodes would have to be sampled than are at once.
	CauseTooMany = "TooManyNodes"
	// CauseFailed: anything else; the message tells.
	CauseFailed = "Failed"
)

// Sample is what was measured of one object at one time. Absent fields were not
// reported. Counters count from the start of the object; rates are their growth
// since the sample before, across a restart of the counter too.
type Sample struct {
	Time time.Time `json:"time" doc:"When CPU and memory were measured"`

	CPUUsageNanoCores       *uint64 `json:"cpuUsageNanoCores,omitempty" doc:"CPU in use, in billionths of a core"`
	CPUUsageCoreNanoSeconds *uint64 `json:"cpuUsageCoreNanoSeconds,omitempty" doc:"CPU time used, a counter"`

	MemoryUsageBytes      *uint64 `json:"memoryUsageBytes,omitempty" doc:"Memory in use, page cache included"`
	MemoryWorkingSetBytes *uint64 `json:"memoryWorkingSetBytes,omitempty" doc:"Memory that cannot be reclaimed at once"`
	SwapUsageBytes        *uint64 `json:"swapUsageBytes,omitempty"`

	NetworkRxBytes          *uint64  `json:"networkRxBytes,omitempty" doc:"Bytes received, a counter. A container shares its pod's"`
	NetworkTxBytes          *uint64  `json:"networkTxBytes,omitempty" doc:"Bytes sent, a counter. A container shares its pod's"`
	NetworkRxBytesPerSecond *float64 `json:"networkRxBytesPerSecond,omitempty"`
	NetworkTxBytesPerSecond *float64 `json:"networkTxBytesPerSecond,omitempty"`

	FilesystemAvailableBytes *uint64 `json:"filesystemAvailableBytes,omitempty" doc:"Node: root filesystem. Pod: ephemeral storage. Container: its writable layer"`
	FilesystemCapacityBytes  *uint64 `json:"filesystemCapacityBytes,omitempty"`
	FilesystemUsedBytes      *uint64 `json:"filesystemUsedBytes,omitempty"`

	DiskReadBytes  *uint64 `json:"diskReadBytes,omitempty" doc:"Bytes read from block devices, a counter"`
	DiskWriteBytes *uint64 `json:"diskWriteBytes,omitempty" doc:"Bytes written to block devices, a counter"`
	DiskTotalBytes *uint64 `json:"diskTotalBytes,omitempty" doc:"Read and written"`
	DiskReads      *uint64 `json:"diskReads,omitempty" doc:"Read operations, a counter"`
	DiskWrites     *uint64 `json:"diskWrites,omitempty" doc:"Write operations, a counter"`
	DiskOperations *uint64 `json:"diskOperations,omitempty" doc:"Read and write operations"`

	DiskReadBytesPerSecond  *float64 `json:"diskReadBytesPerSecond,omitempty"`
	DiskWriteBytesPerSecond *float64 `json:"diskWriteBytesPerSecond,omitempty"`
	DiskReadsPerSecond      *float64 `json:"diskReadsPerSecond,omitempty"`
	DiskWritesPerSecond     *float64 `json:"diskWritesPerSecond,omitempty"`

	Filesystems []Filesystem `json:"filesystems,omitempty" doc:"Use of every filesystem or device"`
}

// Filesystem is the use of one device, volume or writable layer.
type Filesystem struct {
	Name           string  `json:"name" doc:"Device, name of the volume, rootfs or logs"`
	Kind           string  `json:"kind" enum:"device,volume,rootfs,logs,image"`
	AvailableBytes *uint64 `json:"availableBytes,omitempty"`
	CapacityBytes  *uint64 `json:"capacityBytes,omitempty"`
	UsedBytes      *uint64 `json:"usedBytes,omitempty"`
}

// Missing is a field that the newest sample does not have, with the cause.
type Missing struct {
	Field   string `json:"field"`
	Cause   string `json:"cause"`
	Message string `json:"message,omitempty"`
}

// History is a time range in columns: every list is as long as timesMs, and null is
// a gap.
type History struct {
	Source  string                `json:"source" enum:"memory,prometheus" doc:"Where the history comes from"`
	FromMs  int64                 `json:"fromMs" doc:"Start of the range asked for, in milliseconds since 1970"`
	ToMs    int64                 `json:"toMs"`
	TimesMs []int64               `json:"timesMs"`
	Series  map[string][]*float64 `json:"series" doc:"By name of a field of Sample"`
	Message string                `json:"message,omitempty" doc:"Why the source holds less than was asked for"`
}

// Object is a node, a pod or a container.
type Object struct {
	Name        string    `json:"name"`
	Recent      []Sample  `json:"recent" doc:"The most recent samples, oldest first"`
	Unavailable []Missing `json:"unavailable" doc:"Fields that the newest sample lacks"`
	History     *History  `json:"history,omitempty"`
}

// State says how the sampling of a node goes.
type State struct {
	Available bool       `json:"available" doc:"Whether the newest try gave a sample"`
	Cause     string     `json:"cause,omitempty"`
	Message   string     `json:"message,omitempty"`
	Tried     *time.Time `json:"tried,omitempty" doc:"Newest try"`
	Succeeded *time.Time `json:"succeeded,omitempty" doc:"Newest try that gave a sample"`
}

// NodeSamples are the samples of one node.
type NodeSamples struct {
	Type
	Metadata Meta   `json:"metadata"`
	State    State  `json:"state"`
	Node     Object `json:"node"`
	// Prometheus is whether longer ranges can be asked for.
	Prometheus bool `json:"prometheus" doc:"Whether a Prometheus is configured, which knows longer ranges"`
}

// PodSamples are the samples of one pod and its containers.
type PodSamples struct {
	Type
	Metadata   Meta     `json:"metadata"`
	NodeName   string   `json:"nodeName"`
	State      State    `json:"state"`
	Pod        Object   `json:"pod"`
	Containers []Object `json:"containers"`
	Prometheus bool     `json:"prometheus" doc:"Whether a Prometheus is configured, which knows longer ranges"`
}

// PodSamplesList holds every pod's newest samples, without history.
type PodSamplesList struct {
	Type
	Metadata Meta         `json:"metadata"`
	Items    []PodSamples `json:"items"`
}

// NodeTrend is a node's recent past in few points.
type NodeTrend struct {
	Metadata     Meta       `json:"metadata"`
	CPUNanoCores []*float64 `json:"cpuNanoCores"`
	MemoryBytes  []*float64 `json:"memoryBytes" doc:"Working set"`
}

// NodeTrendList has the nodes' recent past on one grid of times.
type NodeTrendList struct {
	Type
	Metadata Meta        `json:"metadata"`
	TimesMs  []int64     `json:"timesMs" doc:"Ends of the intervals that the points stand for"`
	Items    []NodeTrend `json:"items"`
	Message  string      `json:"message,omitempty" doc:"Why the newest interval may be empty"`
}

// Type is what Kubernetes' clients want of every object.
type Type struct {
	Kind       string `json:"kind,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
}

// Meta names an object.
type Meta struct {
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}
