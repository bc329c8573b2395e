// Package nft keeps routes in nftables, in a table of its own, inet edgeway.
//
//	hook         priority  chain            what it does
//	prerouting   -110      nat-prerouting   redirects what pods send to edge addresses
//	output       -110      nat-output       redirects what the node's own processes send
//	input        -150      guard-input      drops what came to CloudCore's own ports past its gate: on
//	postrouting  -150      guard-postrouting  this node's network, and in pods. All DNAT is done by then
//	forward         0      filter-forward   fails closed: what still goes to an edge address was
//	output          0      filter-output    not redirected, and is rejected or dropped
//	postrouting    90      nat-postrouting  masquerades what was redirected
//
// -110 comes before kube-proxy's -100, so that no Service rule decides first, and
// 90 before the 100 of kube-proxy and CNI plugins. One NAT decision is taken per
// hook, hence a redirection ends at a real endpoint and never at a Service.
//
// Sets edge4 and edge6 hold every routed address; v4.GROUP.to.TARGET and its v6
// twin hold those whose GROUP of ports goes to TARGET. Sets of ports and of
// CloudCore's own addresses carry a hash of their content in their name and never change:
// a different content is a different set, and the rules switch to it in the same
// transaction.
//
// Everything is written over netlink. A batch is one transaction: packets see the
// old rules or the new ones.
package nft
