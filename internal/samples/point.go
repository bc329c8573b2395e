package samples

import "time"

// Field of a Point.
type Field uint8

// The fields that are stored; rates and totals follow from them.
const (
	CPUUsageNanoCores Field = iota
	CPUUsageCoreNanoSeconds
	MemoryUsageBytes
	MemoryWorkingSetBytes
	SwapUsageBytes
	NetworkRxBytes
	NetworkTxBytes
	FilesystemAvailableBytes
	FilesystemCapacityBytes
	FilesystemUsedBytes
	DiskReadBytes
	DiskWriteBytes
	DiskReads
	DiskWrites
	fieldCount
)

// Point is one stored sample: a fifth of what the API's Sample takes.
type Point struct {
	// At is when CPU and memory were measured; NetworkAt and DiskAt when those
	// counters were, which rates need. All in milliseconds.
	At, NetworkAt, DiskAt int64
	values                [fieldCount]uint64
	has                   uint16
	Filesystems           []Filesystem
}

// Set gives a field a value; nil leaves it absent.
func (p *Point) Set(f Field, v *uint64) {
	if v != nil {
		p.values[f] = *v
		p.has |= 1 << f
	}
}

// Get a field's value.
func (p *Point) Get(f Field) (uint64, bool) { return p.values[f], p.has&(1<<f) != 0 }

func (p *Point) pointer(f Field) *uint64 {
	v, ok := p.Get(f)
	if !ok {
		return nil
	}
	return &v
}

// timeOf says when a counter was measured.
func (p *Point) timeOf(f Field) int64 {
	switch f {
	case NetworkRxBytes, NetworkTxBytes:
		return p.NetworkAt
	case DiskReadBytes, DiskWriteBytes, DiskReads, DiskWrites:
		return p.DiskAt
	}
	return p.At
}

// Rate is a counter's growth per second between two points. A counter that fell
// was restarted, and what it shows now has grown since. There is no rate when one
// of the points lacks the counter or no time passed.
func Rate(before, after *Point, f Field) (float64, bool) {
	v0, ok0 := before.Get(f)
	v1, ok1 := after.Get(f)
	passed := after.timeOf(f) - before.timeOf(f)
	if !ok0 || !ok1 || passed <= 0 {
		return 0, false
	}
	grown := v1 - v0
	if v1 < v0 {
		grown = v1
	}
	return float64(grown) * 1000 / float64(passed), true
}

// sum of two fields; absent when one of them is.
func (p *Point) sum(a, b Field) *uint64 {
	x, okX := p.Get(a)
	y, okY := p.Get(b)
	if !okX || !okY {
		return nil
	}
	total := x + y
	return &total
}

func (p *Point) time() time.Time { return time.UnixMilli(p.At).UTC() }
