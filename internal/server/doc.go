// Package server is the console's HTTP side: sign-in, the REST API described by
// OpenAPI, streams of progress and logs, the join endpoints and the web UI.
//
// The server holds no rights of its own. Every call on a cluster is made with
// the signed-in user's, and Kubernetes decides. The one exception is the
// redemption of join codes, which uses a ServiceAccount limited to namespace
// edgeway-join.
package server
