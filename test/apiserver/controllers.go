package apiserver

import (
	"fmt"
	"strings"
)

// StartControllers runs kube-controller-manager with the named controllers, such as
// "garbage-collector-controller". It ends with the server. Whoever needs it waits for
// what it does: it has no address of its own that could be asked.
func (s *Server) StartControllers(names ...string) error {
	proc, err := s.run("kube-controller-manager", []string{
		"--kubeconfig=" + s.Kubeconfig(), "--authentication-kubeconfig=" + s.Kubeconfig(), "--authorization-kubeconfig=" + s.Kubeconfig(),
		"--secure-port=0", "--leader-elect=false", "--controllers=" + strings.Join(names, ","),
		// As fast as they can: the limits are meant for large clusters.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	})
	if err != nil {
		return fmt.Errorf("start the controllers: %w", err)
	}
	s.managerProc = proc
	return nil
}
