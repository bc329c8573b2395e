// Package enroll is how an edge node gets in: it creates enrollments with their
// join codes, redeems codes, and prints what a person pastes at the device. It
// knows neither HTTP nor a command line.
//
// A code is random, works once and is stored as a hash. Redeeming it hands the
// device's certificate request to edge-watcher, the only one who may read
// KubeEdge's CA, through the EdgeEnrollment's status; nothing here ever holds a
// key. Creating an enrollment happens with the signed-in user's rights; redeeming
// with a ServiceAccount that can do nothing outside the join namespace.
package enroll
