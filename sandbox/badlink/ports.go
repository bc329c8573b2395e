package badlink

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Run makes the cable at an interface bad until ctx ends. The interface is no port of
// the bridge meanwhile; a TAP interface called tap is, and ends with the program.
func Run(ctx context.Context, wire, tap string, q Quality) error {
	cable, err := openWire(wire)
	if err != nil {
		return err
	}
	defer cable.Close()
	bridge, err := openTAP(tap)
	if err != nil {
		return err
	}
	defer bridge.Close()
	group, ctx := errgroup.WithContext(ctx)
	// Reading ends when the files are closed.
	stop := context.AfterFunc(ctx, func() { cable.Close(); bridge.Close() })
	defer stop()
	group.Go(func() error { return carry(ctx, cable, bridge, q) })
	group.Go(func() error { return carry(ctx, bridge, cable, q) })
	return group.Wait()
}

// openWire opens an interface for whole Ethernet frames (packet(7)).
func openWire(name string) (*os.File, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", name, err)
	}
	protocol := htons(unix.ETH_P_ALL)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return nil, fmt.Errorf("open interface %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	for _, set := range []func() error{
		func() error { return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: i.Index}) },
		func() error { return unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) },
		// Frames for the device at the other end, not for this host.
		func() error {
			return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(i.Index), Type: unix.PACKET_MR_PROMISC})
		},
	} {
		if err := set(); err != nil {
			f.Close()
			return nil, fmt.Errorf("open interface %s: %w", name, err)
		}
	}
	return f, nil
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TAP interface %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
