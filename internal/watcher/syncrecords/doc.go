// Package syncrecords deletes what CloudCore leaves behind of a deleted Node.
//
// CloudCore records in a ClusterObjectSync NODE.UID which version of a Node the device
// has. It keeps the record when the Node is deleted, and as long as there is one with
// another UID than the Node's, it tells the device every five seconds that its Node is
// deleted and closes the connection. So a device that joins again under its old name
// never stays connected (seen with KubeEdge 1.23.1).
package syncrecords
