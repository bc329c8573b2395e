package hosts

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hungry makes a copy of this test program a process of the host that its value
// describes, see beHungry.
const hungry = "EDGEWAY_HUNGRY"

func TestMain(m *testing.M) {
	if os.Getenv(hungry) != "" {
		if err := beHungry(os.Getenv(hungry)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// held keeps memory from the garbage collector.
var held [][]byte

// beHungry enters a cgroup of every hierarchy and says so. Then it follows orders: MiB to
// hold in addition, or milliseconds to compute. The answer is the CPUs that it had meanwhile.
func beHungry(cgroup string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.WriteFile(filepath.Join(root, cgroup, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	fmt.Println("in")
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		wall, cpu := time.Now(), cpuTime()
		what, text, _ := strings.Cut(orders.Text(), " ")
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if what == "hold" {
			b := make([]byte, n<<20)
			for i := 0; i < len(b); i += os.Getpagesize() {
				b[i] = 1
			}
			held = append(held, b)
		} else {
			for end := time.Now().Add(time.Duration(n) * time.Millisecond); time.Now().Before(end); {
			}
		}
		fmt.Println(float64(cpuTime()-cpu) / float64(time.Since(wall)))
	}
	return orders.Err()
}

// cpuTime is the time that this process has computed.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// eater is a hungry process.
type eater struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// feed starts a process in a cgroup below the host's.
func feed(t *testing.T, h Host, below string) *eater {
	t.Helper()
	e := &eater{cmd: exec.Command(os.Args[0])}
	e.cmd.Env = append(os.Environ(), hungry+"="+h.Cgroup()+"/"+below)
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	e.cmd.Stderr = os.Stderr
	var err error
	if e.in, err = e.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.out = bufio.NewScanner(out)
	// Pdeathsig is sent when the thread that started the process ends.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.end)
	if !e.out.Scan() {
		t.Fatalf("a process for %s did not start: %v", below, e.cmd.Wait())
	}
	return e
}

// end is harmless for a process that has ended.
func (e *eater) end() {
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
}

// does gives an order; false says that the process was killed over it.
func (e *eater) does(t *testing.T, order string) bool {
	t.Helper()
	if _, err := fmt.Fprintln(e.in, order); err != nil {
		t.Fatal(err)
	}
	if e.out.Scan() {
		return true
	}
	var exit *exec.ExitError
	if err := e.cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%q: the process ended: %v, want SIGKILL or an answer", order, err)
	}
	return false
}

// pod is where the kubelet of a host would put a pod.
const pod = "kubepods/burstable/pod1"

// limitHost makes the cgroups of a host, one of a pod's among them.
func limitHost(t *testing.T) Host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test makes cgroups: run it as root")
	}
	_, err := os.Stat(firstRoot(t) + CgroupRoot)
	fresh := errors.Is(err, fs.ErrNotExist)
	h := Host{Name: fmt.Sprintf("limits-%d", os.Getpid())}
	if err := h.makeCgroups(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := KillCgroup(h.Cgroup()); err != nil {
			t.Error(err)
		}
		if fresh {
			if err := removeCgroup(CgroupRoot); err != nil {
				t.Error(err)
			}
		}
	})
	makePod(t, h)
	return h
}

func firstRoot(t *testing.T) string {
	t.Helper()
	roots, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	return roots[0]
}

func makePod(t *testing.T, h Host) {
	t.Helper()
	roots, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range roots {
		dir := filepath.Join(root, h.Cgroup())
		for _, part := range strings.Split(pod, "/") {
			parent := dir
			dir = filepath.Join(dir, part)
			if err := errors.Join(delegate(parent), os.Mkdir(dir, 0o755), copyCpuset(parent, dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func setLimits(t *testing.T, h Host, l Limits) {
	t.Helper()
	if err := h.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Limits(); err != nil || got != l {
		t.Fatalf("limits are %v, %v; want %v", got, err, l)
	}
}

// A process of the host and one of a pod, each there before the limit or after it, get
// no more memory than the limit, and all that they want once it is off.
func TestMemoryLimit(t *testing.T) {
	h := limitHost(t)
	for _, below := range []string{systemLeaf, pod} {
		before := feed(t, h, below)
		if !before.does(t, "hold 16") {
			t.Fatalf("%s: 16 MiB without a limit: killed", below)
		}
		setLimits(t, h, Limits{Memory: 64 << 20})
		if before.does(t, "hold 128") {
			t.Errorf("%s: a process from before the limit holds 144 MiB of 64", below)
		}
		after := feed(t, h, below)
		if after.does(t, "hold 128") {
			t.Errorf("%s: a process from after the limit holds 128 MiB of 64", below)
		}
		setLimits(t, h, Limits{})
		free := feed(t, h, below)
		if !free.does(t, "hold 128") {
			t.Errorf("%s: 128 MiB with the limit off: killed", below)
		}
		free.end()
	}
}

// A limit below what cannot be freed is refused, and the limit before stays.
func TestMemoryLimitBelowUse(t *testing.T) {
	h := limitHost(t)
	if !feed(t, h, pod).does(t, "hold 64") {
		t.Fatal("64 MiB without a limit: killed")
	}
	before := Limits{Memory: 256 << 20, CPU: 500}
	setLimits(t, h, before)
	err := h.SetLimits(Limits{Memory: 16 << 20, CPU: 200})
	if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "--memory 16Mi") || !strings.Contains(err.Error(), "give more") {
		t.Errorf("error %v, want ErrLimit with flag, value and remedy", err)
	}
	if got, err := h.Limits(); err != nil || got != before {
		t.Errorf("limits are %v, %v; want those of before, %v", got, err, before)
	}
}

// Processes of the host and of a pod are held to the limit, and not when it is off.
func TestCPULimit(t *testing.T) {
	h := limitHost(t)
	throttled := func() int64 {
		text, err := h.group("cpu").read("cpu.stat")
		if err != nil {
			t.Fatal(err)
		}
		return field(text, "nr_throttled")
	}
	for _, below := range []string{systemLeaf, pod} {
		e := feed(t, h, below)
		setLimits(t, h, Limits{CPU: 200})
		count := throttled()
		e.does(t, "compute 1000")
		share, err := strconv.ParseFloat(e.out.Text(), 64)
		if err != nil {
			t.Fatal(err)
		}
		if share > 0.4 || throttled() == count {
			t.Errorf("%s: computing with 0.2 CPU took %.2f CPU and was stopped %d times", below, share, throttled()-count)
		}
		setLimits(t, h, Limits{})
		count = throttled()
		e.does(t, "compute 300")
		if n := throttled() - count; n != 0 {
			t.Errorf("%s: computing with the limit off was stopped %d times", below, n)
		}
	}
}

// On cgroup v1 the kernel refuses a host less than a pod of it may use.
func TestCPULimitBelowPods(t *testing.T) {
	h := limitHost(t)
	g := h.group("cpu")
	if err := (group{filepath.Join(g.dir, pod), g.unified}).setCPU(1000); err != nil {
		t.Fatal(err)
	}
	before := Limits{Memory: 256 << 20}
	setLimits(t, h, before)
	err := h.SetLimits(Limits{Memory: 128 << 20, CPU: 500})
	if g.unified {
		if err != nil {
			t.Errorf("cgroup v2 bounds pods by the host's limit: %v", err)
		}
		return
	}
	if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "--cpu 0.5") || !strings.Contains(err.Error(), "pod1 may use 1;") || !strings.Contains(err.Error(), "give at least 1") {
		t.Errorf("error %v, want ErrLimit with flag, value, pod and remedy", err)
	}
	if got, err := h.Limits(); err != nil || got != before {
		t.Errorf("limits are %v, %v; want those of before, %v", got, err, before)
	}
}

// A host that went down comes up without the limits that it had.
func TestLimitsGoWithTheHost(t *testing.T) {
	h := limitHost(t)
	setLimits(t, h, Limits{Memory: 64 << 20, CPU: 250})
	feed(t, h, systemLeaf)
	if err := KillCgroup(h.Cgroup()); err != nil {
		t.Fatal(err)
	}
	if err := h.makeCgroups(); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Limits(); err != nil || got != (Limits{}) {
		t.Errorf("limits of a new host are %v, %v; want none", got, err)
	}
}

// A kernel without a controller refuses its limit, and is as good as any without it.
func TestLimitWithoutController(t *testing.T) {
	for _, unified := range []bool{false, true} {
		g := group{t.TempDir(), unified}
		if err := g.setMemory(1 << 30); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("v2 %v: memory: %v, want that the file does not exist", unified, err)
		}
		if err := g.setCPU(500); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("v2 %v: CPU: %v, want that the file does not exist", unified, err)
		}
		if left, err := os.ReadDir(g.dir); err != nil || len(left) != 0 {
			t.Errorf("v2 %v: files %v, %v; want none", unified, left, err)
		}
	}
	h := Host{Name: fmt.Sprintf("nowhere-%d", os.Getpid())}
	if got, err := h.Limits(); err != nil || got != (Limits{}) {
		t.Errorf("limits %v, %v; want none", got, err)
	}
	for flag, l := range map[string]Limits{"--memory": {Memory: 1 << 30}, "--cpu": {CPU: 500}} {
		if err := h.SetLimits(l); !errors.Is(err, ErrLimit) || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%v: error %v, want ErrLimit that names %s", l, err, flag)
		}
	}
	if err := h.SetLimits(Limits{}); err != nil {
		t.Errorf("no limits: %v", err)
	}
}

// The files of cgroup v2 hold the limits in their own form.
func TestLimitFilesOfV2(t *testing.T) {
	g := group{t.TempDir(), true}
	for file, text := range map[string]string{
		"memory.max": "max\n", "memory.swap.max": "max\n", "cpu.max": "max 100000\n", "memory.stat": "anon 4194304\nfile 99\nshmem 4194304\n",
	} {
		if err := os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if memory, err := g.memory(); err != nil || memory != 0 {
		t.Errorf("memory.max is max: %d, %v", memory, err)
	}
	if cpu, err := g.cpu(); err != nil || cpu != 0 {
		t.Errorf("cpu.max is max: %d, %v", cpu, err)
	}
	if err := g.setMemory(7 << 20); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("7 MiB with 8 in use: %v, want EBUSY instead of killing", err)
	}
	if err := errors.Join(g.setMemory(1<<30), g.setCPU(500)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"memory.max": "1073741824", "memory.swap.max": "0", "cpu.max": "50000"} {
		// A plain file keeps what was behind the text; the kernel does not.
		if got, err := g.read(file); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, %v; want %q", file, got, err, want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	for text, want := range map[string]int64{"512Mi": 512 << 20, "1G": 1e9, "1.5Gi": 3 << 29} {
		if got, err := ParseMemory(text); err != nil || got != want {
			t.Errorf("--memory %s: %d, %v; want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{"0.5": 500, "500m": 500, "1": 1000, "0.01": 10} {
		if got, err := ParseCPU(text); err != nil || got != want {
			t.Errorf("--cpu %s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "512Mib", "0", "-1Gi", "100", "1000Ti", "0.5"} {
		if _, err := ParseMemory(text); err == nil || !strings.HasPrefix(err.Error(), "--memory") || !strings.Contains(err.Error(), "give a size") {
			t.Errorf("--memory %q: error %v, want one with flag and remedy", text, err)
		}
	}
	for _, text := range []string{"", "half", "0", "-1", "0.001", "0.0105", "100000", "50%"} {
		if _, err := ParseCPU(text); err == nil || !strings.HasPrefix(err.Error(), "--cpu") || !strings.Contains(err.Error(), "give 0.01") {
			t.Errorf("--cpu %q: error %v, want one with flag and remedy", text, err)
		}
	}
}
