// Package runtime switches KubeEdge on, changes it and switches it off on one
// cluster. It acts with the rights of the client configuration it is given, and
// the Helm release "kubeedge" in namespace "kubeedge" is its only record, so
// plain helm works on the same release. Nothing else imports Helm.
//
// Every verb first observes (see observe.go: one state with a reason), then
// decides on one action (decide.go), then acts. A verb that was interrupted is
// continued by the next one.
package runtime
