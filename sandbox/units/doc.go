// Package units is a small systemctl for hosts of the sandbox, whose first process is
// no systemd. It does what keadm and edgectl ask of systemd for one simple service:
// start, stop, restart, enable, disable, status, is-active, is-enabled and cat, and it
// keeps the service running. Other unit types and dependencies do not exist here.
package units
