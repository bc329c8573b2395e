package service

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

// unitName of EdgeCore, the same as keadm gives it: a device has only one.
const unitName = "edgecore"

type systemd struct{ at paths.Layout }

// %s is EdgeCore with its arguments.
const systemdUnit = `[Unit]
Description=KubeEdge EdgeCore
Wants=network-online.target
After=network-online.target containerd.service

[Service]
ExecStart=%s --config ` + paths.Config + `
Restart=always
RestartSec=5
# Pods outlive a restart of EdgeCore.
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`

func (*systemd) Name() string { return Systemd }

func (s *systemd) Files() []File {
	return []File{{Place: paths.SystemdUnit, Data: fmt.Appendf(nil, systemdUnit, s.at.EdgeCore()), Mode: 0o644}}
}

func (*systemd) Start(ctx context.Context) error {
	if err := run(ctx, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	return run(ctx, "systemctl", "enable", "--now", unitName)
}

func (s *systemd) Stop(ctx context.Context) error {
	known, err := succeeded(ctx, "systemctl", "cat", unitName)
	if err != nil || !known {
		return err
	}
	return run(ctx, "systemctl", "disable", "--now", unitName)
}

func (*systemd) Running(ctx context.Context) (bool, error) {
	return succeeded(ctx, "systemctl", "is-active", "--quiet", unitName)
}

func (*systemd) Log(ctx context.Context, w io.Writer, part Part) error {
	args := []string{"--no-pager", "-u", unitName, "-n", strconv.Itoa(part.Lines)}
	if !part.Since.IsZero() {
		args = append(args, fmt.Sprintf("--since=@%d", part.Since.Unix()))
	}
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	cmd.Stdout = w
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("reading EdgeCore's journal: %w", err)
	}
	return nil
}

type openrc struct{ at paths.Layout }

// %s is EdgeCore.
const openrcScript = `#!/sbin/openrc-run
description="KubeEdge EdgeCore"
supervisor=supervise-daemon
command=%s
command_args="--config ` + paths.Config + `"
respawn_delay=5
respawn_max=0
output_log=` + paths.Log + `
error_log=` + paths.Log + `

depend() {
	need net
	after containerd
}
`

func (*openrc) Name() string { return OpenRC }

func (o *openrc) Files() []File {
	return []File{{Place: paths.OpenRCScript, Data: fmt.Appendf(nil, openrcScript, o.at.EdgeCore()), Mode: 0o755}}
}

func (*openrc) Start(ctx context.Context) error {
	if err := run(ctx, "rc-update", "add", unitName, "default"); err != nil {
		return err
	}
	return run(ctx, "rc-service", unitName, "start")
}

func (*openrc) Stop(ctx context.Context) error {
	known, err := succeeded(ctx, "rc-service", "--exists", unitName)
	if err != nil || !known {
		return err
	}
	if err := run(ctx, "rc-service", "--ifstarted", unitName, "stop"); err != nil {
		return err
	}
	// It answers with a failure when the service was in no runlevel.
	_, err = succeeded(ctx, "rc-update", "delete", unitName)
	return err
}

func (*openrc) Running(ctx context.Context) (bool, error) {
	return succeeded(ctx, "rc-service", unitName, "status")
}

func (o *openrc) Log(_ context.Context, w io.Writer, part Part) error {
	return tail(o.at.At(paths.Log), w, part)
}
