package routes

import "strings"

// Reason is a stable code of a finding, fit for a condition's reason.
type Reason string

// Reasons of nodes whose requests reach a CloudCore.
const (
	// ReasonRouted: nothing to remark.
	ReasonRouted Reason = "Routed"
	// ReasonAddressShared: this node holds the address, and others claim it too.
	ReasonAddressShared Reason = "AddressShared"
)

// Reasons of nodes without a route.
const (
	ReasonNoAddress            Reason = "NoAddress"
	ReasonAddressInvalid       Reason = "AddressInvalid"
	ReasonAddressUnspecified   Reason = "AddressUnspecified"
	ReasonAddressReserved      Reason = "AddressReserved"
	ReasonAddressLoopback      Reason = "AddressLoopback"
	ReasonAddressLinkLocal     Reason = "AddressLinkLocal"
	ReasonAddressMulticast     Reason = "AddressMulticast"
	ReasonAddressOfCloudNode   Reason = "AddressOfCloudNode"
	ReasonAddressOfCloudCore   Reason = "AddressOfCloudCore"
	ReasonAddressInServiceCIDR Reason = "AddressInServiceCIDR"
	ReasonAddressInPodCIDR     Reason = "AddressInPodCIDR"
	// ReasonAddressNotEnrolled: the node's enrollment is for another address.
	ReasonAddressNotEnrolled Reason = "AddressNotEnrolled"
	// ReasonAddressConflict: another node holds the address.
	ReasonAddressConflict Reason = "AddressConflict"
)

// Reasons of nodes whose route is kept although no CloudCore can be reached.
const (
	// ReasonNoCloudCore: no CloudCore has recorded a tunnel port.
	ReasonNoCloudCore Reason = "NoCloudCore"
	// ReasonNoEndpoint: the CloudCore that the route names has no endpoint.
	ReasonNoEndpoint Reason = "NoEndpoint"
	// ReasonRecordedAddressUnmatched: a CloudCore runs at an address other than the
	// one recorded for it.
	ReasonRecordedAddressUnmatched Reason = "RecordedAddressUnmatched"
	// ReasonNoEndpointInFamily: the CloudCore has no endpoint in the address's family.
	ReasonNoEndpointInFamily Reason = "NoEndpointInFamily"
)

// Reasons of notes about the cluster.
const (
	// NoteDestinationIsCloudNode: the configured destination belongs to a cloud node.
	NoteDestinationIsCloudNode Reason = "DestinationIsCloudNode"
	// NoteTooManyTargets: there are more CloudCores than an EdgeRouteTargets can name.
	NoteTooManyTargets Reason = "TooManyTargets"
	// NotePortReserved: a recorded tunnel port is the log or the metrics port.
	NotePortReserved Reason = "TunnelPortReserved"
)

// Finding says how requests to a node, or to one of its addresses, fare.
type Finding struct {
	// Routed says that a route exists.
	Routed bool
	// Works says that a request reaches a CloudCore by it.
	Works bool
	// Transient findings come and go with CloudCore's pods, for all its nodes at once.
	Transient bool
	Reason    Reason
	// Message tells a person what is wrong and what to do.
	Message string
}

// Note is a finding about the cluster.
type Note struct {
	Reason  Reason
	Message string
}

func refusal(reason Reason, message string) Finding {
	return Finding{Reason: reason, Message: message}
}

func working(reason Reason, message string) Finding {
	return Finding{Routed: true, Works: true, Reason: reason, Message: message}
}

func broken(reason Reason, message string) Finding {
	return Finding{Routed: true, Transient: true, Reason: reason, Message: message}
}

// combine makes one finding of those of a node's addresses. The first address
// decides, also about Routed, since it is the one that the apiserver and scrapers dial; what is wrong
// with another one is added to the message.
func combine(findings []Finding) Finding {
	if len(findings) == 0 {
		return refusal(ReasonNoAddress, "The node reports no InternalIP. Set EdgeCore's modules.edged.nodeIP.")
	}
	first := findings[0]
	if len(findings) == 1 {
		return first
	}
	messages := []string{first.Message}
	for _, other := range findings[1:] {
		if !other.Works {
			messages = append(messages, other.Message)
		}
	}
	first.Message = strings.Join(messages, " ")
	return first
}
