package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Limits bound what all processes of a host use together. Zero is no limit.
type Limits struct {
	// Memory in bytes, page cache included. Swap is no way around it.
	Memory int64
	// CPU in thousandths of one CPU.
	CPU int64
}

// ErrLimit is returned for a limit that the kernel cannot keep.
var ErrLimit = errors.New("the kernel cannot keep this limit")

// minCPU is the least that the kernel's scheduler hands out: 1 ms of every 100 ms.
const minCPU = 10

// ParseMemory reads a size such as 512Mi.
func ParseMemory(text string) (int64, error) {
	total, err := machineMemory()
	if err != nil {
		return 0, err
	}
	remedy := fmt.Sprintf("give a size such as 512Mi, at most the machine's %s", sizeText(total))
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, fmt.Errorf("--memory %q is not a size: %s", text, remedy)
	}
	if n := q.Value(); n >= int64(os.Getpagesize()) && n <= total {
		return n, nil
	}
	return 0, fmt.Errorf("--memory %s: %s", text, remedy)
}

// ParseCPU reads a number of CPUs such as 0.5 or 500m.
func ParseCPU(text string) (int64, error) {
	remedy := fmt.Sprintf("give 0.01 to %d CPUs in steps of 0.001, such as 0.5", runtime.NumCPU())
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, fmt.Errorf("--cpu %q is not a number of CPUs: %s", text, remedy)
	}
	n := q.MilliValue()
	if n < minCPU || n > int64(runtime.NumCPU())*1000 || q.Cmp(*resource.NewMilliQuantity(n, resource.DecimalSI)) != 0 {
		return 0, fmt.Errorf("--cpu %s: %s", text, remedy)
	}
	return n, nil
}

func machineMemory() (int64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("reading the machine's memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}

func (l Limits) String() string {
	memory, cpu := "no limit", "no limit"
	if l.Memory > 0 {
		memory = sizeText(l.Memory)
	}
	if l.CPU > 0 {
		cpu = cpuText(l.CPU)
	}
	return "memory: " + memory + ", CPU: " + cpu
}

func sizeText(n int64) string {
	if n >= 1<<20 {
		n -= n % (1 << 20)
	}
	return resource.NewQuantity(n, resource.BinarySI).String()
}

func cpuText(milli int64) string { return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) }

// SetLimits puts limits on the host's cgroup, below which its services, its programs and
// its kubelet's pods are: those that run now and those that start later. When one limit
// is refused, the other is as before, too.
func (h Host) SetLimits(l Limits) error {
	before, err := h.Limits()
	if err != nil {
		return err
	}
	if err := h.setMemory(l.Memory); err != nil {
		return err
	}
	if err := h.setCPU(l.CPU); err != nil {
		return errors.Join(err, h.setMemory(before.Memory))
	}
	after, err := h.Limits()
	if err != nil {
		return err
	}
	// The kernel counts memory in pages.
	l.Memory -= l.Memory % int64(os.Getpagesize())
	if after != l {
		return fmt.Errorf("host %s: %w: %s was asked for, and it has %s", h.Name, ErrLimit, l, after)
	}
	return nil
}

// Limits reads the limits in force. A controller that the kernel does not have limits nothing.
func (h Host) Limits() (Limits, error) {
	var l Limits
	var err error
	if l.Memory, err = h.group("memory").memory(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l, fmt.Errorf("host %s: reading its memory limit: %w", h.Name, err)
	}
	if l.CPU, err = h.group("cpu").cpu(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l, fmt.Errorf("host %s: reading its CPU limit: %w", h.Name, err)
	}
	return l, nil
}

func (h Host) setMemory(bytes int64) error {
	g := h.group("memory")
	err := g.setMemory(bytes)
	if errors.Is(err, syscall.EBUSY) {
		used, usedErr := g.number(g.file("memory.usage_in_bytes", "memory.current"))
		if usedErr != nil {
			return errors.Join(err, usedErr)
		}
		return fmt.Errorf("--memory %s: %w: the processes of %s hold about %s that cannot be freed; give more, or end some of them",
			sizeText(bytes), ErrLimit, h.Name, sizeText(used))
	}
	if errors.Is(err, fs.ErrNotExist) {
		if bytes == 0 {
			return nil
		}
		return fmt.Errorf("--memory: %w: it has no memory controller (%w); boot it with cgroup_enable=memory", ErrLimit, err)
	}
	return err
}

func (h Host) setCPU(milli int64) error {
	g := h.group("cpu")
	err := g.setCPU(milli)
	if errors.Is(err, fs.ErrNotExist) {
		if milli == 0 {
			return nil
		}
		return fmt.Errorf("--cpu: %w: it does not limit CPU time (%w); use one with CONFIG_CFS_BANDWIDTH", ErrLimit, err)
	}
	if errors.Is(err, syscall.EINVAL) {
		most, at := g.mostCPU()
		if most > milli {
			return fmt.Errorf("--cpu %s: %w: with cgroup v1 a host has at least what one of its pods may use, and %s may use %s; give at least %s, or delete that pod",
				cpuText(milli), ErrLimit, at, cpuText(most), cpuText(most))
		}
	}
	return err
}

// group is a cgroup in the hierarchy of one controller.
type group struct {
	dir     string
	unified bool // cgroup v2
}

func (h Host) group(controller string) group {
	if _, err := os.Stat(cgroupFS + "/cgroup.controllers"); err == nil {
		return group{filepath.Join(cgroupFS, h.Cgroup()), true}
	}
	return group{filepath.Join(cgroupFS, controller, h.Cgroup()), false}
}

// file picks the name that a control file has with v1 or v2.
func (g group) file(v1, v2 string) string {
	if g.unified {
		return v2
	}
	return v1
}

func (g group) read(file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	return strings.TrimSpace(string(b)), err
}

func (g group) number(file string) (int64, error) {
	text, err := g.read(file)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Join(g.dir, file), err)
	}
	return n, nil
}

// write opens the file as it is: a controller that is not there has no file.
func (g group) write(file, text string) error {
	f, err := os.OpenFile(filepath.Join(g.dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (g group) memory() (int64, error) {
	text, err := g.read(g.file("memory.limit_in_bytes", "memory.max"))
	if err != nil || text == "max" {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if n >= 1<<62 {
		n = 0 // v1 says "no limit" by a number near the largest
	}
	return n, err
}

func (g group) setMemory(n int64) error {
	if g.unified {
		return g.setMemoryV2(n)
	}
	const memory, withSwap = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
	text := strconv.FormatInt(n, 10)
	if n == 0 {
		text = "-1"
	}
	before, err := g.read(memory)
	if err != nil {
		return err
	}
	// A kernel that does not count swap has no second file. It is never below the first.
	swapErr := g.write(withSwap, "-1")
	if swapErr != nil && !errors.Is(swapErr, fs.ErrNotExist) {
		return swapErr
	}
	if err = g.write(memory, text); err == nil && swapErr == nil {
		err = g.write(withSwap, text)
	}
	if err != nil && swapErr == nil {
		return errors.Join(err, g.write(memory, before), g.write(withSwap, before))
	}
	return err
}

// setMemoryV2 refuses itself what v1 refuses: version 2 kills until the rest fits.
func (g group) setMemoryV2(n int64) error {
	if n == 0 {
		return errors.Join(g.write("memory.max", "max"), g.writeIfThere("memory.swap.max", "max"))
	}
	stat, err := g.read("memory.stat")
	if err != nil {
		return err
	}
	if held := field(stat, "anon") + field(stat, "shmem"); held > n {
		return syscall.EBUSY
	}
	return errors.Join(g.write("memory.max", strconv.FormatInt(n, 10)), g.writeIfThere("memory.swap.max", "0"))
}

func (g group) writeIfThere(file, text string) error {
	err := g.write(file, text)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// field reads one line of a flat keyed file such as memory.stat; 0 when it is not there.
func field(text, key string) int64 {
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(line, " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && name == key {
			return n
		}
	}
	return 0
}

// cpu is the limit in thousandths of a CPU.
func (g group) cpu() (int64, error) {
	quota, period, err := g.bandwidth()
	if err != nil || quota <= 0 {
		return 0, err
	}
	return quota * 1000 / period, nil
}

// bandwidth is the time that the group may run in every period, in microseconds; a
// quota of -1 is no limit.
func (g group) bandwidth() (quota, period int64, err error) {
	if !g.unified {
		if quota, err = g.number("cpu.cfs_quota_us"); err != nil {
			return 0, 0, err
		}
		period, err = g.number("cpu.cfs_period_us")
		return quota, period, err
	}
	text, err := g.read("cpu.max")
	if err != nil {
		return 0, 0, err
	}
	if rest, ok := strings.CutPrefix(text, "max "); ok {
		text = "-1 " + rest
	}
	if _, err := fmt.Sscan(text, &quota, &period); err != nil {
		return 0, 0, fmt.Errorf("%s/cpu.max: %w", g.dir, err)
	}
	return quota, period, nil
}

func (g group) setCPU(milli int64) error {
	_, period, err := g.bandwidth()
	if err != nil {
		return err
	}
	quota := strconv.FormatInt(milli*period/1000, 10)
	switch {
	case milli == 0 && g.unified:
		return g.write("cpu.max", "max")
	case milli == 0:
		return g.write("cpu.cfs_quota_us", "-1")
	default:
		return g.write(g.file("cpu.cfs_quota_us", "cpu.max"), quota)
	}
}

// mostCPU is the highest limit of a cgroup below g, and that cgroup.
func (g group) mostCPU() (most int64, at string) {
	// A pod's group can go while we look.
	_ = filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == g.dir {
			return nil
		}
		if n, err := (group{path, g.unified}).cpu(); err == nil && n > most {
			most, at = n, path
		}
		return nil
	})
	return most, at
}
