// Package soak holds tests that take minutes and belong to no CI run: `make soak`
// runs them on the site that is up, or on one of their own.
package soak
