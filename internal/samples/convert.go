package samples

import (
	"math"
	"time"
)

// column is a field of Sample: its name, the counter whose growth it is, if it is a
// rate, and how it is read.
type column struct {
	name  string
	rate  bool
	field Field
	// chart says that it is part of a history.
	chart bool
	value func(*Sample) *uint64
	per   func(*Sample) **float64
}

var columns = []column{
	{name: "cpuUsageNanoCores", field: CPUUsageNanoCores, chart: true, value: func(s *Sample) *uint64 { return s.CPUUsageNanoCores }},
	{name: "cpuUsageCoreNanoSeconds", field: CPUUsageCoreNanoSeconds, value: func(s *Sample) *uint64 { return s.CPUUsageCoreNanoSeconds }},
	{name: "memoryUsageBytes", field: MemoryUsageBytes, chart: true, value: func(s *Sample) *uint64 { return s.MemoryUsageBytes }},
	{name: "memoryWorkingSetBytes", field: MemoryWorkingSetBytes, chart: true, value: func(s *Sample) *uint64 { return s.MemoryWorkingSetBytes }},
	{name: "swapUsageBytes", field: SwapUsageBytes, chart: true, value: func(s *Sample) *uint64 { return s.SwapUsageBytes }},
	{name: "networkRxBytes", field: NetworkRxBytes, value: func(s *Sample) *uint64 { return s.NetworkRxBytes }},
	{name: "networkTxBytes", field: NetworkTxBytes, value: func(s *Sample) *uint64 { return s.NetworkTxBytes }},
	{name: "filesystemAvailableBytes", field: FilesystemAvailableBytes, value: func(s *Sample) *uint64 { return s.FilesystemAvailableBytes }},
	{name: "filesystemCapacityBytes", field: FilesystemCapacityBytes, value: func(s *Sample) *uint64 { return s.FilesystemCapacityBytes }},
	{name: "filesystemUsedBytes", field: FilesystemUsedBytes, chart: true, value: func(s *Sample) *uint64 { return s.FilesystemUsedBytes }},
	{name: "diskReadBytes", field: DiskReadBytes, value: func(s *Sample) *uint64 { return s.DiskReadBytes }},
	{name: "diskWriteBytes", field: DiskWriteBytes, value: func(s *Sample) *uint64 { return s.DiskWriteBytes }},
	{name: "diskReads", field: DiskReads, value: func(s *Sample) *uint64 { return s.DiskReads }},
	{name: "diskWrites", field: DiskWrites, value: func(s *Sample) *uint64 { return s.DiskWrites }},
	{name: "networkRxBytesPerSecond", rate: true, field: NetworkRxBytes, chart: true, per: func(s *Sample) **float64 { return &s.NetworkRxBytesPerSecond }},
	{name: "networkTxBytesPerSecond", rate: true, field: NetworkTxBytes, chart: true, per: func(s *Sample) **float64 { return &s.NetworkTxBytesPerSecond }},
	{name: "diskReadBytesPerSecond", rate: true, field: DiskReadBytes, chart: true, per: func(s *Sample) **float64 { return &s.DiskReadBytesPerSecond }},
	{name: "diskWriteBytesPerSecond", rate: true, field: DiskWriteBytes, chart: true, per: func(s *Sample) **float64 { return &s.DiskWriteBytesPerSecond }},
	{name: "diskReadsPerSecond", rate: true, field: DiskReads, chart: true, per: func(s *Sample) **float64 { return &s.DiskReadsPerSecond }},
	{name: "diskWritesPerSecond", rate: true, field: DiskWrites, chart: true, per: func(s *Sample) **float64 { return &s.DiskWritesPerSecond }},
}

// ChartColumns are the names of the columns of a History.
func ChartColumns() []string {
	var out []string
	for _, c := range columns {
		if c.chart {
			out = append(out, c.name)
		}
	}
	return out
}

// sampleOf turns the last of some points into its API form. The others are for the
// rates: the counters of two points in a row may be one and the same measurement.
func sampleOf(points []Point) Sample {
	p := &points[len(points)-1]
	s := Sample{
		Time:                     p.time(),
		CPUUsageNanoCores:        p.pointer(CPUUsageNanoCores),
		CPUUsageCoreNanoSeconds:  p.pointer(CPUUsageCoreNanoSeconds),
		MemoryUsageBytes:         p.pointer(MemoryUsageBytes),
		MemoryWorkingSetBytes:    p.pointer(MemoryWorkingSetBytes),
		SwapUsageBytes:           p.pointer(SwapUsageBytes),
		NetworkRxBytes:           p.pointer(NetworkRxBytes),
		NetworkTxBytes:           p.pointer(NetworkTxBytes),
		FilesystemAvailableBytes: p.pointer(FilesystemAvailableBytes),
		FilesystemCapacityBytes:  p.pointer(FilesystemCapacityBytes),
		FilesystemUsedBytes:      p.pointer(FilesystemUsedBytes),
		DiskReadBytes:            p.pointer(DiskReadBytes),
		DiskWriteBytes:           p.pointer(DiskWriteBytes),
		DiskTotalBytes:           p.sum(DiskReadBytes, DiskWriteBytes),
		DiskReads:                p.pointer(DiskReads),
		DiskWrites:               p.pointer(DiskWrites),
		DiskOperations:           p.sum(DiskReads, DiskWrites),
		Filesystems:              p.Filesystems,
	}
	for _, c := range columns {
		if !c.rate {
			continue
		}
		i := len(points) - 2
		for i >= 0 && points[i].timeOf(c.field) >= p.timeOf(c.field) {
			i--
		}
		if i < 0 {
			continue
		}
		if v, ok := Rate(&points[i], p, c.field); ok {
			*c.per(&s) = &v
		}
	}
	return s
}

// missing lists what the newest sample lacks. A rate that lacks only its second
// sample is told apart from a figure that the node does not report.
func missing(s *Sample, p *Point) []Missing {
	out := []Missing{}
	for _, c := range columns {
		if c.rate {
			if _, counted := p.Get(c.field); *c.per(s) == nil {
				out = append(out, missingRate(c.name, counted))
			}
			continue
		}
		if c.value(s) == nil {
			out = append(out, Missing{Field: c.name, Cause: CauseNotReported, Message: notReported(c.field)})
		}
	}
	return out
}

func missingRate(name string, counted bool) Missing {
	if counted {
		return Missing{Field: name, Cause: CauseOneSample, Message: "a rate needs two samples; the next one follows shortly"}
	}
	return Missing{Field: name, Cause: CauseNotReported, Message: "the node reports no counter for it"}
}

func notReported(f Field) string {
	switch f {
	case SwapUsageBytes:
		return "the node's kubelet reports no swap"
	case DiskReadBytes, DiskWriteBytes, DiskReads, DiskWrites:
		return "cAdvisor reports disk I/O of a container once it did some; buffered writes count only with cgroup v2"
	}
	return "the node's kubelet does not report it for this object"
}

// objectOf builds an answer from points, oldest first.
func objectOf(name string, points []Point, history *span) Object {
	o := Object{Name: name, Recent: []Sample{}, Unavailable: []Missing{}}
	for i := max(0, len(points)-RecentCount); i < len(points); i++ {
		o.Recent = append(o.Recent, sampleOf(points[:i+1]))
	}
	if n := len(points); n > 0 {
		o.Unavailable = missing(&o.Recent[len(o.Recent)-1], &points[n-1])
	}
	if history != nil {
		o.History = historyOf(points, *history)
	}
	return o
}

// span of a history. Points further apart than gap have a gap between them.
type span struct {
	from, to time.Time
	gap      time.Duration
}

// historyOf puts points into columns, with a row of nulls where samples are missing.
func historyOf(points []Point, r span) *History {
	h := &History{Source: "memory", FromMs: r.from.UnixMilli(), ToMs: r.to.UnixMilli(), TimesMs: []int64{}, Series: map[string][]*float64{}}
	first := 0 // since the last gap: a rate over one would hide it
	for i := range points {
		p := &points[i]
		gap := i > 0 && p.At-points[i-1].At > r.gap.Milliseconds()
		if gap {
			first = i
		}
		if p.At < h.FromMs || p.At > h.ToMs {
			continue
		}
		if gap && len(h.TimesMs) > 0 {
			h.row(points[i-1].At+(p.At-points[i-1].At)/2, nil)
		}
		s := sampleOf(points[first : i+1])
		h.row(p.At, &s)
	}
	for _, c := range columns {
		if c.chart && h.Series[c.name] == nil {
			h.Series[c.name] = []*float64{}
		}
	}
	return h
}

// row adds one time; nil is a gap.
func (h *History) row(at int64, s *Sample) {
	h.TimesMs = append(h.TimesMs, at)
	for _, c := range columns {
		if !c.chart {
			continue
		}
		var v *float64
		switch {
		case s == nil:
		case c.rate:
			v = rounded(*c.per(s))
		case c.value(s) != nil:
			f := float64(*c.value(s))
			v = &f
		}
		h.Series[c.name] = append(h.Series[c.name], v)
	}
}

// rounded keeps charts' answers short: no screen shows a tenth of a byte.
func rounded(v *float64) *float64 {
	if v == nil {
		return nil
	}
	r := math.Round(*v*100) / 100
	return &r
}
