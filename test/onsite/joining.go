package onsite

import (
	"net/http"
)

// ClusterPath is where the console's API has the site's cluster.
const ClusterPath = "/api/v1/clusters/sandbox"

// Enrollment is one as the console shows it.
type Enrollment struct {
	Name     string `json:"name"`
	NodeName string `json:"nodeName"`
	// Command is the printed line.
	Command string `json:"command"`
	Code    string `json:"code"`
	Phase   string `json:"phase"`
}

// JoinRequest is the wizard's form with its own defaults, filled in for a device.
func (c Console) JoinRequest(node, ip string) (map[string]any, error) {
	var defaults struct {
		Request map[string]any `json:"request"`
	}
	if err := c.Call(http.MethodGet, ClusterPath+"/join-defaults", nil, &defaults); err != nil {
		return nil, err
	}
	defaults.Request["nodeName"], defaults.Request["nodeIP"] = node, ip
	return defaults.Request, nil
}

// Enroll sends a filled form.
func (c Console) Enroll(request map[string]any) (Enrollment, error) {
	var e Enrollment
	err := c.Call(http.MethodPost, ClusterPath+"/enrollments", request, &e)
	return e, err
}

// Enrollment reads one again.
func (c Console) Enrollment(name string) (Enrollment, error) {
	var e Enrollment
	err := c.Call(http.MethodGet, ClusterPath+"/enrollments/"+name, nil, &e)
	return e, err
}

// Retire takes a node out of the cluster; the device itself leaves by `edgectl leave`.
func (c Console) Retire(node string) error {
	leave := map[string]any{"confirm": node, "timeoutSeconds": 30, "force": false}
	return c.Call(http.MethodPost, ClusterPath+"/nodes/"+node+"/leave", leave, nil)
}
