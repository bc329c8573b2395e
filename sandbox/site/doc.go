// Package site puts the sandbox together: which hosts there are, how they are
// wired, what runs on each, in which order it starts, and how all of it ends.
//
//	machine 198.18.0.254
//	   |
//	[internet 198.18.0.1/24] --- cp .2 --- worker .3 --- console .4
//	   |                |               |
//	nat-jetson .11   nat-raspberry .12  nat-orange .13
//	   |                |               |
//	jetson-xavier    raspberrypi     orangepi
//	192.168.100.1    192.168.100.2   192.168.100.3
//
// The three edge networks are separate and use the same private range, as such
// networks do. The cloud has a default route and no working one to them.
package site
