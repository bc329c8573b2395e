// Package hosts makes the machines of the sandbox: a host is a network, a mount,
// a UTS and a PID namespace held open by one anchor process, with directories,
// cgroups and long-running services of its own. A host sees its own processes
// only: EdgeCore and keadm refuse to start beside certain others.
//
// Nothing of a host is pinned outside its processes: no named network namespace
// and no mount in the machine's own tree. So when the processes in a host's
// cgroup are gone, the host is gone.
package hosts
