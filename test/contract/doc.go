// Package contract holds programs of KubeEdge to a numbered list of behaviors. TestCloudCore
// speaks to a CloudCore as EdgeCore, kube-apiserver and metrics-server do, with a real
// kube-apiserver behind it; TestEdgeCore speaks to an EdgeCore as CloudCore does.
//
// The suite runs on the stand-ins of sandbox/standin, and with `make contract
// KUBEEDGE=/dir` on the real programs. The real ones decide: a behavior is in the list
// because it was seen with them, whether we like it or not, and a stand-in that is kinder is
// wrong. docs/compatibility.md has the list and says with which versions it was run.
package contract
