// Package netns tests the routes on the real kernel, in network namespaces.
package netns
