// Command burner uses a known amount of everything that is measured, so that what is
// reported can be held against the truth. It holds itself to its own clocks: on a
// busy machine it catches up, so that the mean stays what it was told.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	millicores := flag.Int("millicores", 200, "CPU to use, in thousandths of a core")
	memory := flag.Int("memory-mib", 64, "memory to hold, in `MiB`, this program's own included")
	file := flag.String("file", "", "file to write to, past the page cache; empty: none")
	disk := flag.Int("disk-bytes", 5_000_000, "`bytes` to write to it each second")
	to := flag.String("to", "", "host:port to send UDP packets to; empty: none")
	network := flag.Int("network-bytes", 1_000_000, "`bytes` to send each second, headers included")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := burn(ctx, *millicores, *memory, *file, *disk, *to, *network); err != nil {
		fmt.Fprintln(os.Stderr, "burner:", err)
		os.Exit(1)
	}
}

func burn(ctx context.Context, millicores, memory int, file string, disk int, to string, network int) error {
	held, err := hold(memory << 20)
	if err != nil {
		return err
	}
	errs := make(chan error, 2)
	if file != "" {
		go func() { errs <- writeDisk(ctx, file, disk) }()
	}
	if to != "" {
		go func() { errs <- send(ctx, to, network) }()
	}
	fmt.Println("burner: burning")
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for start, used0 := time.Now(), cpuTime(); ; {
		select {
		case <-ctx.Done():
			_ = held
			return nil
		case err := <-errs:
			return err
		case <-tick.C:
			// What the writer and the sender use counts as well.
			goal := used0 + time.Since(start)*time.Duration(millicores)/1000
			for cpuTime() < goal {
			}
		}
	}
}

// cpuTime of this process, all threads together.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // the clock is part of Linux
	}
	return time.Duration(t.Nano())
}

// hold maps memory until the process as a whole has so much in use, and touches it all.
func hold(size int) ([]byte, error) {
	resident, err := residentBytes()
	if err != nil {
		return nil, err
	}
	if size <= resident {
		return nil, fmt.Errorf("--memory-mib: the program alone uses %d MiB; ask for more", resident>>20)
	}
	block, err := unix.Mmap(-1, 0, size-resident, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size-resident, err)
	}
	for i := 0; i < len(block); i += os.Getpagesize() {
		block[i] = 1
	}
	return block, nil
}

// residentBytes that belong to nobody else: the program's text is shared and is
// charged to whoever read it first.
func residentBytes() (int, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var total, resident, shared int
	if _, err := fmt.Sscan(string(text), &total, &resident, &shared); err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return (resident - shared) * os.Getpagesize(), nil
}

const block = 100 << 10 // a multiple of every sector size

// writeDisk writes blocks with O_DIRECT, so that each is one the device sees, or two
// where the file's next extent begins within it: small blocks make that rare.
func writeDisk(ctx context.Context, path string, perSecond int) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_DIRECT, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(path)
	data, err := unix.Mmap(-1, 0, block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	_, _ = rand.Read(unsafe.Slice(&data[0], block)) // never fails
	const blocks = 80
	return paced(ctx, perSecond, block, func(n int) error {
		_, err := f.WriteAt(data, int64(n%blocks)*block)
		return err
	})
}

// headers of Ethernet, IP and UDP, which interfaces count.
const headers = 14 + 20 + 8

func send(ctx context.Context, to string, perSecond int) error {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	packet := make([]byte, 1250-headers)
	return paced(ctx, perSecond, len(packet)+headers, func(int) error {
		// Nobody has to listen: what counts is that it was sent.
		_, _ = conn.Write(packet)
		return nil
	})
}

// paced calls step, which moves size bytes, as often as it takes.
func paced(ctx context.Context, perSecond, size int, step func(n int) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	start, moved := time.Now(), 0
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for goal := int(time.Since(start).Seconds() * float64(perSecond)); moved+size <= goal; n++ {
			if err := step(n); err != nil {
				return err
			}
			moved += size
		}
	}
}
