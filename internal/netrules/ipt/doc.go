// Package ipt keeps routes in iptables, for hosts whose nf_tables cannot be used.
//
//	table   built-in chain       our chain        what it does
//	mangle  POSTROUTING          EDGEWAY-GUARD    drops what goes to CloudCore's own ports past its gate,
//	mangle  INPUT                EDGEWAY-GUARD-HERE  in pods and on this node; all DNAT is done by then
//	filter  FORWARD, OUTPUT      EDGEWAY-CLOSED   fails closed: what still goes to an edge address was
//	                                              not redirected, and is rejected or dropped
//	nat     PREROUTING, OUTPUT   EDGEWAY-DNAT     redirects what pods and the node's own processes send
//	nat     POSTROUTING          EDGEWAY-MASQ     masquerades what was redirected
//
// The rules that jump to these chains are the first of their built-in chains, so
// that no rule of kube-proxy decides before. All that follows is in our chains,
// and only chains that differ are written: iptables-restore makes each table's
// change in one step. Tables are written in the order above, so a packet between
// two of them meets a closed door, never an open one.
//
// With IP sets the number of rules depends on CloudCores and port groups only:
// EDGEWAY-4-EDGE and its twin for IPv6 hold every routed address,
// EDGEWAY-4-GROUP.TARGET those whose GROUP of ports goes to TARGET. An address is
// added to its new set before it leaves the old one. Without IP sets every address
// has one rule in the chain EDGEWAY-NODES of each table.
//
// The kernel tells nobody of changed legacy tables or IP sets, so Backend looks
// every few seconds whether its rules and the numbers of members are as it left
// them.
package ipt
